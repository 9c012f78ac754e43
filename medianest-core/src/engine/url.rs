//! Signed URLs, so that `<img>`, `<video>` and players work without headers.

use super::Engine;
use crate::{AssetId, Error, ErrorKind, RenditionId, Result, SessionId, TenantId, Timestamp, VariantName};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use std::{fmt, str::FromStr, time::Duration};

/// Signatures are made for the next full step of this length, so that the URL of a picture stays the
/// same for a while and caches work.
const STEP_SECS: i64 = 3600;

/// A key that signs URLs.
#[derive(Clone)]
pub struct UrlKey {
    id: String,
    secret: Vec<u8>,
}

impl UrlKey {
    /// A key with an id that is written into URLs (1 to 16 of `a-z 0-9`) and at least 32 secret bytes.
    ///
    /// # Errors
    /// `invalid_url_key` when a rule is broken.
    pub fn new(id: impl Into<String>, secret: impl Into<Vec<u8>>) -> Result<Self> {
        let (id, secret) = (id.into(), secret.into());
        let plain = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !plain || !(1..=16).contains(&id.len()) || secret.len() < 32 {
            return Err(Error::invalid(
                "invalid_url_key",
                "the id of a URL key is 1 to 16 of a-z and 0-9, and its secret has at least 32 bytes",
            ));
        }
        Ok(Self { id, secret })
    }

    fn random() -> Self {
        // Three random UUIDs carry 366 bits from the operating system.
        let secret = (0..3).flat_map(|_| *uuid::Uuid::new_v4().as_bytes()).collect();
        Self { id: String::from("tmp"), secret }
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        let mut mac = self.mac();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes()[..16].to_vec()
    }

    fn verify(&self, text: &str, signature: &[u8]) -> bool {
        let mut mac = self.mac();
        mac.update(text.as_bytes());
        signature.len() == 16 && mac.verify_truncated_left(signature).is_ok()
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    fn mac(&self) -> Hmac<sha2::Sha256> {
        Hmac::new_from_slice(&self.secret).expect("HMAC takes keys of every length")
    }
}

impl fmt::Debug for UrlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The keys that sign URLs: the first signs, all verify.
#[derive(Clone, Debug)]
pub struct UrlKeys(Vec<UrlKey>);

impl UrlKeys {
    pub(super) fn new(mut keys: Vec<UrlKey>) -> Self {
        if keys.is_empty() {
            keys.push(UrlKey::random());
        }
        Self(keys)
    }

    /// The signature segment of these claims: `key.scope.expiry.session.tenant.signature`.
    pub fn sign(&self, claims: &UrlClaims) -> String {
        let key = &self.0[0];
        let fields = claims.fields();
        let signature = BASE64.encode(key.sign(&claims.signed_text(&key.id, &fields)));
        format!("{}.{fields}.{signature}", key.id)
    }

    /// The claims of a signature segment for an asset, if the signature is ours and has not expired.
    ///
    /// # Errors
    /// `invalid_signature` (Forbidden), whatever is wrong with it; `url_expired` (Gone).
    pub fn verify(&self, segment: &str, asset: AssetId, now: Timestamp) -> Result<UrlClaims> {
        let invalid = || {
            Error::new(ErrorKind::Forbidden, "invalid_signature", "the signature of this URL is not valid")
        };
        if segment.len() > 256 {
            return Err(invalid());
        }
        let (signed, signature) = segment.rsplit_once('.').ok_or_else(invalid)?;
        let (id, fields) = signed.split_once('.').ok_or_else(invalid)?;
        let key = self.0.iter().find(|key| key.id == id).ok_or_else(invalid)?;
        let claims = UrlClaims::parse(fields, asset).ok_or_else(invalid)?;
        let signature = BASE64.decode(signature).map_err(|_| invalid())?;
        if !key.verify(&claims.signed_text(id, fields), &signature) {
            return Err(invalid());
        }
        if claims.expires_at <= now {
            return Err(Error::new(
                ErrorKind::Gone,
                "url_expired",
                "this URL has expired; ask for a new one",
            ));
        }
        Ok(claims)
    }

    /// A text that nobody else can have made, for one purpose: `key.text.signature`. It can be read.
    pub(super) fn seal(&self, purpose: &str, text: &[u8]) -> String {
        let (key, text) = (&self.0[0], BASE64.encode(text));
        let signature = BASE64.encode(key.sign(&format!("{purpose}\n{}\n{text}", key.id)));
        format!("{}.{text}.{signature}", key.id)
    }

