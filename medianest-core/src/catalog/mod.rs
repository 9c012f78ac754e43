//! The rows: assets, jobs, events, search, identity.
//!
//! Catalogs offer **atomic named commands**, not transactions: a command carries its preconditions,
//! the jobs it queues and the events it emits, and happens as a whole or not at all. Backends may
//! retry commands and commit several as a group. The traits are sealed: they grow with the engine.
//!
//! Unless a method says otherwise, reads answer `None` for what is missing or invisible, and every
//! method fails with `Unavailable` when the backend is away.

mod asset;
mod audit;
mod event;
mod identity;
mod job;
mod search;
mod store;

pub use asset::*;
pub use audit::*;
pub use event::*;
pub use identity::*;
pub use job::*;
pub use search::*;
pub use store::*;

use crate::{NewAudit, Principal, Result, Timestamp};
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};

/// Everything the engine keeps in rows, from one backend.
#[async_trait]
pub trait Catalog: AssetCatalog + StoreCatalog + JobCatalog + EventLog + SearchIndex + AuditLog {
    /// Creates or upgrades our tables (all prefixed `medianest_`) under a lock, so that any number of
    /// processes may call it, while others work, also programs of the version before. One that was
    /// interrupted goes on when it is called again. Never called by the engine: the program decides when.
    ///
    /// # Errors
    /// `schema_too_new` when a later version of this library has been here and left nothing that this one
    /// could work on.
    async fn migrate(&self) -> Result<()>;

    /// Whether the backend answers, and its clock. A later version may have been here, as long as this one
    /// works on what it left.
    ///
    /// # Errors
    /// `Unavailable`; `schema_outdated` when [`migrate`](Self::migrate) is due; `schema_too_new`.
    async fn check(&self) -> Result<Timestamp>;

    /// Keeps what comes from now on apart from what is there, when that began to come longer than `length`
    /// ago. Returns whether such rows are kept in periods at all: else they are only deleted one by one.
    async fn begin_period(&self, of: Aging, length: Duration) -> Result<bool>;

    /// Deletes the rows of the oldest period as a whole, when that ended longer than `age` ago. Returns
    /// whether it did. What is still needed stays: jobs that are open or dead, events that nobody could read
    /// yet.
    ///
    /// # Errors
    /// `database_busy` (Unavailable) when somebody uses the rows for long: nobody was made to wait for that.
    async fn end_period(&self, of: Aging, age: Duration) -> Result<bool>;

    /// The same rows, for one caller: [`list_assets`](AssetCatalog::list_assets),
    /// [`list_libraries`](AssetCatalog::list_libraries) and [`SearchIndex`] may then be answered by a
    /// replica. That has reached whatever the caller wrote through such a view, in any process, and
    /// whatever anybody changed of members and libraries; what others wrote may be missing for a while.
    /// None where there are no replicas.
    fn for_caller(&self, principal: &Principal) -> Option<Arc<dyn Catalog>>;

    /// A view of the same rows whose commands record this entry along with what they change: both, or
    /// neither. One that answers that it changed nothing records nothing.
    fn audited(&self, entry: NewAudit) -> Arc<dyn Catalog>;

    /// Ends all connections once the commands under way are done. Later calls fail with `Unavailable`.
    async fn close(&self);
}

/// Rows that are of no use after a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aging {
    /// Finished and cancelled jobs.
    Jobs,
    /// Events.
    Events,
    /// Entries of the audit trail.
    Audit,
}

impl Aging {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Jobs, Self::Events, Self::Audit];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Events => "events",
            Self::Audit => "audit",
        }
    }
}

#[doc(hidden)]
pub mod sealed {
    /// Implemented by our own backends only.
    pub trait Sealed {}
}
