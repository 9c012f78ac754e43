use super::{
    Group, accounts,
    model::{LibraryBody, MeBody, MeChangeBody},
};
use crate::{
    State,
    caller::{Caller, Newcomer},
    problem::problems,
};
use poem_openapi::{OpenApi, payload::Json};

pub(crate) struct MeApi(pub(super) State);

problems! {
    GetProblem: 401;
    ChangeProblem: 401 403 404 408 413 415;
    LibraryProblem: 401 403 409;
}

#[OpenApi(tag = "Group::People")]
impl MeApi {
    /// Who is signed in
    #[oai(path = "/me", method = "get", operation_id = "getMe")]
    async fn get(&self, caller: Newcomer) -> Result<Json<MeBody>, GetProblem> {
        let principal = caller.0.principal();
        let user = match &self.0.accounts {
            Some(accounts) => accounts.get_own(principal).await?,
            None => None,
        };
        Ok(Json(MeBody::new(principal.clone(), user)))
    }

    /// Change one's own shown name
    #[oai(path = "/me", method = "patch", operation_id = "changeMe")]
    async fn change(&self, caller: Caller, body: Json<MeChangeBody>) -> Result<Json<MeBody>, ChangeProblem> {
        let principal = caller.principal();
        let user = accounts(&self.0)?.rename_own(principal, &body.0.name.0).await?;
        Ok(Json(MeBody::new(principal.clone(), Some(user))))
    }

    /// One's own library, where uploads go that name none
    ///
    /// Made when it is first asked for.
    #[oai(path = "/me/library", method = "get", operation_id = "getMyLibrary")]
    async fn library(&self, caller: Caller) -> Result<Json<LibraryBody>, LibraryProblem> {
        Ok(Json(caller.media(&self.0).own_library().await?.into()))
    }
}