    /// The text that was sealed for this purpose, if it was.
    pub(super) fn unseal(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        let mut pieces = sealed.split('.');
        let (id, text, signature) = (pieces.next()?, pieces.next()?, pieces.next()?);
        let key = self.0.iter().find(|key| key.id == id)?;
        let signature = BASE64.decode(signature).ok()?;
        let ours = pieces.next().is_none() && key.verify(&format!("{purpose}\n{id}\n{text}"), &signature);
        if ours { BASE64.decode(text).ok() } else { None }
    }
}

/// What a signature gives access to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlScope {
    /// The original.
    Original,
    /// The renditions of one variant, each as a whole.
    Rendition(VariantName),
    /// The HLS tree: all playlists, rungs and sound.
    Hls,
}

/// What a signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlClaims {
    /// The world the asset is in.
    pub tenant: TenantId,
    /// The asset.
    pub asset: AssetId,
    /// What of it.
    pub scope: UrlScope,
    /// Until when.
    pub expires_at: Timestamp,
    /// The sign-in that must still be valid, and whose user must still see the asset.
    pub session: Option<SessionId>,
}

impl UrlClaims {
    fn fields(&self) -> String {
        let scope = match &self.scope {
            UrlScope::Original => String::from("o"),
            UrlScope::Rendition(variant) => format!("r-{variant}"),
            UrlScope::Hls => String::from("h"),
        };
        let session = self.session.map(|id| id.as_uuid().simple().to_string()).unwrap_or_default();
        let tenant = match self.tenant {
            TenantId::DEFAULT => String::new(),
            tenant => tenant.as_uuid().simple().to_string(),
        };
        format!("{scope}.{:x}.{session}.{tenant}", self.expires_at.as_secs())
    }

    fn parse(fields: &str, asset: AssetId) -> Option<Self> {
        let mut fields = fields.split('.');
        let scope = match fields.next()? {
            "o" => UrlScope::Original,
            "h" => UrlScope::Hls,
            other => UrlScope::Rendition(VariantName::new(other.strip_prefix("r-")?).ok()?),
        };
        let expires_at = Timestamp::from_secs(i64::from_str_radix(fields.next()?, 16).ok()?);
        let id = |text: &str| match text {
            "" => Some(None),
            text => uuid::Uuid::try_parse(text).ok().map(Some),
        };
        let session = id(fields.next()?)?.map(SessionId::from_uuid);
        let tenant = id(fields.next()?)?.map_or(TenantId::DEFAULT, TenantId::from_uuid);
        fields.next().is_none().then_some(Self { tenant, asset, scope, expires_at, session })
    }

    fn signed_text(&self, key: &str, fields: &str) -> String {
        format!("medianest-url-1\n{key}\n{}\n{fields}", self.asset)
    }
}

/// A path below `/media`, apart from its signature: what is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaPath {
    /// `{asset}/content`: the original.
    Original,
    /// `{asset}/renditions/{variant}`: the present rendition of a variant, as a whole.
    Rendition(VariantName),
    /// `{asset}/renditions/{variant}/{rendition}`: exactly this rendition, also for a while after it
    /// was replaced.
    ExactRendition(VariantName, RenditionId),
    /// `{asset}/hls/index.m3u8`: the multivariant playlist.
    HlsIndex,
    /// `{asset}/hls/{variant}/index.m3u8`: the playlist of a rung or of the sound.
    HlsPlaylist(VariantName),
    /// `{asset}/hls/{variant}/{rendition}/{ordinal}.mp4`: a part of exactly this rendition, also for a
    /// while after it was replaced.
    HlsPart(VariantName, RenditionId, u32),
}

impl MediaPath {
    /// Whether a signature of this scope covers it.
    pub fn is_covered_by(&self, scope: &UrlScope) -> bool {
        match self {
            Self::Original => *scope == UrlScope::Original,
            Self::Rendition(variant) | Self::ExactRendition(variant, _) => {
                matches!(scope, UrlScope::Rendition(signed) if signed == variant)
            }
            Self::HlsIndex | Self::HlsPlaylist(_) | Self::HlsPart(..) => *scope == UrlScope::Hls,
        }
    }

    /// Whether the bytes at this path are always the same ones.
    pub fn is_immutable(&self) -> bool {
        matches!(self, Self::Original | Self::ExactRendition(..) | Self::HlsPart(..))
    }
}

