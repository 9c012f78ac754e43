use crate::{Error, ErrorKind, Result, SessionId};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// What a client shows to go on with its session: `<session id>.<256 random bits>`, both in base64url.
/// Only the SHA-256 of the secret is stored.
pub(super) struct RefreshToken {
    pub(super) session: SessionId,
    secret: [u8; 32],
}

/// 256 random bits.
///
/// # Errors
/// `Internal` when the system gives no randomness.
pub fn random_secret() -> Result<[u8; 32]> {
    let mut secret = [0; 32];
    aws_lc_rs::rand::fill(&mut secret)
        .map_err(|source| Error::internal("the system gave no random bytes").caused_by(source))?;
    Ok(secret)
}

impl RefreshToken {
    pub(super) fn generate(session: SessionId) -> Result<Self> {
        Ok(Self { session, secret: random_secret()? })
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let parse = || {
            // 22 and 43 digits of base64url, and the point.
            let (session, secret) = text.split_once('.').filter(|_| text.len() == 66)?;
            let session: [u8; 16] = BASE64_URL_SAFE_NO_PAD.decode(session).ok()?.try_into().ok()?;
            let secret = BASE64_URL_SAFE_NO_PAD.decode(secret).ok()?.try_into().ok()?;
            Some(Self { session: uuid::Uuid::from_bytes(session).into(), secret })
        };
        parse().ok_or_else(Self::invalid)
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    /// The error for a token that is none, or no longer one.
    pub(super) fn invalid() -> Error {
        Error::new(ErrorKind::Unauthenticated, "invalid_refresh_token", "sign in again")
    }
}

impl std::fmt::Display for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        write!(f, "{}.{}", encode(self.session.as_uuid().as_bytes()), encode(&self.secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_and_back() {
        let token = RefreshToken::generate(SessionId::new()).unwrap();
        let again = RefreshToken::parse(&token.to_string()).unwrap();
        assert_eq!((again.session, again.hash()), (token.session, token.hash()));
    }

    proptest! {
        #[test]
        fn anything_else_is_refused(text in "[A-Za-z0-9._=-]{0,80}") {
            if let Ok(token) = RefreshToken::parse(&text) {
                prop_assert_eq!(token.to_string(), text);
            }
        }
    }
}
