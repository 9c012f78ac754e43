use super::{Anything, Login, Name, Password, Text, UserRole};
use medianest_core::{
    Principal, SessionId, Timestamp, UserId,
    auth::SignedIn,
    catalog::{Session, User},
};
use poem_openapi::Object;

/// One of our own users.
#[derive(Debug, Object)]
#[oai(rename = "User", skip_serializing_if_is_none)]
pub(crate) struct UserBody {
    /// Its id; also the subject of what they own.
    pub(crate) id: Text<UserId>,
    /// What they sign in with.
    login: String,
    /// Shown name.
    name: String,
    /// What they may do.
    role: Text<UserRole>,
    /// Whether the password is to be changed before anything else.
    must_change_password: bool,
    /// When they were shut out.
    disabled_at: Option<Text<Timestamp>>,
    /// When they were added.
    created_at: Text<Timestamp>,
}

/// Who is signed in.
#[derive(Debug, Object)]
#[oai(rename = "Me", skip_serializing_if_is_none)]
pub(crate) struct MeBody {
    /// The subject: what the caller owns is under it.
    pub(crate) subject: String,
    /// The roles.
    pub(crate) roles: Vec<String>,
    /// The user, when it is one of ours.
    pub(crate) user: Option<UserBody>,
}

/// A new name for oneself.
#[derive(Debug, Object)]
#[oai(rename = "MeChange", deny_unknown_fields)]
pub(crate) struct MeChangeBody {
    /// Shown name, 1 to 200 characters.
    pub(crate) name: Name,
}

/// Somebody registers.
#[derive(Object)]
#[oai(rename = "Registration", deny_unknown_fields)]
pub(crate) struct RegistrationBody {
    /// What they sign in with: 1 to 128 characters, none of them blank.
    pub(crate) login: Login,
    /// Shown name, 1 to 200 characters; the login when absent.
    pub(crate) name: Option<Name>,
    /// 8 to 1024 characters.
    #[oai(write_only)]
    pub(crate) password: Password,
}

/// A user to be added.
#[derive(Object)]
#[oai(rename = "NewUser", deny_unknown_fields)]
pub(crate) struct NewUserBody {
    /// What they sign in with: 1 to 128 characters, none of them blank.
    pub(crate) login: Login,
    /// Shown name, 1 to 200 characters; the login when absent.
    pub(crate) name: Option<Name>,
    /// 8 to 1024 characters.
    #[oai(write_only)]
    pub(crate) password: Password,
    /// `user` when absent.
    pub(crate) role: Option<Text<UserRole>>,
    /// Whether they must change the password at their first sign-in; yes when absent.
    pub(crate) must_change_password: Option<bool>,
}

/// What to change of a user; what is absent stays.
#[derive(Debug, Object)]
#[oai(rename = "UserChange", deny_unknown_fields)]
pub(crate) struct UserChangeBody {
    /// Shown name, 1 to 200 characters.
    pub(crate) name: Option<Name>,
    /// Another role ends all sessions of the user.
    pub(crate) role: Option<Text<UserRole>>,
    /// Shut out, or let in again. Ends all sessions of the user.
    pub(crate) disabled: Option<bool>,
}

/// A new password for a user.
#[derive(Object)]
#[oai(rename = "PasswordReset", deny_unknown_fields)]
pub(crate) struct PasswordResetBody {
    /// 8 to 1024 characters; one is made up when absent.
    #[oai(write_only)]
    pub(crate) password: Option<Password>,
}

/// The new password of a user, to be changed at the next sign-in. Shown once.
#[derive(Object)]
#[oai(rename = "OneTimePassword")]
pub(crate) struct OneTimePasswordBody {
    /// The password.
    pub(crate) password: String,
}

/// Somebody signs in.
#[derive(Object)]
#[oai(rename = "Credentials", deny_unknown_fields)]
pub(crate) struct CredentialsBody {
    /// The login, in any case of letters.
    pub(crate) login: Anything,
    /// The password.
    #[oai(write_only)]
    pub(crate) password: Anything,
    /// True for a session in a cookie, for pages of the same site; else tokens are answered.
    #[oai(default)]
    pub(crate) cookie: bool,
}

