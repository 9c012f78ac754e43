mod sign_in;
mod users;

pub use sign_in::{SignIn, SignedIn};
pub use users::NewAccount;

use super::{Passwords, SessionStore, TokenAuthenticator, Tokens};
use crate::{
    AuditId, Clock, Error, ErrorKind, NewAudit, NewEvent, Origin, Principal, Result, SessionId, TenantId,
    UserId,
    catalog::{IdentityCatalog, User},
};
use serde_json::json;
use std::{future::Future, sync::Arc, time::Duration};

/// How sessions live, and who may register.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountsOptions {
    /// Whether anybody may register as an ordinary user.
    pub open_registration: bool,
    /// A session ends when it is not refreshed for so long or, in a cookie, not used.
    pub session_idle: Duration,
    /// A session ends after so long at the latest.
    pub session_absolute: Duration,
    /// For how long a refresh token that was just used is taken for a race of two identical requests
    /// instead of a replay.
    pub refresh_grace: Duration,
}

impl Default for AccountsOptions {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            open_registration: false,
            session_idle: 14 * DAY,
            session_absolute: 90 * DAY,
            refresh_grace: Duration::from_secs(10),
        }
    }
}

/// The users of one tenant and their sign-ins.
///
/// What ends sessions takes effect, in the catalog and in the [`SessionStore`], before the call
/// returns, and also when the caller goes away in the middle of it. Where the store cannot be reached, it has
/// ended in the catalog, the call fails with `sign_out_pending`, and the store is told as soon as it can be.
#[derive(Clone, Debug)]
pub struct Accounts {
    tenant: TenantId,
    catalog: Arc<dyn IdentityCatalog>,
    sessions: Arc<dyn SessionStore>,
    passwords: Arc<Passwords>,
    tokens: Arc<Tokens>,
    clock: Arc<dyn Clock>,
    options: AccountsOptions,
    origin: Origin,
}

impl Accounts {
    /// The users of the default tenant. Needs a tokio runtime when it is called.
    pub fn new(
        catalog: Arc<dyn IdentityCatalog>,
        sessions: Arc<dyn SessionStore>,
        passwords: Arc<Passwords>,
        tokens: Arc<Tokens>,
        clock: Arc<dyn Clock>,
        options: AccountsOptions,
    ) -> Self {
        let (tenant, origin) = (TenantId::DEFAULT, Origin::default());
        Self { tenant, catalog, sessions, passwords, tokens, clock, options, origin }
    }

    /// For who acts from there: what the audit trail says.
    #[must_use]
    pub fn coming_from(&self, origin: Origin) -> Self {
        Self { origin, ..self.clone() }
    }

    /// The users of another tenant.
    #[must_use]
    pub fn in_tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = tenant;
        self
    }

    /// Accepts the tokens that this gives out.
    pub fn authenticator(&self) -> TokenAuthenticator {
        TokenAuthenticator {
            tenant: self.tenant,
            tokens: Arc::clone(&self.tokens),
            catalog: Arc::clone(&self.catalog),
            sessions: Arc::clone(&self.sessions),
            clock: Arc::clone(&self.clock),
            idle: self.options.session_idle,
        }
    }

    /// The public keys of the tokens as a JWK set.
    pub fn jwks(&self) -> serde_json::Value {
        self.tokens.keys().jwks()
    }

    fn event(&self, user: UserId, login: &str, kind: &'static str, by: &str) -> NewEvent {
        let data = json!({ "user_id": user, "login": login, "by": by });
        NewEvent::about_subject(self.tenant, user.to_string(), kind, self.clock.now(), data)
    }

    /// An entry of the audit trail about a user.
    fn entry(&self, actor: impl Into<String>, action: &'static str, user: UserId) -> NewAudit {
        NewAudit {
            id: AuditId::new(),
            tenant: self.tenant,
            actor: actor.into(),
            action,
            target: format!("user:{user}"),
            data: json!({}),
            origin: self.origin.clone(),
            at: self.clock.now(),
        }
    }

    async fn require_user(&self, id: UserId) -> Result<User> {
        self.catalog.get_user(self.tenant, id).await?.ok_or_else(|| Error::not_found("user", id))
    }

    fn require_admin(&self, actor: &Principal) -> Result<()> {
        if actor.tenant == self.tenant && actor.is_admin() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Forbidden, "forbidden", "only an administrator may do this"))
    }

    /// Our user that a principal stands for.
    fn user_of(&self, actor: &Principal) -> Result<UserId> {
        actor.subject.parse().ok().filter(|_| actor.tenant == self.tenant).ok_or_else(|| {
            Error::new(ErrorKind::Forbidden, "not_a_user", "this principal is not a user with a password")
        })
    }
}

/// What the store has to forget, since it has ended in the catalog.
#[derive(Clone, Copy)]
enum Ended {
    One(SessionId),
    AllOf(UserId),
}

/// How often a store is asked again that could not be reached.
const AGAIN: Duration = Duration::from_secs(1);
/// For how long: by then no store believes any more what the catalog said before.
const AGAIN_FOR: u32 = 90;

impl Ended {
    /// Lets the store forget it. A store that cannot be reached is asked again and again in the background.
    ///
    /// # Errors
    /// `sign_out_pending` (Unavailable) when the store cannot be reached: another process that can reach it
    /// may accept the session for a minute yet.
    async fn forget(self, sessions: &Arc<dyn SessionStore>, tenant: TenantId) -> Result<()> {
        let Err(error) = self.once(&**sessions, tenant).await else { return Ok(()) };
        let sessions = Arc::clone(sessions);
        tokio::spawn(async move {
            for _ in 0..AGAIN_FOR {
                tokio::time::sleep(AGAIN).await;
                if self.once(&*sessions, tenant).await.is_ok() {
                    return;
                }
            }
        });
        let message = "it is ended, but may be accepted elsewhere for up to a minute, since the store of sessions \
                       cannot be reached";
        Err(Error::unavailable("sign_out_pending", message).caused_by(error))
    }

    async fn once(self, sessions: &dyn SessionStore, tenant: TenantId) -> Result<()> {
        match self {
            Self::One(session) => sessions.remove(tenant, session).await,
            Self::AllOf(user) => sessions.remove_user(tenant, user).await,
        }
    }
}

/// Goes on when the caller is dropped, so that no session is left in the store that has ended in the
/// catalog.
async fn to_the_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.map_err(|source| {
        Error::unavailable("shutting_down", "the process is shutting down").caused_by(source)
    })?
}
