use super::KeySet;
use crate::{Clock, Error, ErrorKind, Result, SessionId, TenantId, UserId, recent::Recent};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// What tokens say and how long they live.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenOptions {
    /// Who issues them; tokens of another issuer are refused.
    pub issuer: String,
    /// Whom they are for; tokens for somebody else are refused.
    pub audience: String,
    /// How long an access token lives.
    pub lifetime: Duration,
    /// How far the clocks of two of our processes may differ; at most 30 seconds count.
    pub leeway: Duration,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self {
            issuer: "medianest".into(),
            audience: "medianest".into(),
            lifetime: Duration::from_secs(15 * 60),
            leeway: Duration::from_secs(5),
        }
    }
}

/// What a token is for: the `typ` of its header, so that none is taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Shown with a request ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)).
    Access,
    /// Kept in a cookie; lives as long as its session.
    Cookie,
}

impl TokenKind {
    const fn header_type(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Cookie => "medianest-cookie+jwt",
        }
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// Whose it is.
    pub sub: UserId,
    /// The session it stands on.
    pub sid: SessionId,
    /// The world it is for.
    pub tenant: TenantId,
    /// The role at the time it was issued: for readers of the token; we look at the session.
    pub role: String,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it ends.
    pub exp: i64,
}

/// The header as we write it. Anything else in it (`crit`, `b64`, `jku`, `jwk`, `x5u`, …) is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OurHeader {
    typ: String,
    alg: String,
    kid: String,
}

/// Signs and verifies tokens: JWTs ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519),
/// [RFC 8725](https://www.rfc-editor.org/rfc/rfc8725)) with EdDSA and no other algorithm.
///
/// A verified token is only half the proof: its session must be valid too.
pub struct Tokens {
    options: TokenOptions,
    keys: KeySet,
    clock: Arc<dyn Clock>,
    verified: Mutex<Verified>,
}

/// By the SHA-256 of the token, so that no token stays in memory.
type Verified = Recent<[u8; 32], (TokenKind, Arc<Claims>)>;

impl Tokens {
    /// Longer tokens are refused unread.
    pub const MAX_LENGTH: usize = 4096;
    const REMEMBERED: usize = 4096;

    /// Signs with the last of these keys.
    pub fn new(options: TokenOptions, keys: KeySet, clock: Arc<dyn Clock>) -> Self {
        Self { options, keys, clock, verified: Mutex::new(Recent::new(Self::REMEMBERED)) }
    }

    /// The keys.
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// How long an access token lives.
    pub fn lifetime(&self) -> Duration {
        self.options.lifetime
    }

    /// Signs a token.
    ///
    /// # Errors
    /// `Internal` when signing fails.
    pub fn issue(
        &self,
        kind: TokenKind,
        (tenant, sub, sid): (TenantId, UserId, SessionId),
        role: &str,
        lifetime: Duration,
    ) -> Result<String> {
        let iat = self.clock.now().as_secs();
        let claims = Claims {
            iss: self.options.issuer.clone(),
            aud: self.options.audience.clone(),
            sub,
            sid,
            tenant,
            role: role.to_owned(),
            iat,
            exp: iat.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX)),
        };
        let key = self.keys.signing()?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(kind.header_type().to_owned());
        header.kid = Some(key.id.clone());
        jsonwebtoken::encode(&header, &claims, &key.encoding)
            .map_err(|source| Error::internal("signing a token failed").caused_by(source))
    }

    /// What a token says, when we signed it for this purpose and it has not ended.
    ///
    /// # Errors
    /// `invalid_token`, `token_expired` (Unauthenticated).
    pub fn verify(&self, token: &str, kind: TokenKind) -> Result<Arc<Claims>> {
        if token.len() > Self::MAX_LENGTH {
            return Err(invalid());
        }
        let digest = Sha256::digest(token).into();
        let known = self.verified().get(&digest);
        let (signed_for, claims) = match known {
            Some(known) => known,
            None => {
                let claims = Arc::new(self.verify_signature(token, kind).ok_or_else(invalid)?);
                self.verified().insert(digest, (kind, Arc::clone(&claims)));
                (kind, claims)
            }
        };
        if signed_for != kind {
            return Err(invalid());
        }
        let leeway = i64::try_from(self.options.leeway.as_secs()).unwrap_or(i64::MAX).min(30);
        let now = self.clock.now().as_secs();
        if claims.iat > now.saturating_add(leeway) {
            return Err(invalid());
        }
        if claims.exp <= now.saturating_sub(leeway) {
            return Err(Error::new(
                ErrorKind::Unauthenticated,
                "token_expired",
                "the token has expired; refresh it",
            ));
        }
        Ok(claims)
    }

    fn verified(&self) -> std::sync::MutexGuard<'_, Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verify_signature(&self, token: &str, kind: TokenKind) -> Option<Claims> {
        let header = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
        let header: OurHeader = serde_json::from_slice(&header).ok()?;
        if header.alg != "EdDSA" || header.typ != kind.header_type() {
            return None;
        }
        let key = self.keys.find(&header.kid)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.options.issuer]);
        validation.set_audience(&[&self.options.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // Against our clock instead, and each time, in `verify`.
        validation.validate_exp = false;
        Some(jsonwebtoken::decode(token, &key.decoding, &validation).ok()?.claims)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("keys", &self.keys).field("options", &self.options).finish()
    }
}

