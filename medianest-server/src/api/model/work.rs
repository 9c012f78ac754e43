use super::{FailureBody, Text};
use medianest_core::{
    AssetId, Cursor, Event, Job, JobId, JobKind, JobState, LibraryId, QueueStats, Timestamp,
};
use poem_openapi::{Object, types::Any};

/// A durable unit of work.
#[derive(Debug, Object)]
#[oai(rename = "Job", skip_serializing_if_is_none)]
pub(crate) struct JobBody {
    /// Its id.
    id: Text<JobId>,
    /// What it does.
    kind: Text<JobKind>,
    /// What it works on.
    asset_id: Option<Text<AssetId>>,
    /// The library that it works on as a whole.
    library_id: Option<Text<LibraryId>>,
    /// Where it stands.
    state: Text<JobState>,
    /// Higher runs earlier.
    priority: i16,
    /// Times it was begun.
    attempt: u32,
    /// Times it failed with an error that asked to be tried again.
    failures: u32,
    /// Times it took its worker with it.
    crashes: u32,
    /// Not before.
    run_at: Text<Timestamp>,
    /// Until when the worker that has it must be heard of.
    lease_until: Option<Text<Timestamp>>,
    /// The worker that has it.
    worker: Option<String>,
    /// 0 to 1.
    progress: f32,
    /// Why it is dead, or why the last attempt failed.
    failure: Option<FailureBody>,
    /// When it was queued.
    created_at: Text<Timestamp>,
    /// When it ended.
    finished_at: Option<Text<Timestamp>>,
}

/// Whether a job was called off.
#[derive(Debug, Object)]
#[oai(rename = "JobCancelled")]
pub(crate) struct JobCancelledBody {
    /// False when it had ended before.
    pub(crate) cancelled: bool,
}

/// How full a queue is.
#[derive(Debug, Object)]
#[oai(rename = "Queue")]
pub(crate) struct QueueBody {
    /// The kind of jobs in it.
    kind: Text<JobKind>,
    /// Whether nothing is handed out.
    paused: bool,
    /// Jobs that may run now.
    runnable: u64,
    /// Jobs that wait for their time.
    delayed: u64,
    /// Jobs that run.
    running: u64,
    /// Jobs that were given up.
    dead: u64,
    /// Age of the oldest job that may run now, in milliseconds.
    oldest_runnable_ms: u64,
}

/// All queues.
#[derive(Debug, Object)]
#[oai(rename = "Queues")]
pub(crate) struct QueuesBody {
    /// One for each kind of job.
    pub(crate) items: Vec<QueueBody>,
}

/// Something that happened: the `data` of an entry of the event stream.
#[derive(Debug, Object)]
#[oai(rename = "Event", skip_serializing_if_is_none)]
pub(crate) struct EventBody {
    /// Its id: the same however often it is delivered.
    id: String,
    /// Where a reader that has seen it resumes.
    cursor: Text<Cursor>,
    /// What happened (`asset.ready`).
    kind: String,
    /// The library it happened in.
    library_id: Option<Text<LibraryId>>,
    /// Details.
    data: Any<serde_json::Value>,
    /// When.
    at: Text<Timestamp>,
}

impl From<Job> for JobBody {
    fn from(job: Job) -> Self {
        Self {
            id: job.id.into(),
            kind: job.kind.into(),
            asset_id: job.asset_id.map(Into::into),
            library_id: job.library_id.map(Into::into),
            state: job.state.into(),
            priority: job.priority,
            attempt: job.attempt,
            failures: job.failures,
            crashes: job.crashes,
            run_at: job.run_at.into(),
            lease_until: job.lease_until.map(Into::into),
            worker: job.worker,
            progress: job.progress,
            failure: job.failure.map(Into::into),
            created_at: job.created_at.into(),
            finished_at: job.finished_at.map(Into::into),
        }
    }
}

impl From<QueueStats> for QueueBody {
    fn from(stats: QueueStats) -> Self {
        Self {
            kind: stats.kind.into(),
            paused: stats.paused,
            runnable: stats.runnable,
            delayed: stats.delayed,
            running: stats.running,
            dead: stats.dead,
            oldest_runnable_ms: stats.oldest_runnable_ms,
        }
    }
}

impl From<Event> for EventBody {
    fn from(event: Event) -> Self {
        Self {
            id: event.id.to_string(),
            cursor: event.cursor.into(),
            kind: event.kind,
            library_id: event.library_id.map(Into::into),
            data: Any(event.data),
            at: event.at.into(),
        }
    }
}
