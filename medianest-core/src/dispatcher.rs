//! Handing out work.

use crate::{JobId, JobKind};
use async_trait::async_trait;
use std::fmt;

/// Hands out ids of runnable jobs, nothing more: who has a job is decided by the catalog alone, when a
/// worker [claims](crate::catalog::JobCatalog::claim) what was handed out. So an id may be lost, come
/// twice or be of a job that has ended: nothing is lost or done twice by it.
#[async_trait]
pub trait Dispatcher: fmt::Debug + Send + Sync + 'static {
    /// Up to `limit` ids of jobs of this kind to claim, the most urgent first; none when there is nothing
    /// to do at present. Then a wake-up for [`Topic::Jobs`](crate::Topic::Jobs) follows when there is, and
    /// whoever waits looks again now and then.
    ///
    /// None: the catalog is to choose. So answers also who is away; this never fails, nor takes long.
    async fn next(&self, kind: JobKind, limit: u32) -> Option<Vec<JobId>>;
}

/// Lets the catalog choose.
#[derive(Clone, Copy, Debug, Default)]
pub struct CatalogDispatcher;

#[async_trait]
impl Dispatcher for CatalogDispatcher {
    async fn next(&self, _: JobKind, _: u32) -> Option<Vec<JobId>> {
        None
    }
}