fn invalid() -> Error {
    Error::new(ErrorKind::Unauthenticated, "invalid_token", "the token is not one that we accept")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ManualClock, Timestamp};
    use jsonwebtoken::EncodingKey;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const NOW: i64 = 1_800_000_000;

    fn tokens() -> (Tokens, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(NOW)));
        (Tokens::new(TokenOptions::default(), KeySet::generate().unwrap(), clock.clone()), clock)
    }

    fn issue(tokens: &Tokens, kind: TokenKind) -> String {
        let whose = (TenantId::DEFAULT, UserId::new(), SessionId::new());
        tokens.issue(kind, whose, "user", Duration::from_secs(900)).unwrap()
    }

    /// A token of any header and claims, rightly signed with our own key.
    fn forge(tokens: &Tokens, header: &str, claims: &str) -> String {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", encode(header), encode(claims));
        let key = &tokens.keys.signing().unwrap().encoding;
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    }

    fn header(tokens: &Tokens) -> Value {
        json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": tokens.keys.signing().unwrap().id })
    }

    fn claims() -> Value {
        json!({
            "iss": "medianest", "aud": "medianest", "sub": UserId::new(), "sid": SessionId::new(),
            "tenant": TenantId::DEFAULT, "role": "user", "iat": NOW, "exp": NOW + 900,
        })
    }

    fn with(mut object: Value, key: &str, value: Value) -> Value {
        object[key] = value;
        object
    }

    fn assert_refused(tokens: &Tokens, token: &str) {
        let error = tokens.verify(token, TokenKind::Access).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{token}");
    }

    #[test]
    fn our_own_tokens_are_accepted_until_they_end() {
        let (tokens, clock) = tokens();
        let token = issue(&tokens, TokenKind::Access);
        let forged = forge(&tokens, &header(&tokens).to_string(), &claims().to_string());
        for _ in 0..2 {
            assert_eq!(tokens.verify(&token, TokenKind::Access).unwrap().role, "user");
            tokens.verify(&forged, TokenKind::Access).unwrap();
        }
        clock.advance(Duration::from_secs(904));
        tokens.verify(&token, TokenKind::Access).unwrap();
        clock.advance(Duration::from_secs(1));
        assert_eq!(tokens.verify(&token, TokenKind::Access).unwrap_err().code(), "token_expired");
    }

    #[test]
    fn j1_no_algorithm_is_no_signature() {
        let (tokens, _) = tokens();
        for algorithm in ["none", "None", "nOnE", ""] {
            let forged = with(header(&tokens), "alg", json!(algorithm)).to_string();
            let token = forge(&tokens, &forged, &claims().to_string());
            assert_refused(&tokens, &token);
            assert_refused(&tokens, &format!("{}.", token.rsplit_once('.').unwrap().0));
        }
        let token = issue(&tokens, TokenKind::Access);
        assert_refused(&tokens, &format!("{}.", token.rsplit_once('.').unwrap().0));
        assert_refused(&tokens, token.rsplit_once('.').unwrap().0);
    }

    #[test]
    fn j2_the_public_key_is_not_a_shared_secret() {
        let (tokens, _) = tokens();
        let x = tokens.keys.jwks()["keys"][0]["x"].as_str().unwrap().to_owned();
        for secret in [BASE64_URL_SAFE_NO_PAD.decode(&x).unwrap(), x.into_bytes()] {
            for algorithm in [Algorithm::HS256, Algorithm::HS512] {
                let mut forged = Header::new(algorithm);
                forged.typ = Some("at+jwt".into());
                forged.kid = Some(tokens.keys.signing().unwrap().id.clone());
                let key = EncodingKey::from_secret(&secret);
                assert_refused(&tokens, &jsonwebtoken::encode(&forged, &claims(), &key).unwrap());
            }
        }
    }

    #[test]
    fn j3_j4_headers_lead_nowhere() {
        let (tokens, _) = tokens();
        for kid in ["../../etc/passwd", "' or 1=1 --", "http://127.0.0.1/key", ""] {
            let forged = with(header(&tokens), "kid", json!(kid)).to_string();
            assert_refused(&tokens, &forge(&tokens, &forged, &claims().to_string()));
        }
        for (name, value) in [
            ("jku", json!("http://127.0.0.1/jwks")),
            ("x5u", json!("http://127.0.0.1/x5u")),
            ("jwk", tokens.keys.jwks()["keys"][0].clone()),
            ("crit", json!(["exp"])),
            ("b64", json!(false)),
            ("enc", json!("A256GCM")),
            ("zip", json!("DEF")),
        ] {
            let forged = with(header(&tokens), name, value).to_string();
            assert_refused(&tokens, &forge(&tokens, &forged, &claims().to_string()));
        }
    }

    #[test]
    fn j4_what_was_changed_or_signed_by_others_is_refused() {
        let (tokens, _) = tokens();
        let token = issue(&tokens, TokenKind::Access);
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (head, _) = message.split_once('.').unwrap();
        let other = BASE64_URL_SAFE_NO_PAD.encode(with(claims(), "role", json!("admin")).to_string());
        assert_refused(&tokens, &format!("{head}.{other}.{signature}"));
        assert_refused(&tokens, &format!("{message}.{}", &signature[..signature.len() - 4]));
        assert_refused(&tokens, &format!("{token}.{signature}"));
        assert_refused(&tokens, &format!("{token}="));

        // The same signature with the order of the group added to s (malleability).
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let order = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10u8,
        ];
        let mut carry = 0;
        for (byte, add) in bytes[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        assert_refused(&tokens, &format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)));

        let (others, _) = self::tokens();
        assert_refused(&tokens, &issue(&others, TokenKind::Access));
        let header = with(header(&others), "kid", json!(tokens.keys.signing().unwrap().id));
        assert_refused(&tokens, &forge(&others, &header.to_string(), &claims().to_string()));
    }

    #[test]
    fn j5_times_are_numbers_that_count() {
        let (tokens, _) = tokens();
        let header = header(&tokens).to_string();
        for (name, value) in [
            ("exp", json!(NOW - 60)),
            ("exp", json!(-1)),
            ("exp", json!("1900000000")),
            ("exp", json!(null)),
            ("exp", json!(1.8e9)),
            ("nbf", json!(NOW + 600)),
            ("iat", json!(NOW + 600)),
        ] {
            assert_refused(&tokens, &forge(&tokens, &header, &with(claims(), name, value).to_string()));
        }
        let huge = claims().to_string().replace(&(NOW + 900).to_string(), "1e400");
        assert_refused(&tokens, &forge(&tokens, &header, &huge));
        let mut missing = claims();
        missing.as_object_mut().unwrap().remove("exp");
        assert_refused(&tokens, &forge(&tokens, &header, &missing.to_string()));
    }

    #[test]
    fn j6_tokens_for_another_purpose_are_refused() {
        let (tokens, _) = tokens();
        let ours = header(&tokens);
        for (name, value) in [
            ("iss", json!("somebody")),
            ("iss", json!(["medianest"])),
            ("aud", json!("somebody")),
            ("aud", json!(["medianest", "somebody"])),
        ] {
            assert_refused(
                &tokens,
                &forge(&tokens, &ours.to_string(), &with(claims(), name, value).to_string()),
            );
        }
        for typ in ["JWT", "jwt", "medianest-cookie+jwt", "application/at+jwt"] {
            let header = with(ours.clone(), "typ", json!(typ)).to_string();
            assert_refused(&tokens, &forge(&tokens, &header, &claims().to_string()));
        }
        let cookie = issue(&tokens, TokenKind::Cookie);
        tokens.verify(&cookie, TokenKind::Cookie).unwrap();
        assert_refused(&tokens, &cookie);
        let access = issue(&tokens, TokenKind::Access);
        tokens.verify(&access, TokenKind::Access).unwrap();
        assert!(tokens.verify(&access, TokenKind::Cookie).is_err());
    }

    #[test]
    fn j7_oddly_built_tokens_are_refused() {
        let (tokens, _) = tokens();
        let header = header(&tokens).to_string();
        let twice = claims().to_string().replacen('{', r#"{"role":"admin","#, 1);
        assert_refused(&tokens, &forge(&tokens, &header, &twice));
        let twice = header.replacen('{', r#"{"alg":"none","#, 1);
        assert_refused(&tokens, &forge(&tokens, &twice, &claims().to_string()));
        assert_refused(&tokens, &"a".repeat(1 << 20));
        assert_refused(&tokens, &forge(&tokens, &header, &"[".repeat(1_500)));
        let not_utf8 = BASE64_URL_SAFE_NO_PAD.encode([0xff, 0xfe]);
        assert_refused(&tokens, &format!("{not_utf8}.{not_utf8}.{not_utf8}"));
        for odd in ["", ".", "..", "...", "a.b.c"] {
            assert_refused(&tokens, odd);
        }
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_noticed(at in 0usize..1000, to in "[A-Za-z0-9_.-]") {
            let (tokens, _) = tokens();
            let token = issue(&tokens, TokenKind::Access);
            let at = at % token.len();
            let mut changed = token.clone();
            changed.replace_range(at..=at, &to);
            prop_assert_eq!(tokens.verify(&changed, TokenKind::Access).is_ok(), changed == token);
        }
    }
}
