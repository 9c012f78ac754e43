use super::{
    Group, accounts, accounts_for,
    model::{
        CredentialsBody, PasswordChangeBody, RefreshTokenBody, RegistrationBody, SignedInBody, UserBody,
    },
};
use crate::{
    Settings, State,
    caller::{Caller, Newcomer},
    csrf,
    problem::problems,
    rates::Client,
};
use medianest_core::{
    Origin,
    auth::{NewAccount, SignIn, SignedIn, TokenKind},
};
use poem::{Request, web::Data};
use poem_openapi::{ApiResponse, OpenApi, payload::Json};

pub(crate) struct AuthApi(pub(super) State);

#[derive(ApiResponse)]
enum Registered {
    /// The user was added.
    #[oai(status = 201)]
    Created(Json<UserBody>),
}

#[derive(ApiResponse)]
enum Entered {
    /// Signed in.
    #[oai(status = 200)]
    Ok(
        Json<SignedInBody>,
        /// The session cookie, when one was asked for.
        #[oai(header = "Set-Cookie")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
enum Left {
    /// The session is over.
    #[oai(status = 204)]
    Done(
        /// Takes the session cookie back.
        #[oai(header = "Set-Cookie")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
enum Done {
    /// The session is over.
    #[oai(status = 204)]
    Done,
}

problems! {
    RegisterProblem: 403 404 408 409 413 415;
    LoginProblem: 401 403 404 408 413 415;
    RefreshProblem: 401 404 408 409 413 415;
    LogoutProblem: 401 403 404;
    EndTokenProblem: 404 408 413 415;
    PasswordProblem: 401 403 404 408 413 415;
}

#[OpenApi(tag = "Group::Auth")]
impl AuthApi {
    /// Register as an ordinary user
    ///
    /// Only where registration is open.
    #[oai(path = "/auth/register", method = "post", operation_id = "register")]
    async fn register(
        &self,
        from: Data<&Client>,
        origin: Data<&Origin>,
        body: Json<RegistrationBody>,
    ) -> Result<Registered, RegisterProblem> {
        let RegistrationBody { login, name, password } = body.0;
        let account = NewAccount { login: login.0, name: name.map(|name| name.0), password: password.0 };
        let accounts = accounts(&self.0)?.coming_from(origin.0.clone());
        let attempt = self.0.counters.register(&self.0.settings.rates, *from.0).await?;
        let user = attempt.judge_registration(accounts.register(account).await).await?;
        Ok(Registered::Created(Json(user.into())))
    }

    /// Sign in
    ///
    /// With `cookie`, the session is in a cookie and no token is answered; the request must then come
    /// from the same origin.
    #[oai(path = "/auth/login", method = "post", operation_id = "login")]
    async fn login(
        &self,
        request: &Request,
        from: Data<&Client>,
        origin: Data<&Origin>,
        body: Json<CredentialsBody>,
    ) -> Result<Entered, LoginProblem> {
        let CredentialsBody { login, password, cookie } = body.0;
        let kind = if cookie { TokenKind::Cookie } else { TokenKind::Access };
        if cookie {
            csrf::require_same_site(request.headers(), &self.0.settings)?;
        }
        let accounts = accounts(&self.0)?;
        let attempt = self.0.counters.sign_in(&self.0.settings.rates, *from.0, &login.0).await?;
        let sign_in = SignIn { login: login.0, password: password.0, client: client(request), kind };
        let signed_in = attempt.judge(accounts.coming_from(origin.0.clone()).login(sign_in).await).await?;
        Ok(entered(signed_in, &self.0.settings))
    }

    /// New tokens for a refresh token
    ///
    /// The refresh token is used up. Showing it again ends the session (`invalid_refresh_token`); at
    /// the same moment as another request, it is refused with `refresh_raced` and the session lives on.
    #[oai(path = "/auth/refresh", method = "post", operation_id = "refresh")]
    async fn refresh(
        &self,
        from: Data<&Client>,
        origin: Data<&Origin>,
        body: Json<RefreshTokenBody>,
    ) -> Result<Entered, RefreshProblem> {
        let accounts = accounts(&self.0)?.coming_from(origin.0.clone());
        let attempt = self.0.counters.refresh(&self.0.settings.rates, *from.0).await?;
        let signed_in = attempt.judge(accounts.refresh(&body.0.refresh_token.0).await).await?;
        Ok(entered(signed_in, &self.0.settings))
    }

    /// End the session of this request
    #[oai(path = "/auth/logout", method = "post", operation_id = "logout")]
    async fn logout(&self, caller: Newcomer) -> Result<Left, LogoutProblem> {
        let caller: Caller = caller.0;
        let accounts = accounts_for(&self.0, &caller)?;
        if let Some(session) = caller.session() {
            accounts.logout(caller.principal(), session).await?;
        }
        Ok(Left::Done(caller.has_cookie().then(|| set_cookie("", 0, &self.0.settings))))
    }

    /// End the session of a refresh token
    ///
    /// Of the present one, or that before it. Any other token ends nothing, and is answered alike.
    #[oai(path = "/auth/revoke", method = "post", operation_id = "revoke")]
    async fn revoke(
        &self,
        from: Data<&Client>,
        origin: Data<&Origin>,
        body: Json<RefreshTokenBody>,
    ) -> Result<Done, EndTokenProblem> {
        let accounts = accounts(&self.0)?.coming_from(origin.0.clone());
        let attempt = self.0.counters.refresh(&self.0.settings.rates, *from.0).await?;
        attempt.judge(accounts.logout_refresh(&body.0.refresh_token.0).await).await?;
        Ok(Done::Done)
    }

    /// Change one's own password
    ///
    /// Ends all sessions of the caller and opens a new one of the same kind.
    #[oai(path = "/auth/password", method = "post", operation_id = "changePassword")]
    async fn change_password(
        &self,
        request: &Request,
        from: Data<&Client>,
        caller: Newcomer,
        body: Json<PasswordChangeBody>,
    ) -> Result<Entered, PasswordProblem> {
        let caller: Caller = caller.0;
        let kind = if caller.has_cookie() { TokenKind::Cookie } else { TokenKind::Access };
        let PasswordChangeBody { current_password, new_password } = body.0;
        let accounts = accounts_for(&self.0, &caller)?;
        let who = caller.principal();
        let attempt = self.0.counters.sign_in(&self.0.settings.rates, *from.0, &who.subject).await?;
        let changed =
            accounts.change_password(who, &current_password.0, &new_password.0, client(request), kind);
        let signed_in = attempt.judge(changed.await).await?;
        Ok(entered(signed_in, &self.0.settings))
    }
}

/// What the client calls itself, for the list of sessions.
fn client(request: &Request) -> String {
    request.header("user-agent").unwrap_or("unknown").to_owned()
}

fn entered(signed_in: SignedIn, settings: &Settings) -> Entered {
    let cookie = signed_in.refresh_token.is_none().then(|| {
        if !settings.is_secure() {
            tracing::warn!(
                "a session cookie goes over plain HTTP, where others in the network can read it; \
                 set public_url to the https:// address of a proxy"
            );
        }
        set_cookie(&signed_in.token, signed_in.token_lifetime.as_secs(), settings)
    });
    Entered::Ok(Json(signed_in.into()), cookie)
}

fn set_cookie(value: &str, max_age: u64, settings: &Settings) -> String {
    let secure = if settings.is_secure() { "; Secure" } else { "" };
    let name = settings.cookie_name();
    format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}")
}
