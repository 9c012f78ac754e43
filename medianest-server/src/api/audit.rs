use super::{
    Group,
    model::{AuditEntryBody, Limit, PageBody, PageCursor, Text},
    page,
};
use crate::{State, caller::Caller, problem::problems};
use medianest_core::{Timestamp, catalog::AuditQuery};
use poem_openapi::{OpenApi, param::Query, payload::Json};

pub(crate) struct AuditApi(pub(super) State);

problems! {
    ListProblem: 401 403;
}

/// For administrators.
#[OpenApi(tag = "Group::Audit")]
impl AuditApi {
    /// Who did what to whom, when, and from where; newest first
    ///
    /// Sign-ins, also those that were refused, and changes of users, rights, libraries, recipes and queues, and
    /// what was deleted for good.
    #[oai(path = "/admin/audit", method = "get", operation_id = "listAudit")]
    #[expect(clippy::too_many_arguments, reason = "they are the parameters of the operation")]
    async fn list(
        &self,
        caller: Caller,
        /// Only what this subject did.
        actor: Query<Option<String>>,
        /// Only this action (`session.refused`).
        action: Query<Option<String>>,
        /// Only what happened then or later.
        from: Query<Option<Text<Timestamp>>>,
        /// Only what happened earlier.
        before: Query<Option<Text<Timestamp>>>,
        /// Rows at most; 50 when absent.
        limit: Query<Option<Limit>>,
        /// Where the page starts, as a previous page said.
        cursor: Query<Option<PageCursor>>,
    ) -> Result<Json<PageBody<AuditEntryBody>>, ListProblem> {
        let query = AuditQuery {
            actor: actor.0,
            action: action.0,
            from: from.0.map(|time| time.0),
            before: before.0.map(|time| time.0),
        };
        let entries = caller.media(&self.0).audit(&query, &page(limit.0, cursor.0)?).await?;
        Ok(Json(PageBody::of(entries)))
    }
}
