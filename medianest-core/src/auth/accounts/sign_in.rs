use super::{Accounts, Ended, to_the_end};
use crate::{
    ANONYMOUS, Error, ErrorKind, NewAudit, NewEvent, Principal, Result, Retry, SessionId, UserId,
    audit_actions,
    auth::{Passwords, TokenKind, refresh_token::RefreshToken},
    catalog::{NewSession, RefreshSession, Refreshed, Session, SessionHolder, User, UserChange},
    event_kinds,
};
use serde_json::json;
use std::{fmt, sync::Arc, time::Duration};

/// Somebody signs in.
#[derive(Clone)]
pub struct SignIn {
    /// The name they sign in with, in any case of letters.
    pub login: String,
    /// The password.
    pub password: String,
    /// What the client calls itself, for the list of sessions; cut after 200 characters.
    pub client: String,
    /// What they get: tokens, or the value of a cookie.
    pub kind: TokenKind,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").field("login", &self.login).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Somebody is signed in.
#[derive(Clone)]
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// Their new or refreshed session.
    pub session: Session,
    /// The token to show, of the kind that was asked for.
    pub token: String,
    /// For how long it is good.
    pub token_lifetime: Duration,
    /// How to go on with [`Accounts::refresh`]; not for cookies. Good for one use.
    pub refresh_token: Option<String>,
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn")
            .field("user", &self.user)
            .field("session", &self.session.id)
            .finish_non_exhaustive()
    }
}

impl Accounts {
    /// Signs in with a password: a new session, whatever was shown before.
    ///
    /// # Errors
    /// `invalid_credentials` (Unauthenticated), the same, after the same time, for an unknown login, a
    /// wrong password and a disabled user; `busy` (Unavailable).
    pub async fn login(&self, sign_in: SignIn) -> Result<SignedIn> {
        let user = match sign_in.login.len() {
            1..=256 => self.catalog.find_user(self.tenant, &sign_in.login).await?,
            _ => None,
        };
        let stored = user.as_ref().map(|user| user.password_hash.as_str());
        let right = self.passwords.verify(&sign_in.password, stored).await?;
        let user = match user {
            Some(user) if right && user.disabled_at.is_none() => user,
            refused => {
                self.record_refusal(refused.as_ref(), right).await?;
                return Err(invalid_credentials());
            }
        };
        let signed_in = self.open_session(user, sign_in.client, sign_in.kind).await?;
        if self.passwords.is_outdated(&signed_in.user.password_hash)
            && let Err(error) = self.rehash(&signed_in.user, &sign_in.password).await
        {
            tracing::warn!(error = %error.report(), "a password keeps its old hash until the next sign-in");
        }
        Ok(signed_in)
    }

    /// What was shown is not recorded: people type their password where the login goes.
    async fn record_refusal(&self, user: Option<&User>, right: bool) -> Result<()> {
        let why = if right { "disabled" } else { "password" };
        let entry = match user {
            Some(user) => {
                self.entry(ANONYMOUS, audit_actions::SESSION_REFUSED, user.id).with("because_of", why)
            }
            None => {
                let entry = self.entry(ANONYMOUS, audit_actions::SESSION_REFUSED, UserId::new());
                NewAudit { target: "login".into(), ..entry.with("because_of", "login") }
            }
        };
        self.catalog.record(entry).await
    }

    /// Hashes a password, which was right for `user`, with the parameters of today; unless it is another
    /// one by now.
    async fn rehash(&self, user: &User, password: &str) -> Result<()> {
        let change = UserChange {
            rehashed: Some(self.passwords.hash(password).await?),
            expected_epoch: Some(user.auth_epoch),
            ..UserChange::default()
        };
        self.catalog.change_user(self.tenant, user.id, &change, Vec::new()).await.map(drop)
    }

    async fn open_session(&self, user: User, client: String, kind: TokenKind) -> Result<SignedIn> {
        let id = SessionId::new();
        let refresh = RefreshToken::generate(id)?;
        let absolute = self.options.session_absolute;
        let session = NewSession {
            id,
            tenant: self.tenant,
            user: user.id,
            auth_epoch: user.auth_epoch,
            refresh_hash: refresh.hash(),
            client: client.chars().filter(|c| !c.is_control()).take(200).collect(),
            idle: self.options.session_idle,
            absolute,
        };
        let entry = self.entry(user.id.to_string(), audit_actions::SESSION_OPENED, user.id);
        let audited = self.catalog.audited(entry.with("session_id", id));
        let session = audited.create_session(session).await.map_err(|error| match error.code() {
            // Disabled, deleted, or another password since we looked.
            "user_not_found" => invalid_credentials(),
            _ => error,
        })?;
        match kind {
            TokenKind::Access => self.signed_in(user, session, refresh),
            TokenKind::Cookie => {
                let whose = (self.tenant, user.id, session.id);
                let token = self.tokens.issue(kind, whose, &user.role, absolute)?;
                Ok(SignedIn { user, session, token, token_lifetime: absolute, refresh_token: None })
            }
        }
    }

