use super::{
    Group,
    model::{JobBody, JobCancelledBody, Limit, PageBody, PageCursor, QueuesBody, Text},
    page,
};
use crate::{State, caller::Caller, problem::problems};
use medianest_core::{AssetId, JobId, JobKind, JobState, catalog::JobQuery};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
    payload::Json,
};

pub(crate) struct JobsApi(pub(super) State);

#[derive(ApiResponse)]
enum Switched {
    /// The queue is as asked for.
    #[oai(status = 204)]
    Done,
}

problems! {
    ListProblem: 401 403;
    GetProblem: 401 403 404;
    RetryProblem: 401 403 404 409;
    QueuesProblem: 401 403;
}

/// For administrators.
#[OpenApi(tag = "Group::Work")]
impl JobsApi {
    /// Jobs, newest first
    #[oai(path = "/jobs", method = "get", operation_id = "listJobs")]
    async fn list(
        &self,
        caller: Caller,
        /// Only of this kind.
        kind: Query<Option<Text<JobKind>>>,
        /// Only in this state.
        state: Query<Option<Text<JobState>>>,
        /// Only for this asset.
        asset_id: Query<Option<Text<AssetId>>>,
        /// Rows at most; 50 when absent.
        limit: Query<Option<Limit>>,
        /// Where the page starts, as a previous page said.
        cursor: Query<Option<PageCursor>>,
    ) -> Result<Json<PageBody<JobBody>>, ListProblem> {
        let query = JobQuery {
            kind: kind.0.map(|kind| kind.0),
            state: state.0.map(|state| state.0),
            asset: asset_id.0.map(|asset| asset.0),
        };
        let jobs = caller.media(&self.0).jobs(&query, &page(limit.0, cursor.0)?).await?;
        Ok(Json(PageBody::of(jobs)))
    }

    /// A job
    #[oai(path = "/jobs/:id", method = "get", operation_id = "getJob")]
    async fn get(&self, caller: Caller, id: Path<Text<JobId>>) -> Result<Json<JobBody>, GetProblem> {
        Ok(Json(caller.media(&self.0).job(id.0.0).await?.into()))
    }

    /// Call a job off
    #[oai(path = "/jobs/:id/cancel", method = "post", operation_id = "cancelJob")]
    async fn cancel(
        &self,
        caller: Caller,
        id: Path<Text<JobId>>,
    ) -> Result<Json<JobCancelledBody>, GetProblem> {
        let cancelled = caller.media(&self.0).cancel_job(id.0.0).await?;
        Ok(Json(JobCancelledBody { cancelled }))
    }

    /// Queue a job again that was given up or called off
    #[oai(path = "/jobs/:id/retry", method = "post", operation_id = "retryJob")]
    async fn retry(&self, caller: Caller, id: Path<Text<JobId>>) -> Result<Json<JobBody>, RetryProblem> {
        Ok(Json(caller.media(&self.0).retry_job(id.0.0).await?.into()))
    }

    /// How full the queues are
    #[oai(path = "/queues", method = "get", operation_id = "listQueues")]
    async fn queues(&self, caller: Caller) -> Result<Json<QueuesBody>, QueuesProblem> {
        let queues = caller.media(&self.0).queues().await?;
        Ok(Json(QueuesBody { items: queues.into_iter().map(Into::into).collect() }))
    }

    /// Hand out no more jobs of a kind; what runs goes on
    #[oai(path = "/queues/:kind/pause", method = "post", operation_id = "pauseQueue")]
    async fn pause(&self, caller: Caller, kind: Path<Text<JobKind>>) -> Result<Switched, QueuesProblem> {
        caller.media(&self.0).set_queue_paused(kind.0.0, true).await?;
        Ok(Switched::Done)
    }

    /// Hand out jobs of a kind again
    #[oai(path = "/queues/:kind/resume", method = "post", operation_id = "resumeQueue")]
    async fn resume(&self, caller: Caller, kind: Path<Text<JobKind>>) -> Result<Switched, QueuesProblem> {
        caller.media(&self.0).set_queue_paused(kind.0.0, false).await?;
        Ok(Switched::Done)
    }
}
