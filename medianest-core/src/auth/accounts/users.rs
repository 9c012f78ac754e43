use super::Accounts;
use crate::{
    ADMIN, ANONYMOUS, Error, ErrorKind, Page, PageRequest, Principal, Result, USER, UserId, audit_actions,
    auth::Passwords,
    catalog::{NewUser, User, UserChange},
    event_kinds,
};
use std::fmt;

/// A user to be added.
#[derive(Clone)]
pub struct NewAccount {
    /// What they sign in with: 1 to 128 characters, none of them blank or a control character; unique
    /// in any case of letters.
    pub login: String,
    /// Shown name, 1 to 200 characters; the login when there is none.
    pub name: Option<String>,
    /// 8 to 1024 characters.
    pub password: String,
}

impl fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAccount").field("login", &self.login).finish_non_exhaustive()
    }
}

impl Accounts {
    /// Adds the first user, an administrator, unless there is anybody. With `password` None one is made
    /// up, to be changed at the first sign-in; it is returned and nowhere else to be had.
    ///
    /// # Errors
    /// `invalid_login`, `invalid_password`; `Unavailable`.
    pub async fn create_first_admin(
        &self,
        login: &str,
        password: Option<String>,
    ) -> Result<Option<(User, String)>> {
        // Hashing takes a while: not when there is nothing to do, which is every start but the first.
        if !self.catalog.list_users(self.tenant, &PageRequest::new(Some(1), None)?).await?.items.is_empty() {
            return Ok(None);
        }
        let must_change = password.is_none();
        let password = password.map_or_else(one_time_password, Ok)?;
        let account = NewAccount { login: login.to_owned(), name: None, password: password.clone() };
        match self.add(UserId::new(), account, ADMIN, must_change, true, "system").await {
            Ok(user) => Ok(Some((user, password))),
            Err(error) if error.code() == "user_exists" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Somebody registers as an ordinary user.
    ///
    /// # Errors
    /// `registration_closed` (Forbidden); `user_exists` (Conflict); `invalid_login`, `invalid_name`,
    /// `invalid_password`.
    pub async fn register(&self, account: NewAccount) -> Result<User> {
        if !self.options.open_registration {
            let message = "registration is closed; ask an administrator for an account";
            return Err(Error::new(ErrorKind::Forbidden, "registration_closed", message));
        }
        self.add(UserId::new(), account, USER, false, false, ANONYMOUS).await
    }

    /// An administrator adds a user.
    ///
    /// # Errors
    /// `forbidden`; `invalid_role`; as [`register`](Self::register).
    pub async fn create_user(
        &self,
        actor: &Principal,
        account: NewAccount,
        role: &str,
        must_change_password: bool,
    ) -> Result<User> {
        self.create_user_with_id(actor, UserId::new(), account, role, must_change_password).await
    }

    /// As [`create_user`](Self::create_user), under an id of the caller's choice.
    ///
    /// # Errors
    /// As [`create_user`](Self::create_user); `user_exists` also when the id is taken.
    pub async fn create_user_with_id(
        &self,
        actor: &Principal,
        id: UserId,
        account: NewAccount,
        role: &str,
        must_change_password: bool,
    ) -> Result<User> {
        self.require_admin(actor)?;
        self.add(id, account, check_role(role)?, must_change_password, false, &actor.subject).await
    }

    async fn add(
        &self,
        id: UserId,
        account: NewAccount,
        role: &str,
        must_change_password: bool,
        only_first: bool,
        by: &str,
    ) -> Result<User> {
        let login = check_login(&account.login)?;
        let name = check_name(account.name.as_deref().unwrap_or(login))?;
        let user = NewUser {
            id,
            tenant: self.tenant,
            login: login.to_owned(),
            name: name.to_owned(),
            password_hash: self.passwords.hash(&account.password).await?,
            role: role.to_owned(),
            must_change_password,
            at: self.clock.now(),
            event: self.event(id, login, event_kinds::USER_REGISTERED, by),
        };
        let entry =
            self.entry(by, audit_actions::USER_REGISTERED, id).with("login", login).with("role", role);
        self.catalog.audited(entry).create_user(user, only_first).await
    }

    /// The caller as one of our users; None when they are a host's.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn get_own(&self, actor: &Principal) -> Result<Option<User>> {
        match self.user_of(actor) {
            Ok(id) => self.catalog.get_user(self.tenant, id).await,
            Err(_) => Ok(None),
        }
    }

    /// Changes the caller's own shown name.
    ///
    /// # Errors
    /// `invalid_name`; `not_a_user`.
    pub async fn rename_own(&self, actor: &Principal, name: &str) -> Result<User> {
        let change = UserChange { name: Some(check_name(name)?.to_owned()), ..UserChange::default() };
        self.catalog.change_user(self.tenant, self.user_of(actor)?, &change, Vec::new()).await
    }

    /// A user, for an administrator.
    ///
    /// # Errors
    /// `forbidden`; `user_not_found`.
    pub async fn get_user(&self, actor: &Principal, id: UserId) -> Result<User> {
        self.require_admin(actor)?;
        self.require_user(id).await
    }

    /// A user by login, in any case of letters, for an administrator.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn find_user(&self, actor: &Principal, login: &str) -> Result<Option<User>> {
        self.require_admin(actor)?;
        self.catalog.find_user(self.tenant, login).await
    }

