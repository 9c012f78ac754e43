use super::sealed::Sealed;
use crate::{
    AssetState, Failure, Fence, Job, JobId, JobKind, JobState, NewEvent, NewJob, Page, PageRequest,
    QueueStats, Result, Runnable, TenantId, catalog::SettledEvents,
};
use async_trait::async_trait;
use std::time::Duration;

/// The queue: rows are the only truth.
///
/// All times are by the backend's clock, so that no worker's clock can steal or lose a lease.
#[async_trait]
pub trait JobCatalog: Sealed + Send + Sync + std::fmt::Debug + 'static {
    /// Queues jobs. One whose id is there already is left as it is.
    async fn enqueue(&self, jobs: &[NewJob]) -> Result<()>;

    /// Leases up to `limit` runnable jobs of these kinds to a worker: `Running`, `attempt` one higher.
    /// Highest priority first, then the longest waiting. Kinds whose queue is paused give nothing.
    /// With `ids`, only of these; ids of jobs that are not runnable are passed over, so that handing
    /// out an id twice is harmless. No job is ever leased to two workers at once.
    async fn claim(&self, claim: &Claim) -> Result<Vec<Job>>;

    /// The first `limit` jobs of a kind that [`claim`](Self::claim) would give now, in its order; none when
    /// the queue is paused. Takes nothing.
    async fn runnable(&self, kind: JobKind, limit: u32) -> Result<Vec<Runnable>>;

    /// Extends the lease and records progress. Returns false when the job was called off: the worker
    /// stops and calls [`end_cancelled`](Self::end_cancelled).
    ///
    /// # Errors
    /// `Fenced`.
    async fn heartbeat(&self, fence: &Fence, progress: f32, lease: Duration) -> Result<bool>;

    /// Ends a job as `Done`, or as `Cancelled` when it was called off meanwhile.
    ///
    /// # Errors
    /// `Fenced`.
    async fn complete(&self, fence: &Fence) -> Result<()>;

    /// As [`complete`](Self::complete) for several jobs in one command; returns those that were fenced.
    async fn complete_many(&self, fences: &[Fence]) -> Result<Vec<Fence>>;

    /// An attempt failed: the job is queued again after a delay, or given up.
    ///
    /// # Errors
    /// `Fenced`; also for an attempt whose lease had to have run out, and has not.
    async fn fail(&self, fence: &Fence, failed: FailedAttempt) -> Result<()>;

    /// Hands a job back unharmed, to be claimed again at once (shutdown). Its attempt number stays.
    ///
    /// # Errors
    /// `Fenced`.
    async fn release(&self, fence: &Fence) -> Result<()>;

    /// Ends a job that was called off while it ran.
    ///
    /// # Errors
    /// `Fenced`.
    async fn end_cancelled(&self, fence: &Fence) -> Result<()>;

    /// Jobs whose lease has run out, `Running` still, the longest silent first; the engine decides what
    /// becomes of them with [`fail`](Self::fail).
    async fn expired_leases(&self, limit: u32) -> Result<Vec<Job>>;

    /// Calls a job off: a queued one is `Cancelled` at once, a running one at its next heartbeat.
    /// Returns false when it has ended before. What it was to make fails with the code `cancelled`: its
    /// pending renditions, and with them its asset as far as that requires them; the asset itself when
    /// it was to be understood, unless it is settled. `told` goes with that; None for a job without an
    /// asset.
    ///
    /// # Errors
    /// `job_not_found`.
    async fn cancel(&self, tenant: TenantId, id: JobId, told: Option<SettledEvents>) -> Result<bool>;

    /// Queues a `Dead` or `Cancelled` job again, with its counters at zero; its renditions that
    /// failed are pending again and its asset is `processing`, unless it is `ready`.
    ///
    /// # Errors
    /// `job_not_found`; `job_not_retryable` (Conflict) when it is in another state, its asset is gone, or
    /// all that it was to make has been replaced.
    async fn retry(&self, tenant: TenantId, id: JobId) -> Result<Job>;

    /// One job.
    async fn get_job(&self, tenant: TenantId, id: JobId) -> Result<Option<Job>>;

    /// Jobs of a tenant, newest first.
    async fn list_jobs(&self, tenant: TenantId, query: &JobQuery, page: &PageRequest) -> Result<Page<Job>>;

    /// All queues, of all tenants.
    async fn queue_stats(&self) -> Result<Vec<QueueStats>>;

    /// Stops or resumes handing out jobs of a kind; what runs goes on.
    async fn set_paused(&self, kind: JobKind, paused: bool) -> Result<()>;

    /// Deletes up to `limit` jobs that ended longer than `age` ago; dead ones stay. Returns how many.
    async fn trim_jobs(&self, age: Duration, limit: u32) -> Result<u64>;
}

/// What a worker asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who asks.
    pub worker: String,
    /// Of these kinds only.
    pub kinds: Vec<JobKind>,
    /// Of these ids only.
    pub ids: Option<Vec<JobId>>,
    /// At most so many.
    pub limit: u32,
    /// For how long.
    pub lease: Duration,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobQuery {
    /// Only of this kind.
    pub kind: Option<JobKind>,
    /// Only in this state.
    pub state: Option<JobState>,
    /// Only for this asset.
    pub asset: Option<crate::AssetId>,
}

/// How an attempt failed and what follows.
#[derive(Clone, Debug)]
pub struct FailedAttempt {
    /// Why.
    pub failure: Failure,
    /// What it is counted as.
    pub counted: Counted,
    /// Only when the lease has run out: the worker that was given up may have been heard of since.
    pub only_expired: bool,
    /// What follows.
    pub next: AfterFailure,
}

/// What a failed attempt is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A failure, in [`Job::failures`].
    Failure,
    /// A crash of the worker or its decoder, in [`Job::crashes`].
    Crash,
    /// Nothing: a dependency was away.
    Nothing,
}

/// What follows a failed attempt.
#[derive(Clone, Debug)]
pub enum AfterFailure {
    /// Queued again after this delay.
    RetryAfter(Duration),
    /// Given up: `Dead`. Its pending renditions fail with the same failure. Its asset, unless it is
    /// `ready` or settled already, comes to this state with the failure, and the event is emitted.
    GiveUp {
        /// `Failed` or `Quarantined`.
        asset: AssetState,
        /// What to tell.
        event: Option<NewEvent>,
    },
}
