use super::{LiveSession, Lookup, SessionStore, TokenKind, Tokens};
use crate::{
    Clock, Error, ErrorKind, Principal, Result, SessionId, TenantId,
    catalog::{IdentityCatalog, Session},
};
use async_trait::async_trait;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

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

    /// Whose session this is, which a signed URL names; None when it is over, and for implementations
    /// that give no sessions to [`Identity`].
    ///
    /// # Errors
    /// `Unavailable`.
    async fn session(&self, tenant: TenantId, session: SessionId) -> Result<Option<Identity>> {
        let _ = (tenant, session);
        Ok(None)
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
    pub(super) clock: Arc<dyn Clock>,
    pub(super) idle: Duration,
}

impl TokenAuthenticator {
    async fn verify(&self, token: &str, kind: TokenKind) -> Result<Identity> {
        let claims = self.tokens.verify(token, kind)?;
        let session = self.live(claims.tenant, claims.sid, kind == TokenKind::Cookie).await?;
        session.filter(|session| session.user == claims.sub).map(Identity::from).ok_or_else(session_ended)
    }

    async fn live(&self, tenant: TenantId, id: SessionId, slides: bool) -> Result<Option<LiveSession>> {
        if tenant != self.tenant {
            return Ok(None);
        }
        let ticket = match self.sessions.get(tenant, id).await? {
            Lookup::Live(session) => return Ok(Some(session)),
            Lookup::Unknown(ticket) => ticket,
        };
        let Some((session, user)) = self.catalog.get_session(tenant, id).await? else { return Ok(None) };
        if slides {
            self.slide(tenant, &session).await;
        }
        let live = LiveSession {
            id,
            tenant,
            user: user.id,
            role: user.role,
            auth_epoch: user.auth_epoch,
            must_change_password: user.must_change_password,
            expires_at: session.expires_at,
        };
        // The catalog has just said that it is valid: a store that cannot remember is no reason to refuse.
        self.sessions.put(live.clone(), ticket).await.ok();
        Ok(Some(live))
    }

    /// Puts the idle expiry of a session off, but not with each request.
    async fn slide(&self, tenant: TenantId, session: &Session) {
        if self.clock.now() < session.refreshed_at + self.idle / 100 {
            return;
        }
        if let Err(error) = self.catalog.touch_session(tenant, session.id, self.idle).await {
            // It is valid all the same; the next request tries again.
            tracing::warn!(error = %error.report(), "cannot put off the end of a session");
        }
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

    async fn session(&self, tenant: TenantId, session: SessionId) -> Result<Option<Identity>> {
        Ok(self.live(tenant, session, false).await?.map(Identity::from))
    }
}
