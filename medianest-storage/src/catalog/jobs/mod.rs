//! The queue.

mod claim;
mod end;
mod fence;
mod list;
mod manage;

pub(super) use end::{call_off_all, call_off_idle, die, finish};
pub(super) use fence::{check_fence, forget_crashes, lock_fence, lock_of};
pub(super) use list::last_of_library;

use super::{Backend, SqlCatalog};
use crate::sql::{Conn, Query, Row, groups};
use async_trait::async_trait;
use futures::FutureExt;
use medianest_core::{
    Error, Fence, Job, JobId, JobKind, JobState, NewJob, Page, PageRequest, QueueStats, Result, Runnable,
    TenantId,
    catalog::{Claim, FailedAttempt, JobCatalog, JobQuery, SettledEvents},
};
use std::time::Duration;

#[async_trait]
impl<B: Backend> JobCatalog for SqlCatalog<B> {
    async fn enqueue(&self, jobs: &[NewJob]) -> Result<()> {
        self.write(jobs.to_vec(), |c, jobs| insert(c, jobs).boxed()).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<Job>> {
        self.write_alone(claim.clone(), |c, claim| claim::claim(c, claim).boxed()).await
    }

    async fn runnable(&self, kind: JobKind, limit: u32) -> Result<Vec<Runnable>> {
        self.read((kind, limit), |c, (kind, limit)| claim::runnable(c, *kind, *limit).boxed()).await
    }

    async fn heartbeat(&self, fence: &Fence, progress: f32, lease: Duration) -> Result<bool> {
        self.write_alone((*fence, progress, lease), |c, (fence, progress, lease)| {
            fence::heartbeat(c, fence, *progress, *lease).boxed()
        })
        .await
    }

    async fn complete(&self, fence: &Fence) -> Result<()> {
        self.write(*fence, |c, fence| end::finish(c, fence).boxed()).await
    }

    async fn complete_many(&self, fences: &[Fence]) -> Result<Vec<Fence>> {
        self.write(fences.to_vec(), |c, fences| end::finish_many(c, fences).boxed()).await
    }

    async fn fail(&self, fence: &Fence, failed: FailedAttempt) -> Result<()> {
        self.write((*fence, failed), |c, (fence, failed)| end::fail(c, fence, failed).boxed()).await
    }

    async fn release(&self, fence: &Fence) -> Result<()> {
        self.write(*fence, |c, fence| end::release(c, fence).boxed()).await
    }

    async fn end_cancelled(&self, fence: &Fence) -> Result<()> {
        self.write(*fence, |c, fence| end::end_cancelled(c, fence).boxed()).await
    }

    async fn expired_leases(&self, limit: u32) -> Result<Vec<Job>> {
        self.read(limit, |c, limit| list::expired_leases(c, *limit).boxed()).await
    }

    async fn cancel(&self, tenant: TenantId, id: JobId, told: Option<SettledEvents>) -> Result<bool> {
        self.write((tenant, id, told), |c, (tenant, id, told)| {
            manage::cancel(c, *tenant, *id, told.as_ref()).boxed()
        })
        .await
    }

    async fn retry(&self, tenant: TenantId, id: JobId) -> Result<Job> {
        self.write((tenant, id), |c, (tenant, id)| manage::retry(c, *tenant, *id).boxed()).await
    }

    async fn get_job(&self, tenant: TenantId, id: JobId) -> Result<Option<Job>> {
        self.read((tenant, id), |c, (tenant, id)| list::get(c, *tenant, *id).boxed()).await
    }

    async fn list_jobs(&self, tenant: TenantId, query: &JobQuery, page: &PageRequest) -> Result<Page<Job>> {
        self.read((tenant, query.clone(), page.clone()), |c, (tenant, query, page)| {
            list::list(c, *tenant, query, page).boxed()
        })
        .await
    }

    async fn queue_stats(&self) -> Result<Vec<QueueStats>> {
        self.read((), |c, ()| list::stats(c).boxed()).await
    }

    async fn set_paused(&self, kind: JobKind, paused: bool) -> Result<()> {
        self.write((kind, paused), |c, (kind, paused)| manage::set_paused(c, *kind, *paused).boxed()).await
    }

    async fn trim_jobs(&self, age: Duration, limit: u32) -> Result<u64> {
        self.write((age, limit), |c, (age, limit)| manage::trim(c, *age, *limit).boxed()).await
    }
}

fn read(row: &Row) -> Result<Job> {
    let mut columns = row.columns();
    Ok(Job {
        id: columns.get()?,
        tenant: columns.get()?,
        kind: columns.word(JobKind::parse)?,
        asset_id: columns.maybe()?,
        library_id: columns.maybe()?,
        payload: columns.json()?,
        state: columns.word(JobState::parse)?,
        priority: columns.get()?,
        attempt: columns.get()?,
        failures: columns.get()?,
        crashes: columns.get()?,
        run_at: columns.get()?,
        lease_until: columns.maybe()?,
        worker: columns.maybe()?,
        #[expect(clippy::cast_possible_truncation, reason = "a progress needs no more precision")]
        progress: columns.get::<f64>()? as f32,
        failure: columns.failure()?,
        created_at: columns.get()?,
        finished_at: columns.maybe()?,
    })
}

/// Queues jobs; one whose id is there already is left as it is.
pub(super) async fn insert(conn: &mut Conn<'_>, jobs: &[NewJob]) -> Result<()> {
    let mut rows = Vec::with_capacity(jobs.len());
    for job in jobs {
        let payload = serde_json::to_string(&job.payload)
            .map_err(|source| Error::internal("cannot write JSON").caused_by(source))?;
        rows.push(args![
            job.id,
            job.tenant,
            job.kind.as_str(),
            job.asset_id,
            job.library_id,
            payload,
            job.priority,
            job.run_at
        ]);
    }
    for group in groups(rows) {
        let mut query = Query::new(
            conn.dialect(),
            "INSERT INTO medianest_jobs (id, tenant, kind, asset_id, library_id, payload, priority, run_at, \
             created_at, state, attempt, failures, crashes, progress, called_off) SELECT * FROM (VALUES ",
        );
        query.rows(
            sql!("$, $, $, $, $, $, $, coalesce($, " NOW "), " NOW ", 'queued', 0, 0, 0, 0, FALSE"),
            group,
        );
        // Ids are unique within a partition; one that has ended lies in another.
        query.push(
            ") AS fresh WHERE NOT EXISTS (SELECT 1 FROM medianest_jobs j WHERE j.id = fresh.column1) \
             ON CONFLICT DO NOTHING",
        );
        query.run(conn).await?;
    }
    Ok(())
}
