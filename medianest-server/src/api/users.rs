use super::{
    Group, accounts, accounts_for,
    headers::{IdempotencyKey, once},
    model::{
        Limit, NewUserBody, OneTimePasswordBody, PageBody, PageCursor, PasswordResetBody, SessionsEndedBody,
        Text, UserBody, UserChangeBody,
    },
    page,
};
use crate::{State, caller::Caller, problem::problems};
use medianest_core::{USER, UserId, auth::NewAccount};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
    payload::Json,
};

pub(crate) struct UsersApi(pub(super) State);

#[derive(ApiResponse)]
enum Created {
    /// The user was added.
    #[oai(status = 201)]
    Created(
        Json<UserBody>,
        /// Where the user is.
        #[oai(header = "Location")]
        String,
    ),
    /// An earlier request with the same idempotency key added the user.
    #[oai(status = 200)]
    Repeated(
        Json<UserBody>,
        /// Where the user is.
        #[oai(header = "Location")]
        String,
    ),
}

problems! {
    ListProblem: 401 403 404;
    CreateProblem: 401 403 404 408 409 413 415;
    GetProblem: 401 403 404;
    ChangeProblem: 401 403 404 408 409 413 415;
    ResetProblem: 401 403 404 408 413 415;
    EndProblem: 401 403 404;
}

/// For administrators.
#[OpenApi(tag = "Group::People")]
impl UsersApi {
    /// Users by login
    #[oai(path = "/users", method = "get", operation_id = "listUsers")]
    async fn list(
        &self,
        caller: Caller,
        /// Only the one with this login, in any case of letters.
        login: Query<Option<String>>,
        /// Rows at most; 50 when absent.
        limit: Query<Option<Limit>>,
        /// Where the page starts, as a previous page said.
        cursor: Query<Option<PageCursor>>,
    ) -> Result<Json<PageBody<UserBody>>, ListProblem> {
        let page = page(limit.0, cursor.0)?;
        if let Some(login) = login.0 {
            let found = accounts(&self.0)?.find_user(caller.principal(), &login).await?;
            let items = found.into_iter().map(Into::into).collect();
            return Ok(Json(PageBody { items, next_cursor: None }));
        }
        let users = accounts(&self.0)?.list_users(caller.principal(), &page).await?;
        Ok(Json(PageBody::of(users)))
    }

    /// Add a user
    #[oai(path = "/users", method = "post", operation_id = "createUser")]
    async fn create(
        &self,
        caller: Caller,
        /// Makes a repeated request give the same user.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: Json<NewUserBody>,
    ) -> Result<Created, CreateProblem> {
        let NewUserBody { login, name, password, role, must_change_password } = body.0;
        let account = NewAccount { login: login.0, name: name.map(|name| name.0), password: password.0 };
        let role = role.map_or_else(|| USER.to_owned(), |role| role.0.0);
        let must_change = must_change_password.unwrap_or(true);
        let (actor, accounts) = (caller.principal(), accounts_for(&self.0, &caller)?);
        let (user, created) = match key.id_for(actor) {
            None => (accounts.create_user(actor, account, &role, must_change).await?, true),
            Some(id) => {
                let (id, login) = (UserId::from_uuid(id), account.login.clone());
                let made = accounts.create_user_with_id(actor, id, account, &role, must_change).await;
                // All else may have changed since.
                once(made, "user_exists", accounts.get_user(actor, id), |user| user.login == login).await?
            }
        };
        let location = format!("/api/v1/users/{}", user.id);
        Ok(match created {
            true => Created::Created(Json(user.into()), location),
            false => Created::Repeated(Json(user.into()), location),
        })
    }

    /// A user
    #[oai(path = "/users/:id", method = "get", operation_id = "getUser")]
    async fn get(&self, caller: Caller, id: Path<Text<UserId>>) -> Result<Json<UserBody>, GetProblem> {
        Ok(Json(accounts(&self.0)?.get_user(caller.principal(), id.0.0).await?.into()))
    }

    /// Change a user's name or role, shut them out or let them in again
    #[oai(path = "/users/:id", method = "patch", operation_id = "changeUser")]
    async fn change(
        &self,
        caller: Caller,
        id: Path<Text<UserId>>,
        body: Json<UserChangeBody>,
    ) -> Result<Json<UserBody>, ChangeProblem> {
        let UserChangeBody { name, role, disabled } = body.0;
        let (name, role) = (name.map(|name| name.0), role.map(|role| role.0.0));
        let user = accounts_for(&self.0, &caller)?
            .change_user(caller.principal(), id.0.0, name.as_deref(), role.as_deref(), disabled)
            .await?;
        Ok(Json(user.into()))
    }

    /// Give a user a new password
    ///
    /// They must change it at their next sign-in; all of their sessions end.
    #[oai(path = "/users/:id/password", method = "post", operation_id = "resetPassword")]
    async fn reset_password(
        &self,
        caller: Caller,
        id: Path<Text<UserId>>,
        body: Json<PasswordResetBody>,
    ) -> Result<Json<OneTimePasswordBody>, ResetProblem> {
        let (_, password) = accounts_for(&self.0, &caller)?
            .reset_password(caller.principal(), id.0.0, body.0.password.map(|password| password.0))
            .await?;
        Ok(Json(OneTimePasswordBody { password }))
    }

    /// End all sessions of a user
    #[oai(path = "/users/:id/sessions", method = "delete", operation_id = "endUserSessions")]
    async fn end_sessions(
        &self,
        caller: Caller,
        id: Path<Text<UserId>>,
    ) -> Result<Json<SessionsEndedBody>, EndProblem> {
        let ended = accounts_for(&self.0, &caller)?.end_user_sessions(caller.principal(), id.0.0).await?;
        Ok(Json(SessionsEndedBody { ended: ended as u64 }))
    }
}