impl fmt::Display for MediaPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Original => f.write_str("content"),
            Self::Rendition(variant) => write!(f, "renditions/{variant}"),
            Self::ExactRendition(variant, rendition) => write!(f, "renditions/{variant}/{rendition}"),
            Self::HlsIndex => f.write_str("hls/index.m3u8"),
            Self::HlsPlaylist(variant) => write!(f, "hls/{variant}/index.m3u8"),
            Self::HlsPart(variant, rendition, ordinal) => {
                write!(f, "hls/{variant}/{rendition}/{ordinal}.mp4")
            }
        }
    }
}

impl FromStr for MediaPath {
    type Err = Error;

    /// What follows the asset's id in a path.
    fn from_str(path: &str) -> Result<Self> {
        let unknown = || Error::new(ErrorKind::NotFound, "path_not_found", "there is nothing at this path");
        let segments: Vec<_> = path.split('/').collect();
        let variant = |name: &str| VariantName::new(name).map_err(|_| unknown());
        let rendition = |id: &str| id.parse::<RenditionId>().map_err(|_| unknown());
        match segments[..] {
            ["content"] => Ok(Self::Original),
            ["renditions", name] => Ok(Self::Rendition(variant(name)?)),
            ["renditions", name, id] => Ok(Self::ExactRendition(variant(name)?, rendition(id)?)),
            ["hls", "index.m3u8"] => Ok(Self::HlsIndex),
            ["hls", name, "index.m3u8"] => Ok(Self::HlsPlaylist(variant(name)?)),
            ["hls", name, id, part] => {
                let digits = part.strip_suffix(".mp4").ok_or_else(unknown)?;
                let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                let ordinal = digits.parse().ok().filter(|_| plain).ok_or_else(unknown)?;
                Ok(Self::HlsPart(variant(name)?, rendition(id)?, ordinal))
            }
            _ => Err(unknown()),
        }
    }
}

/// Builds a signed URL path; see [`Media::url`](super::Media::url).
#[derive(Debug)]
#[must_use]
pub struct MediaUrl {
    engine: Engine,
    tenant: TenantId,
    asset: AssetId,
    path: MediaPath,
    expires_in: Duration,
    session: Option<SessionId>,
}

impl super::Media {
    /// A signed URL path of an asset: of its original, unless told otherwise. Whoever has the URL has
    /// access until it expires, so check first that they may see the asset.
    pub fn url(&self, asset: AssetId) -> MediaUrl {
        MediaUrl {
            engine: self.engine().clone(),
            tenant: self.principal().tenant,
            asset,
            path: MediaPath::Original,
            expires_in: Duration::from_secs(3600),
            session: None,
        }
    }
}

impl MediaUrl {
    /// Of whatever is the rendition of a variant when the URL is used, as a whole.
    pub fn rendition(mut self, variant: VariantName) -> Self {
        self.path = MediaPath::Rendition(variant);
        self
    }

    /// Of exactly this rendition of a variant, as a whole: browsers keep it without asking again. It is
    /// served until [`delete_retention`](super::EngineOptions::delete_retention) after it was replaced.
    pub fn exact_rendition(mut self, variant: VariantName, rendition: RenditionId) -> Self {
        self.path = MediaPath::ExactRendition(variant, rendition);
        self
    }

    /// Of the HLS playlist; the same signature covers all that it leads to.
    pub fn hls(mut self) -> Self {
        self.path = MediaPath::HlsIndex;
        self
    }

    /// How long it is valid, at least; by default an hour. Up to an hour is added, so that equal URLs
    /// are cached.
    pub fn expires_in(mut self, valid: Duration) -> Self {
        self.expires_in = valid;
        self
    }

