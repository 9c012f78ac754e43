use super::{
    Group, accounts, accounts_for,
    model::{SessionBody, SessionsBody, SessionsEndedBody, Text},
};
use crate::{State, caller::Caller, problem::problems};
use medianest_core::SessionId;
use poem_openapi::{ApiResponse, OpenApi, param::Path, payload::Json};

pub(crate) struct SessionsApi(pub(super) State);

#[derive(ApiResponse)]
enum Ended {
    /// The session is over.
    #[oai(status = 204)]
    Done,
}

problems! {
    ListProblem: 401 403 404;
    EndProblem: 401 403 404;
}

#[OpenApi(tag = "Group::Auth")]
impl SessionsApi {
    /// One's own sessions
    #[oai(path = "/auth/sessions", method = "get", operation_id = "listSessions")]
    async fn list(&self, caller: Caller) -> Result<Json<SessionsBody>, ListProblem> {
        let sessions = accounts(&self.0)?.list_sessions(caller.principal()).await?;
        let items = sessions.into_iter().map(|session| SessionBody::new(session, caller.session()));
        Ok(Json(SessionsBody { items: items.collect() }))
    }

    /// End all of one's own sessions but this one
    #[oai(path = "/auth/sessions", method = "delete", operation_id = "endSessions")]
    async fn end_others(&self, caller: Caller) -> Result<Json<SessionsEndedBody>, ListProblem> {
        let ended =
            accounts_for(&self.0, &caller)?.end_own_sessions(caller.principal(), caller.session()).await?;
        Ok(Json(SessionsEndedBody { ended: ended as u64 }))
    }

    /// End one of one's own sessions
    #[oai(path = "/auth/sessions/:id", method = "delete", operation_id = "endSession")]
    async fn end(&self, caller: Caller, id: Path<Text<SessionId>>) -> Result<Ended, EndProblem> {
        accounts_for(&self.0, &caller)?.end_own_session(caller.principal(), id.0.0).await?;
        Ok(Ended::Done)
    }
}
