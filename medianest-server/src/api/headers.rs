//! Headers that say how often, or on what, an operation is done. poem-openapi's own extractor leaves out a
//! header that is no plain text: what is to happen once would happen twice.

use crate::problem::Failure;
use medianest_core::{Error, ErrorKind, Principal, Result};
use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaParamIn, MetaSchema, MetaSchemaRef},
    types::Type,
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// `Idempotency-Key`: makes a repeated request give what the first one made.
pub(super) struct IdempotencyKey(pub(super) Option<String>);

/// `If-Match`: the version that must be the present one; None without the header, or with `*`.
pub(super) struct IfMatch(pub(super) Option<i64>);

impl IdempotencyKey {
    /// An id that follows from the caller and the key, so that a repetition meets what is there.
    pub(super) fn id_for(&self, caller: &Principal) -> Option<Uuid> {
        let digest = Sha256::new()
            .chain_update(caller.tenant.as_uuid().as_bytes())
            .chain_update(caller.subject.len().to_be_bytes())
            .chain_update(&caller.subject)
            .chain_update(self.0.as_ref()?)
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Some(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    fn parse(value: Option<&str>) -> Result<Self> {
        let fine =
            |key: &str| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        match value {
            None => Ok(Self(None)),
            Some(key) if fine(key) => Ok(Self(Some(key.to_owned()))),
            Some(_) => {
                let message = "an idempotency key has 1 to 255 visible ASCII characters";
                Err(Error::invalid("invalid_idempotency_key", message))
            }
        }
    }

    fn schema() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            min_length: Some(1),
            max_length: Some(255),
            pattern: Some("^[!-~]+$".into()),
            ..MetaSchema::new("string")
        }))
    }
}

impl IfMatch {
    fn parse(value: Option<&str>) -> Result<Self> {
        let Some(tag) = value.map(str::trim).filter(|tag| *tag != "*") else { return Ok(Self(None)) };
        let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')?.parse().ok());
        // A tag that we never gave out is one that no longer matches.
        version.map(|version| Self(Some(version))).ok_or_else(|| {
            Error::new(
                ErrorKind::PreconditionFailed,
                "version_mismatch",
                "this is not the present entity tag",
            )
        })
    }

    fn schema() -> MetaSchemaRef {
        String::schema_ref()
    }
}

/// What a request with an idempotency key made under the key's id, and that it is new; or, when it failed
/// because something is there (`taken`), what an earlier request like it made.
///
/// # Errors
/// `idempotency_key_reused` (Conflict) when the earlier one was not like it.
pub(super) async fn once<T>(
    made: Result<T>,
    taken: &str,
    earlier: impl Future<Output = Result<T>>,
    is_same: impl Fn(&T) -> bool,
) -> Result<(T, bool)> {
    let error = match made {
        Ok(new) => return Ok((new, true)),
        Err(error) if error.code() != taken => return Err(error),
        Err(error) => error,
    };
    match earlier.await {
        Ok(thing) if is_same(&thing) => Ok((thing, false)),
        Ok(_) => {
            let message = "this idempotency key came with another request";
            Err(Error::conflict("idempotency_key_reused", message))
        }
        // It was not the key's id that was taken.
        Err(missing) if missing.kind() == ErrorKind::NotFound => Err(error),
        Err(other) => Err(other),
    }
}

/// The value of a header, None without it. What is no plain text or comes twice is empty, which is never right.
fn value_of<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let mut values = request.headers().get_all(name).iter();
    let value = values.next()?.to_str().unwrap_or_default();
    Some(if values.next().is_none() { value } else { "" })
}

macro_rules! headers {
    ($($header:ident),+) => {$(
        impl<'a> ApiExtractor<'a> for $header {
            const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
            type ParamType = ();
            type ParamRawType = ();

            fn param_in() -> Option<MetaParamIn> {
                Some(MetaParamIn::Header)
            }

            fn param_schema_ref() -> Option<MetaSchemaRef> {
                Some(Self::schema())
            }

            async fn from_request(
                request: &'a Request,
                _: &mut RequestBody,
                options: ExtractParamOptions<()>,
            ) -> poem::Result<Self> {
                Ok(Self::parse(value_of(request, options.name)).map_err(Failure)?)
            }
        }
    )+};
}

headers!(IdempotencyKey, IfMatch);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_names_a_version() {
        let version = |value| IfMatch::parse(value).map(|header| header.0);
        assert_eq!(version(None).unwrap(), None);
        assert_eq!(version(Some("*")).unwrap(), None);
        assert_eq!(version(Some("\"7\"")).unwrap(), Some(7));
        for stale in ["", "7", "\"x\"", "W/\"7\"", "\"1\", \"2\""] {
            assert_eq!(version(Some(stale)).unwrap_err().code(), "version_mismatch");
        }
    }

    #[test]
    fn a_key_leads_each_caller_to_an_id_of_their_own() {
        let key = |text| IdempotencyKey::parse(Some(text)).unwrap();
        let (ada, bob) = (Principal::user("ada"), Principal::user("bob"));
        assert_eq!(key("k").id_for(&ada), key("k").id_for(&ada));
        assert_ne!(key("k").id_for(&ada), key("k").id_for(&bob));
        assert_ne!(key("k").id_for(&ada), key("l").id_for(&ada));
        assert_eq!(IdempotencyKey::parse(None).unwrap().id_for(&ada), None);
        for bad in ["", "a b", "é", &"x".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(Some(bad)).err().unwrap().code(), "invalid_idempotency_key");
        }
    }

    #[test]
    fn a_header_that_says_two_things_says_nothing() {
        let request = Request::builder().header("if-match", "\"1\"").header("if-match", "\"2\"").finish();
        assert_eq!(value_of(&request, "if-match"), Some(""));
        let request = Request::builder().header("if-match", "\"é\"").finish();
        assert_eq!(value_of(&request, "if-match"), Some(""));
        assert_eq!(value_of(&request, "idempotency-key"), None);
    }
}