    /// Only while this sign-in is valid and its user sees the asset.
    pub fn for_session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// The path, from `/media` on.
    pub fn sign(self) -> String {
        let wanted = (self.engine.now() + self.expires_in).as_secs();
        let expires_at =
            Timestamp::from_secs(wanted.div_euclid(STEP_SECS).saturating_add(1).saturating_mul(STEP_SECS));
        let scope = match &self.path {
            MediaPath::Original => UrlScope::Original,
            MediaPath::Rendition(variant) | MediaPath::ExactRendition(variant, _) => {
                UrlScope::Rendition(variant.clone())
            }
            MediaPath::HlsIndex | MediaPath::HlsPlaylist(_) | MediaPath::HlsPart(..) => UrlScope::Hls,
        };
        let (tenant, asset, session) = (self.tenant, self.asset, self.session);
        let segment = self.engine.url_keys().sign(&UrlClaims { tenant, asset, scope, expires_at, session });
        format!("/media/{segment}/{asset}/{}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys() -> UrlKeys {
        UrlKeys::new(vec![UrlKey::new("k1", [7; 32]).unwrap(), UrlKey::new("k0", [8; 32]).unwrap()])
    }

    fn claims(scope: UrlScope) -> UrlClaims {
        UrlClaims {
            tenant: TenantId::DEFAULT,
            asset: AssetId::new(),
            scope,
            expires_at: Timestamp::from_secs(2_000),
            session: Some(SessionId::new()),
        }
    }

    #[test]
    fn signed_claims_come_back_until_they_expire() {
        for scope in
            [UrlScope::Original, UrlScope::Hls, UrlScope::Rendition(VariantName::new("a-b").unwrap())]
        {
            for tenant in [TenantId::DEFAULT, TenantId::new()] {
                let claims = UrlClaims { tenant, ..claims(scope.clone()) };
                let segment = keys().sign(&claims);
                assert_eq!(
                    keys().verify(&segment, claims.asset, Timestamp::from_secs(1_999)).unwrap(),
                    claims
                );
                let late = keys().verify(&segment, claims.asset, Timestamp::from_secs(2_000)).unwrap_err();
                assert_eq!(late.code(), "url_expired");
                let other = keys().verify(&segment, AssetId::new(), Timestamp::from_secs(0)).unwrap_err();
                assert_eq!(other.code(), "invalid_signature");
            }
        }
    }

    #[test]
    fn a_sealed_text_is_ours_and_for_its_purpose() {
        let sealed = keys().seal("one", b"a text");
        assert_eq!(keys().unseal("one", &sealed).unwrap(), b"a text");
        assert_eq!(keys().unseal("other", &sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            assert_eq!(keys().unseal("one", &String::from_utf8(changed).unwrap()), None, "at {at}");
        }
        for text in ["", ".", "..", "...", &format!("{sealed}.x"), "é.x.y"] {
            assert_eq!(keys().unseal("one", text), None);
        }
    }

    #[test]
    fn an_older_key_still_verifies_and_a_removed_one_does_not() {
        let claims = claims(UrlScope::Hls);
        let old = UrlKeys::new(vec![UrlKey::new("k0", [8; 32]).unwrap()]).sign(&claims);
        assert!(keys().verify(&old, claims.asset, Timestamp::from_secs(0)).is_ok());
        let removed = UrlKeys::new(vec![UrlKey::new("k9", [9; 32]).unwrap()]).sign(&claims);
        assert!(keys().verify(&removed, claims.asset, Timestamp::from_secs(0)).is_err());
    }

    #[test]
    fn paths_are_written_as_they_are_read() {
        let id = RenditionId::new();
        for path in [
            "content".to_owned(),
            "renditions/small".to_owned(),
            format!("renditions/small/{id}"),
            "hls/index.m3u8".to_owned(),
            "hls/720p/index.m3u8".to_owned(),
            format!("hls/720p/{id}/12.mp4"),
        ] {
            assert_eq!(path.parse::<MediaPath>().unwrap().to_string(), path);
        }
        for path in ["hls/720p/12.mp4", "renditions/small/12", "renditions", "hls/720p/x/1.mp4"] {
            assert_eq!(path.parse::<MediaPath>().unwrap_err().code(), "path_not_found", "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_character_breaks_the_signature(at in 0_usize..60, with in "[a-z0-9._-]") {
            let claims = claims(UrlScope::Original);
            let segment = keys().sign(&claims);
            let mut changed: Vec<char> = segment.chars().collect();
            let at = at % changed.len();
            changed[at] = with.chars().next().unwrap();
            let changed: String = changed.into_iter().collect();
            prop_assume!(changed != segment);
            prop_assert!(keys().verify(&changed, claims.asset, Timestamp::from_secs(0)).is_err());
        }

        #[test]
        fn paths_from_outside_never_panic(path in ".{0,80}") {
            if let Ok(parsed) = path.parse::<MediaPath>() {
                prop_assert_eq!(parsed.to_string().parse::<MediaPath>().unwrap(), parsed);
            }
        }
    }
}
