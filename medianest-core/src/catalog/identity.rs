use super::{AuditLog, sealed::Sealed};
use crate::{NewAudit, NewEvent, Page, PageRequest, Result, SessionId, TenantId, Timestamp, UserId};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

/// Users and sign-ins, for hosts without users of their own.
#[async_trait]
pub trait IdentityCatalog: AuditLog + Sealed + Send + Sync + std::fmt::Debug + 'static {
    /// A view of the same users whose commands record this entry along with what they change: both, or
    /// neither.
    fn audited(&self, entry: NewAudit) -> Arc<dyn IdentityCatalog>;

    /// Adds a user. With `only_first`, only when the tenant has none yet.
    ///
    /// # Errors
    /// `user_exists` (Conflict) when the login is taken, or with `only_first` somebody is there.
    async fn create_user(&self, user: NewUser, only_first: bool) -> Result<User>;

    /// A user by id.
    async fn get_user(&self, tenant: TenantId, id: UserId) -> Result<Option<User>>;

    /// A user by login, in any case of letters.
    async fn find_user(&self, tenant: TenantId, login: &str) -> Result<Option<User>>;

    /// Users by login.
    async fn list_users(&self, tenant: TenantId, page: &PageRequest) -> Result<Page<User>>;

    /// Changes a user. Unless only the name or the parameters of the hash change, raises `auth_epoch`
    /// and ends all sessions of the user.
    ///
    /// # Errors
    /// `user_not_found`; `user_changed` (PreconditionFailed) when `auth_epoch` is not the expected one;
    /// `last_admin` (Conflict) when it would leave the tenant without an enabled administrator.
    async fn change_user(
        &self,
        tenant: TenantId,
        id: UserId,
        change: &UserChange,
        events: Vec<NewEvent>,
    ) -> Result<User>;

    /// Adds a sign-in.
    ///
    /// # Errors
    /// `user_not_found` when the user is gone or disabled, or `auth_epoch` is not the current one.
    async fn create_session(&self, session: NewSession) -> Result<Session>;

    /// A sign-in that is valid: not ended, not past its idle or absolute expiry by the backend's clock,
    /// of an enabled user with the same `auth_epoch`.
    async fn get_session(&self, tenant: TenantId, id: SessionId) -> Result<Option<(Session, User)>>;

    /// Replaces the refresh secret of a valid session: `presented` is the hash of the one shown. The
    /// current one is replaced by `next` and the idle expiry moves. The one before it, shown within
    /// `grace` of its replacement, answers [`Refreshed::Raced`] and changes nothing. Any other ends
    /// the session, emits `replayed`, and answers [`Refreshed::Replayed`].
    async fn refresh_session(&self, refresh: &RefreshSession, replayed: NewEvent) -> Result<Refreshed>;

    /// Moves the idle expiry of a valid session to `idle` from now, never past its absolute one: for a
    /// session that is used without being refreshed. Succeeds when there is no such valid session.
    async fn touch_session(&self, tenant: TenantId, id: SessionId, idle: Duration) -> Result<()>;

    /// Ends a session for its holder; whether this did it. Another's, and one that has ended, is left as it is.
    async fn end_session(&self, tenant: TenantId, id: SessionId, holder: SessionHolder) -> Result<bool>;

    /// Ends all sessions of a user but `except`; returns those that were ended.
    async fn end_sessions(
        &self,
        tenant: TenantId,
        user: UserId,
        except: Option<SessionId>,
    ) -> Result<Vec<SessionId>>;

    /// The valid sessions of a user, newest first.
    async fn list_sessions(&self, tenant: TenantId, user: UserId) -> Result<Vec<Session>>;

    /// Deletes up to `limit` rows of sessions that ended or expired more than `age` ago.
    async fn trim_sessions(&self, age: Duration, limit: u32) -> Result<u64>;
}

