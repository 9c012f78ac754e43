//! The rows: assets, jobs, events, search, identity.
//!
//! Catalogs offer **atomic named commands**, not transactions: a command carries its preconditions,
//! the jobs it queues and the events it emits, and happens as a whole or not at all. Backends may
//! retry commands and commit several as a group. The traits are sealed: they grow with the engine.
//!
//! Unless a method says otherwise, reads answer `None` for what is missing or invisible, and every
//! method fails with `Unavailable` when the backend is away.

mod asset;
mod event;
mod identity;
mod job;
mod search;
mod store;

pub use asset::*;
pub use event::*;
pub use identity::*;
pub use job::*;
pub use search::*;
pub use store::*;

use crate::{Principal, Result, Timestamp};
use async_trait::async_trait;
use std::sync::Arc;

/// Everything the engine keeps in rows, from one backend.
#[async_trait]
pub trait Catalog: AssetCatalog + StoreCatalog + JobCatalog + EventLog + SearchIndex {
    /// Creates or upgrades our tables (all prefixed `medianest_`) under a lock, so that any number of
    /// processes may call it. Never called by the engine: the program decides when.
    ///
    /// # Errors
    /// `schema_too_new` when a later version of this library has been here.
    async fn migrate(&self) -> Result<()>;

    /// Whether the backend answers, and its clock.
    ///
    /// # Errors
    /// `Unavailable`; `schema_outdated` when [`migrate`](Self::migrate) is due; `schema_too_new`.
    async fn check(&self) -> Result<Timestamp>;

    /// The same rows, for one caller: [`list_assets`](AssetCatalog::list_assets),
    /// [`list_libraries`](AssetCatalog::list_libraries) and [`SearchIndex`] may then be answered by a
    /// replica. That has reached whatever the caller wrote through such a view, in any process, and
    /// whatever anybody changed of members and libraries; what others wrote may be missing for a while.
    /// None where there are no replicas.
    fn for_caller(&self, principal: &Principal) -> Option<Arc<dyn Catalog>>;

    /// Ends all connections once the commands under way are done. Later calls fail with `Unavailable`.
    async fn close(&self);
}

#[doc(hidden)]
pub mod sealed {
    /// Implemented by our own backends only.
    pub trait Sealed {}
}