    fn signed_in(&self, user: User, session: Session, refresh: RefreshToken) -> Result<SignedIn> {
        let lifetime = self.tokens.lifetime();
        let whose = (self.tenant, user.id, session.id);
        let token = self.tokens.issue(TokenKind::Access, whose, &user.role, lifetime)?;
        let refresh_token = Some(refresh.to_string());
        Ok(SignedIn { user, session, token, token_lifetime: lifetime, refresh_token })
    }

    /// A new access token and a new refresh token for a refresh token, which is then used up.
    ///
    /// # Errors
    /// `invalid_refresh_token` (Unauthenticated) when it is none of ours, its session is over, or it
    /// was used before: then the session is ended, since one of the two who showed it has stolen it.
    /// `refresh_raced` (Conflict) when it was used a moment ago: the answer to that request has the
    /// new one.
    pub async fn refresh(&self, token: &str) -> Result<SignedIn> {
        let shown = RefreshToken::parse(token)?;
        let next = RefreshToken::generate(shown.session)?;
        let refresh = RefreshSession {
            tenant: self.tenant,
            id: shown.session,
            presented: shown.hash(),
            next: next.hash(),
            grace: self.options.refresh_grace,
            idle: self.options.session_idle,
        };
        let data = json!({ "session_id": shown.session });
        let replayed =
            NewEvent::for_operators(self.tenant, event_kinds::SESSION_REPLAYED, self.clock.now(), data);
        let (catalog, sessions) = (Arc::clone(&self.catalog), Arc::clone(&self.sessions));
        let refreshed = to_the_end(async move {
            let refreshed = catalog.refresh_session(&refresh, replayed).await?;
            match &refreshed {
                Refreshed::Raced => {}
                // What is remembered of it expires earlier, no more: the caller must get the new token, as
                // the old one is used up.
                Refreshed::Done(..) => {
                    if let Err(error) = sessions.remove(refresh.tenant, refresh.id).await {
                        tracing::warn!(error = %error.report(), "a session is remembered as it was before");
                    }
                }
                Refreshed::Replayed | Refreshed::Unknown => {
                    Ended::One(refresh.id).forget(&sessions, refresh.tenant).await?;
                }
            }
            Ok(refreshed)
        })
        .await?;
        if refreshed == Refreshed::Replayed {
            let entry = self.entry(ANONYMOUS, audit_actions::SESSION_REPLAYED, UserId::new());
            self.catalog.record(NewAudit { target: format!("session:{}", shown.session), ..entry }).await?;
        }
        match refreshed {
            Refreshed::Done(session, user) => self.signed_in(user, session, next),
            Refreshed::Raced => {
                let message = "this refresh token was used a moment ago; use the one from that answer";
                Err(Error::conflict("refresh_raced", message).retry(Retry::Now))
            }
            Refreshed::Replayed | Refreshed::Unknown => Err(RefreshToken::invalid()),
        }
    }

    /// Ends one of the caller's sessions; succeeds when it has ended. Another's is left as it is.
    ///
    /// # Errors
    /// `not_a_user`; `Unavailable`; `sign_out_pending` when it has ended, and that cannot be told to all.
    pub async fn logout(&self, actor: &Principal, session: SessionId) -> Result<()> {
        let user = self.user_of(actor)?;
        self.end_session(user, session, SessionHolder::User(user)).await
    }

    async fn end_session(&self, user: UserId, session: SessionId, holder: SessionHolder) -> Result<()> {
        let entry = self.entry(user.to_string(), audit_actions::SESSIONS_ENDED, user);
        let audited = self.catalog.audited(entry.with("session_id", session));
        let (tenant, sessions) = (self.tenant, Arc::clone(&self.sessions));
        to_the_end(async move {
            audited.end_session(tenant, session, holder).await?;
            Ended::One(session).forget(&sessions, tenant).await
        })
        .await
    }

