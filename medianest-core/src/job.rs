//! Durable units of work under a lease.

use crate::{AssetId, Failure, JobId, LibraryId, RenditionId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobKind {
    /// Read the facts of an asset and declare its renditions.
    Understand,
    /// Make the light renditions of an asset: pictures, waveforms.
    Render,
    /// Make the heavy ones: everything that decodes the whole duration.
    Transcode,
    /// Bring the bytes of a library to the store that it names.
    Move,
}

impl JobKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Understand, Self::Render, Self::Transcode, Self::Move];

    /// The word for it, as in JSON and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Understand => "understand",
            Self::Render => "render",
            Self::Transcode => "transcode",
            Self::Move => "move",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobState {
    /// Waiting for `run_at` and a worker.
    Queued,
    /// Under a lease.
    Running,
    /// Finished.
    Done,
    /// Given up, with a reason; can be retried by hand.
    Dead,
    /// Called off.
    Cancelled,
}

impl JobState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Done, Self::Dead, Self::Cancelled];

    /// The word for it, as in JSON and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What a job works on. The definitions of variants are in the rendition rows, as they were when
/// the job was made: a later change of the recipe does not change a job under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPayload {
    /// The renditions to make, of [`JobKind::Render`] and [`JobKind::Transcode`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renditions: Vec<RenditionId>,
}

/// A job to be queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// The world it is in.
    pub tenant: TenantId,
    /// What it does.
    pub kind: JobKind,
    /// What it works on; None for one that works on a library, or only exercises the queue.
    pub asset_id: Option<AssetId>,
    /// The library it works on as a whole.
    pub library_id: Option<LibraryId>,
    /// What it works on, in detail.
    pub payload: JobPayload,
    /// Higher runs earlier; 0 is normal.
    pub priority: i16,
    /// Not before; None is at once, by the backend's clock.
    pub run_at: Option<Timestamp>,
}

impl NewJob {
    /// A job of normal priority that may run at once.
    pub fn new(tenant: TenantId, kind: JobKind, asset_id: AssetId) -> Self {
        Self {
            id: JobId::new(),
            tenant,
            kind,
            asset_id: Some(asset_id),
            library_id: None,
            payload: JobPayload::default(),
            priority: 0,
            run_at: None,
        }
    }

    /// A job of normal priority on a library as a whole.
    pub fn of_library(tenant: TenantId, kind: JobKind, library: LibraryId) -> Self {
        Self {
            id: JobId::new(),
            tenant,
            kind,
            asset_id: None,
            library_id: Some(library),
            payload: JobPayload::default(),
            priority: 0,
            run_at: None,
        }
    }

    /// The same with renditions to make.
    #[must_use]
    pub fn renditions(mut self, renditions: Vec<RenditionId>) -> Self {
        self.payload.renditions = renditions;
        self
    }

    /// The same with another priority.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }
}

/// A durable unit of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The world it is in.
    #[serde(skip, default = "default_tenant")]
    pub tenant: TenantId,
    /// What it does.
    pub kind: JobKind,
    /// What it works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_id: Option<AssetId>,
    /// The library it works on as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub library_id: Option<LibraryId>,
    /// What it works on, in detail.
    #[serde(skip)]
    pub payload: JobPayload,
    /// Where it stands.
    pub state: JobState,
    /// Higher runs earlier.
    pub priority: i16,
    /// Times it was claimed; with the id, the fencing token of the current attempt.
    pub attempt: u32,
    /// Times it failed for another reason; not for a dependency that was away.
    pub failures: u32,
    /// Times its decoder crashed, or its lease ran out, which is what a worker leaves behind that the job
    /// killed; since it last came forward.
    pub crashes: u32,
    /// Not before.
    pub run_at: Timestamp,
    /// Until when the worker that has it must be heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// The worker that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// 0 to 1.
    pub progress: f32,
    /// Why it is dead, or why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

fn default_tenant() -> TenantId {
    TenantId::DEFAULT
}

impl Job {
    /// The proof that this attempt has the job.
    pub fn fence(&self) -> Fence {
        Fence { job: self.id, attempt: self.attempt }
    }
}

/// The proof that an attempt has a job. Commands that carry it fail with
/// [`Fenced`](crate::ErrorKind::Fenced), changing nothing, once the job is not `Running` under this
/// attempt any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u32,
}

/// A job that may be claimed now, as far as it takes to hand it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runnable {
    /// Its id.
    pub id: JobId,
    /// Higher runs earlier.
    pub priority: i16,
    /// Among those of the same priority, earlier runs earlier.
    pub run_at: Timestamp,
}

/// How full a queue is. Of what is in one state [`COUNTED`](Self::COUNTED) jobs are counted, and the others are
/// not: so that the answer costs the same however full it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueStats {
    /// The kind of jobs in it.
    pub kind: JobKind,
    /// Whether nothing is handed out.
    pub paused: bool,
    /// Jobs that may run now.
    pub runnable: u64,
    /// Jobs that wait for their time.
    pub delayed: u64,
    /// Jobs under a lease.
    pub running: u64,
    /// Jobs that were given up.
    pub dead: u64,
    /// Age of the oldest job that may run now, in milliseconds.
    pub oldest_runnable_ms: u64,
}

impl QueueStats {
    /// The most that are counted: of the waiting (runnable and delayed together), of the running, and of the dead.
    pub const COUNTED: u32 = 10_000;
}
