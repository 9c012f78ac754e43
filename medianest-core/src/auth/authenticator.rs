use super::{LiveSession, Lookup, SessionStore, TokenKind, Tokens};
use crate::{Error, ErrorKind, Principal, Result, SessionId, TenantId, catalog::IdentityCatalog};
use async_trait::async_trait;
use std::{collections::BTreeSet, sync::Arc};

/// Finds out who shows a credential. Implement it for users of your own.
#[async_trait]
pub trait Authenticator: std::fmt::Debug + Send + Sync + 'static {
    /// Who shows this bearer token. Called for every request, so that what was revoked before the call
    /// is refused by it.
    ///
    /// # Errors
    /// `Unauthenticated` when the token proves nothing; `Unavailable` when that cannot be found out:
    /// the request then fails.
    async fn bearer(&self, token: &str) -> Result<Identity>;

    /// Who shows this value of the session cookie; nobody unless an implementation says otherwise.
    ///
    /// # Errors
    /// As [`bearer`](Self::bearer).
    async fn cookie(&self, value: &str) -> Result<Identity> {
        let _ = value;
        Err(Error::new(ErrorKind::Unauthenticated, "invalid_token", "cookies are not accepted here"))
    }
}

/// Who shows a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// Who acts.
    pub principal: Principal,
    /// The session the credential stands on, when it is one of ours.
    pub session: Option<SessionId>,
    /// Whether nothing but changing the password is allowed.
    pub must_change_password: bool,
}

impl From<Principal> for Identity {
    fn from(principal: Principal) -> Self {
        Self { principal, session: None, must_change_password: false }
    }
}

impl From<LiveSession> for Identity {
    fn from(session: LiveSession) -> Self {
        let principal = Principal {
            tenant: session.tenant,
            subject: session.user.to_string(),
            roles: BTreeSet::from([session.role]),
            scopes: BTreeSet::new(),
        };
        Self { principal, session: Some(session.id), must_change_password: session.must_change_password }
    }
}

/// Accepts the tokens that [`Accounts`](super::Accounts) gives out, as long as their sessions last.
#[derive(Clone, Debug)]
pub struct TokenAuthenticator {
    pub(super) tenant: TenantId,
    pub(super) tokens: Arc<Tokens>,
    pub(super) catalog: Arc<dyn IdentityCatalog>,
    pub(super) sessions: Arc<dyn SessionStore>,
}

impl TokenAuthenticator {
    async fn verify(&self, token: &str, kind: TokenKind) -> Result<Identity> {
        let claims = self.tokens.verify(token, kind)?;
        if claims.tenant != self.tenant {
            return Err(session_ended());
        }
        let session = match self.sessions.get(self.tenant, claims.sid).await? {
            Lookup::Live(session) => session,
            Lookup::Unknown(ticket) => {
                let (session, user) =
                    self.catalog.get_session(self.tenant, claims.sid).await?.ok_or_else(session_ended)?;
                let live = LiveSession {
                    id: session.id,
                    tenant: self.tenant,
                    user: user.id,
                    role: user.role,
                    auth_epoch: user.auth_epoch,
                    must_change_password: user.must_change_password,
                    expires_at: session.expires_at,
                };
                // The catalog has just said that it is valid: a store that cannot remember is no reason to refuse.
                self.sessions.put(live.clone(), ticket).await.ok();
                live
            }
        };
        if session.user == claims.sub { Ok(session.into()) } else { Err(session_ended()) }
    }
}

fn session_ended() -> Error {
    Error::new(ErrorKind::Unauthenticated, "session_ended", "this session is over; sign in again")
}

#[async_trait]
impl Authenticator for TokenAuthenticator {
    async fn bearer(&self, token: &str) -> Result<Identity> {
        self.verify(token, TokenKind::Access).await
    }

    async fn cookie(&self, value: &str) -> Result<Identity> {
        self.verify(value, TokenKind::Cookie).await
    }
}