    /// Ends the session of a refresh token, the present one or that before it (RFC 7009). Succeeds when it has ended;
    /// with any other token nothing ends, and nobody is told.
    ///
    /// # Errors
    /// `Unavailable`; `sign_out_pending` as of [`logout`](Self::logout).
    pub async fn logout_refresh(&self, token: &str) -> Result<()> {
        let Ok(shown) = RefreshToken::parse(token) else { return Ok(()) };
        match self.catalog.get_session(self.tenant, shown.session).await? {
            Some((_, user)) => {
                self.end_session(user.id, shown.session, SessionHolder::Secret(shown.hash())).await
            }
            // It may have ended a moment ago, when that could not be told to all.
            None => {
                let (tenant, sessions) = (self.tenant, Arc::clone(&self.sessions));
                to_the_end(async move { Ended::One(shown.session).forget(&sessions, tenant).await }).await
            }
        }
    }

    /// The caller's own sessions, newest first.
    ///
    /// # Errors
    /// `not_a_user`; `Unavailable`.
    pub async fn list_sessions(&self, actor: &Principal) -> Result<Vec<Session>> {
        self.catalog.list_sessions(self.tenant, self.user_of(actor)?).await
    }

    /// Ends one of the caller's own sessions.
    ///
    /// # Errors
    /// `session_not_found` when it is not a valid session of theirs.
    pub async fn end_own_session(&self, actor: &Principal, id: SessionId) -> Result<()> {
        let own = self.list_sessions(actor).await?;
        if !own.iter().any(|session| session.id == id) {
            return Err(Error::not_found("session", id));
        }
        self.logout(actor, id).await
    }

    /// Ends all of the caller's own sessions but `except`; says how many.
    ///
    /// # Errors
    /// `not_a_user`; `Unavailable`.
    pub async fn end_own_sessions(&self, actor: &Principal, except: Option<SessionId>) -> Result<usize> {
        self.end_sessions_of(self.user_of(actor)?, except, actor).await
    }

    pub(super) async fn end_sessions_of(
        &self,
        user: UserId,
        except: Option<SessionId>,
        by: &Principal,
    ) -> Result<usize> {
        let entry = self.entry(&by.subject, audit_actions::SESSIONS_ENDED, user);
        let (tenant, catalog, sessions) =
            (self.tenant, self.catalog.audited(entry), Arc::clone(&self.sessions));
        to_the_end(async move {
            let ended = catalog.end_sessions(tenant, user, except).await?;
            Ended::AllOf(user).forget(&sessions, tenant).await?;
            Ok(ended.len())
        })
        .await
    }

    /// Changes the caller's own password. Ends all of their sessions and opens a new one.
    ///
    /// # Errors
    /// `wrong_password` (Forbidden); `invalid_password`, also when it is the present one; `not_a_user`;
    /// `busy` (Unavailable).
    pub async fn change_password(
        &self,
        actor: &Principal,
        current: &str,
        new: &str,
        client: String,
        kind: TokenKind,
    ) -> Result<SignedIn> {
        Passwords::check_rules(new)?;
        let user = self.require_user(self.user_of(actor)?).await?;
        let wrong = || Error::new(ErrorKind::Forbidden, "wrong_password", "this is not the present password");
        if !self.passwords.verify(current, Some(&user.password_hash)).await? {
            let entry = self.entry(&actor.subject, audit_actions::USER_PASSWORD_REFUSED, user.id);
            self.catalog.record(entry).await?;
            return Err(wrong());
        }
        if current == new {
            return Err(Error::invalid("invalid_password", "the new password is the present one"));
        }
        let change = UserChange {
            password: Some((self.passwords.hash(new).await?, false)),
            expected_epoch: Some(user.auth_epoch),
            ..UserChange::default()
        };
        let user = self.set_password(&user, change, &actor.subject).await.map_err(|error| {
            // Reset by an administrator while we hashed.
            if error.code() == "user_changed" { wrong() } else { error }
        })?;
        self.open_session(user, client, kind).await
    }

    pub(super) async fn set_password(&self, user: &User, change: UserChange, by: &str) -> Result<User> {
        let event = self.event(user.id, &user.login, event_kinds::USER_PASSWORD_CHANGED, by);
        let entry = self.entry(by, audit_actions::USER_PASSWORD_CHANGED, user.id);
        self.change(user.id, change, vec![event], entry).await
    }

    /// Changes a user and forgets their sessions.
    pub(super) async fn change(
        &self,
        user: UserId,
        change: UserChange,
        events: Vec<NewEvent>,
        entry: NewAudit,
    ) -> Result<User> {
        let (tenant, catalog, sessions) =
            (self.tenant, self.catalog.audited(entry), Arc::clone(&self.sessions));
        to_the_end(async move {
            let changed = catalog.change_user(tenant, user, &change, events).await?;
            Ended::AllOf(user).forget(&sessions, tenant).await?;
            Ok(changed)
        })
        .await
    }
}

fn invalid_credentials() -> Error {
    Error::new(ErrorKind::Unauthenticated, "invalid_credentials", "the login or the password is wrong")
}
