use super::{
    Group,
    model::{Limit, MemberBody, MemberChangeBody, PageBody, PageCursor, Subject, Text},
    page,
};
use crate::{State, caller::Caller, problem::problems};
use medianest_core::{Error, LibraryId, Principal, Result as CoreResult, UserId};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
    payload::Json,
};

pub(crate) struct MembersApi(pub(super) State);

#[derive(ApiResponse)]
enum Removed {
    /// The subject is no member.
    #[oai(status = 204)]
    Done,
}

problems! {
    ListProblem: 401 403 404;
    PutProblem: 401 403 404 408 409 413 415;
    RemoveProblem: 401 403 404 409;
}

#[OpenApi(tag = "Group::Libraries")]
impl MembersApi {
    /// The members of a library
    #[oai(path = "/libraries/:id/members", method = "get", operation_id = "listMembers")]
    async fn list(
        &self,
        caller: Caller,
        id: Path<Text<LibraryId>>,
        /// Rows at most; 50 when absent.
        limit: Query<Option<Limit>>,
        /// Where the page starts, as a previous page said.
        cursor: Query<Option<PageCursor>>,
    ) -> Result<Json<PageBody<MemberBody>>, ListProblem> {
        let members = caller.media(&self.0).members(id.0.0, &page(limit.0, cursor.0)?).await?;
        Ok(Json(PageBody::of(members)))
    }

    /// Add a member, or change what a member may do
    #[oai(path = "/libraries/:id/members/:subject", method = "put", operation_id = "putMember")]
    async fn put(
        &self,
        caller: Caller,
        id: Path<Text<LibraryId>>,
        /// The id of a user, or a subject of the host's.
        subject: Path<Subject>,
        body: Json<MemberChangeBody>,
    ) -> Result<Json<MemberBody>, PutProblem> {
        let media = caller.media(&self.0);
        // First, so that nobody finds out who exists by libraries they do not manage.
        media.authorize(medianest_core::Action::Manage, medianest_core::Resource::Library(id.0.0)).await?;
        self.require_subject(caller.principal(), &subject.0.0).await?;
        Ok(Json(media.put_member(id.0.0, &subject.0.0, body.0.role.0).await?.into()))
    }

    /// Remove a member
    ///
    /// Anybody may remove themselves.
    #[oai(path = "/libraries/:id/members/:subject", method = "delete", operation_id = "removeMember")]
    async fn remove(
        &self,
        caller: Caller,
        id: Path<Text<LibraryId>>,
        /// The id of a user, or a subject of the host's.
        subject: Path<Subject>,
    ) -> Result<Removed, RemoveProblem> {
        caller.media(&self.0).remove_member(id.0.0, &subject.0.0).await?;
        Ok(Removed::Done)
    }

    /// Where users are ours, only they can be members.
    async fn require_subject(&self, actor: &Principal, subject: &str) -> CoreResult<()> {
        let Some(accounts) = &self.0.accounts else { return Ok(()) };
        let unknown = || Error::not_found("user", subject);
        let id: UserId = subject.parse().map_err(|_| unknown())?;
        let as_system = Principal::system(actor.tenant);
        accounts.get_user(&as_system, id).await.map(drop)
    }
}