    /// Users by login, for an administrator.
    ///
    /// # Errors
    /// `forbidden`; `invalid_cursor`.
    pub async fn list_users(&self, actor: &Principal, page: &PageRequest) -> Result<Page<User>> {
        self.require_admin(actor)?;
        self.catalog.list_users(self.tenant, page).await
    }

    /// An administrator changes a user's name or role, shuts them out or lets them in again. Another
    /// role and shutting out end all of their sessions.
    ///
    /// # Errors
    /// `forbidden`; `user_not_found`; `invalid_role`, `invalid_name`; `last_admin` (Conflict).
    pub async fn change_user(
        &self,
        actor: &Principal,
        id: UserId,
        name: Option<&str>,
        role: Option<&str>,
        disabled: Option<bool>,
    ) -> Result<User> {
        self.require_admin(actor)?;
        let user = self.require_user(id).await?;
        let change = UserChange {
            name: name.map(check_name).transpose()?.map(str::to_owned),
            role: role.map(check_role).transpose()?.filter(|role| *role != user.role).map(str::to_owned),
            disabled: disabled.filter(|disabled| *disabled != user.disabled_at.is_some()),
            ..UserChange::default()
        };
        if change == UserChange::default() {
            return Ok(user);
        }
        let mut events = Vec::new();
        if let Some(role) = &change.role {
            let mut event = self.event(id, &user.login, event_kinds::USER_ROLE_CHANGED, &actor.subject);
            event.data["role"] = role.as_str().into();
            events.push(event);
        }
        if let Some(disabled) = change.disabled {
            let kind = if disabled { event_kinds::USER_DISABLED } else { event_kinds::USER_ENABLED };
            events.push(self.event(id, &user.login, kind, &actor.subject));
        }
        let mut entry = self.entry(&actor.subject, audit_actions::USER_CHANGED, id);
        if let Some(name) = &change.name {
            entry = entry.with("name", name);
        }
        if let Some(role) = &change.role {
            entry = entry.with("role", role);
        }
        if let Some(disabled) = change.disabled {
            entry = entry.with("disabled", disabled);
        }
        self.change(id, change, events, entry).await
    }

    /// An administrator gives a user a new password, to be changed at the next sign-in, and ends all of
    /// their sessions. With `password` None one is made up. Returns it.
    ///
    /// # Errors
    /// `forbidden`; `user_not_found`; `invalid_password`.
    pub async fn reset_password(
        &self,
        actor: &Principal,
        id: UserId,
        password: Option<String>,
    ) -> Result<(User, String)> {
        self.require_admin(actor)?;
        let user = self.require_user(id).await?;
        let password = password.map_or_else(one_time_password, Ok)?;
        let hash = self.passwords.hash(&password).await?;
        let change = UserChange { password: Some((hash, true)), ..UserChange::default() };
        let user = self.set_password(&user, change, &actor.subject).await?;
        Ok((user, password))
    }

    /// An administrator ends all sessions of a user; says how many.
    ///
    /// # Errors
    /// `forbidden`; `user_not_found`.
    pub async fn end_user_sessions(&self, actor: &Principal, id: UserId) -> Result<usize> {
        self.require_admin(actor)?;
        self.require_user(id).await?;
        self.end_sessions_of(id, None, actor).await
    }
}

/// 100 random bits in letters and digits that are not easily mistaken for each other.
fn one_time_password() -> Result<String> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0; 20];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|source| Error::internal("the system gave no random bytes").caused_by(source))?;
    let groups: Vec<String> = random
        .chunks(4)
        .map(|group| group.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
        .collect();
    let password = groups.join("-");
    debug_assert!(Passwords::check_rules(&password).is_ok());
    Ok(password)
}

fn check_login(login: &str) -> Result<&str> {
    let fine = (1..=128).contains(&login.chars().count())
        && !login.chars().any(|c| c.is_whitespace() || c.is_control());
    if fine {
        return Ok(login);
    }
    Err(Error::invalid("invalid_login", "a login has 1 to 128 characters, none of them blank"))
}

fn check_name(name: &str) -> Result<&str> {
    let harmless = name.chars().count() <= 200 && !name.chars().any(char::is_control);
    let name = name.trim();
    if harmless && !name.is_empty() {
        return Ok(name);
    }
    Err(Error::invalid("invalid_name", "a name has 1 to 200 characters and no control characters"))
}

fn check_role(role: &str) -> Result<&str> {
    if role == ADMIN || role == USER {
        return Ok(role);
    }
    Err(Error::invalid("invalid_role", "a role is admin or user"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_passwords_are_long_and_differ() {
        let (one, two) = (one_time_password().unwrap(), one_time_password().unwrap());
        assert_eq!(one.len(), 24);
        assert_ne!(one, two);
    }

    #[test]
    fn logins_and_names_are_checked() {
        for bad in ["", " ", "a b", "a\0b", "a\nb"] {
            assert!(check_login(bad).is_err(), "{bad:?}");
        }
        assert!(check_login(&"x".repeat(129)).is_err());
        assert_eq!(check_login("ada@example.org").unwrap(), "ada@example.org");
        assert_eq!(check_name("  Ada Lovelace ").unwrap(), "Ada Lovelace");
        assert!(check_name("Ada\n").is_err() && check_name(&" ".repeat(201)).is_err());
        assert!(check_name(" ").is_err() && check_role("root").is_err());
    }
}