/// A refresh token.
#[derive(Object)]
#[oai(rename = "RefreshToken", deny_unknown_fields)]
pub(crate) struct RefreshTokenBody {
    /// The token, good for one use.
    pub(crate) refresh_token: Anything,
}

/// A change of one's own password.
#[derive(Object)]
#[oai(rename = "PasswordChange", deny_unknown_fields)]
pub(crate) struct PasswordChangeBody {
    /// The present one.
    #[oai(write_only)]
    pub(crate) current_password: Anything,
    /// The new one, 8 to 1024 characters.
    #[oai(write_only)]
    pub(crate) new_password: Password,
}

/// Somebody is signed in.
#[derive(Object)]
#[oai(rename = "SignedIn", skip_serializing_if_is_none)]
pub(crate) struct SignedInBody {
    /// Who.
    pub(crate) user: UserBody,
    /// The session.
    pub(crate) session_id: Text<SessionId>,
    /// To be shown as `Authorization: Bearer …`; absent with a cookie.
    pub(crate) access_token: Option<String>,
    /// `Bearer`.
    pub(crate) token_type: Option<String>,
    /// Seconds that the access token, or the cookie at most, is good for.
    pub(crate) expires_in: u64,
    /// For the next access token; good for one use; absent with a cookie.
    pub(crate) refresh_token: Option<String>,
}

/// A sign-in.
#[derive(Debug, Object)]
#[oai(rename = "Session")]
pub(crate) struct SessionBody {
    /// Its id.
    id: Text<SessionId>,
    /// What the client calls itself.
    client: String,
    /// Whether it is the one of this request.
    current: bool,
    /// When it began.
    created_at: Text<Timestamp>,
    /// When it was last refreshed or, in a cookie, about when it was last used.
    refreshed_at: Text<Timestamp>,
    /// When it ends, if it is neither refreshed nor, in a cookie, used.
    expires_at: Text<Timestamp>,
}

/// The sessions of the caller.
#[derive(Debug, Object)]
#[oai(rename = "Sessions")]
pub(crate) struct SessionsBody {
    /// Newest first.
    pub(crate) items: Vec<SessionBody>,
}

/// How many sessions were ended.
#[derive(Debug, Object)]
#[oai(rename = "SessionsEnded")]
pub(crate) struct SessionsEndedBody {
    /// How many.
    pub(crate) ended: u64,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id.into(),
            login: user.login,
            name: user.name,
            role: UserRole(user.role).into(),
            must_change_password: user.must_change_password,
            disabled_at: user.disabled_at.map(Into::into),
            created_at: user.created_at.into(),
        }
    }
}

impl MeBody {
    pub(crate) fn new(principal: Principal, user: Option<User>) -> Self {
        Self {
            subject: principal.subject,
            roles: principal.roles.into_iter().collect(),
            user: user.map(Into::into),
        }
    }
}

impl SessionBody {
    pub(crate) fn new(session: Session, current: Option<SessionId>) -> Self {
        Self {
            current: current == Some(session.id),
            id: session.id.into(),
            client: session.client,
            created_at: session.created_at.into(),
            refreshed_at: session.refreshed_at.into(),
            expires_at: session.expires_at.into(),
        }
    }
}

impl From<SignedIn> for SignedInBody {
    /// With the tokens; what goes into a cookie is not in it.
    fn from(signed_in: SignedIn) -> Self {
        let bearer = signed_in.refresh_token.is_some();
        Self {
            user: signed_in.user.into(),
            session_id: signed_in.session.id.into(),
            access_token: bearer.then_some(signed_in.token),
            token_type: bearer.then(|| "Bearer".into()),
            expires_in: signed_in.token_lifetime.as_secs(),
            refresh_token: signed_in.refresh_token,
        }
    }
}