/// A user to be added.
#[derive(Clone)]
pub struct NewUser {
    /// Its id.
    pub id: UserId,
    /// The world it is in.
    pub tenant: TenantId,
    /// What they sign in with, unique in any case of letters.
    pub login: String,
    /// Shown name.
    pub name: String,
    /// Hash of the password as a PHC string.
    pub password_hash: String,
    /// `admin` or `user`.
    pub role: String,
    /// Whether the password is to be changed at the next sign-in.
    pub must_change_password: bool,
    /// When.
    pub at: Timestamp,
    /// What to tell.
    pub event: NewEvent,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser").field("id", &self.id).field("login", &self.login).finish_non_exhaustive()
    }
}

/// One of our own users.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Its id; as text, the subject of its principal.
    pub id: UserId,
    /// The world it is in.
    pub tenant: TenantId,
    /// What they sign in with.
    pub login: String,
    /// Shown name.
    pub name: String,
    /// Hash of the password as a PHC string.
    pub password_hash: String,
    /// `admin` or `user`.
    pub role: String,
    /// Whether the password is to be changed at the next sign-in.
    pub must_change_password: bool,
    /// When they were shut out.
    pub disabled_at: Option<Timestamp>,
    /// Raised by whatever ends all sessions.
    pub auth_epoch: i64,
    /// When they were added.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("login", &self.login)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// What to change of a user; None leaves as is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UserChange {
    /// Shown name.
    pub name: Option<String>,
    /// Hash of a new password, with whether it is to be changed at the next sign-in.
    pub password: Option<(String, bool)>,
    /// The same password hashed with newer parameters.
    pub rehashed: Option<String>,
    /// `admin` or `user`.
    pub role: Option<String>,
    /// Shut out, or let in again.
    pub disabled: Option<bool>,
    /// Only while this is the user's `auth_epoch`: for who has checked a password at it.
    pub expected_epoch: Option<i64>,
}

impl std::fmt::Debug for UserChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserChange")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

/// A sign-in to be added.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// The world it is in.
    pub tenant: TenantId,
    /// Whose it is.
    pub user: UserId,
    /// The epoch that the password was checked at.
    pub auth_epoch: i64,
    /// SHA-256 of the refresh secret.
    pub refresh_hash: [u8; 32],
    /// What the client calls itself, for the list of sessions.
    pub client: String,
    /// Ends when not refreshed or touched for so long.
    pub idle: Duration,
    /// Ends after so long at the latest.
    pub absolute: Duration,
}

/// A sign-in of one of our own users: a family of refresh secrets, of which one is current.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// What the client calls itself.
    pub client: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed or touched.
    pub refreshed_at: Timestamp,
    /// When it ends, if it is not refreshed or touched.
    pub expires_at: Timestamp,
}

/// See [`IdentityCatalog::refresh_session`].
#[derive(Clone, Debug)]
pub struct RefreshSession {
    /// The world it is in.
    pub tenant: TenantId,
    /// Which one.
    pub id: SessionId,
    /// SHA-256 of the secret that was shown.
    pub presented: [u8; 32],
    /// SHA-256 of the secret that follows.
    pub next: [u8; 32],
    /// For how long the one before it is taken for a race of two identical requests.
    pub grace: Duration,
    /// The new idle expiry, from now.
    pub idle: Duration,
}

/// Whose a session must be to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionHolder {
    /// This user's.
    User(UserId),
    /// That of a refresh secret, of which this is the SHA-256: the present one, or the one before, which is shown by
    /// who asks again.
    Secret([u8; 32]),
}

/// The answer of [`IdentityCatalog::refresh_session`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "lives for one match")]
pub enum Refreshed {
    /// The secret was current and is replaced.
    Done(Session, User),
    /// Two requests showed the same secret at the same time; the other one has the new secret.
    Raced,
    /// A used secret was shown: the session is over.
    Replayed,
    /// There is no such valid session.
    Unknown,
}
