use super::{
    super::{assets, events, stores},
    end, list,
};
use crate::sql::{Conn, Query, Row};
use medianest_core::{
    AssetId, AssetState, Error, Failure, Job, JobId, JobKind, JobState, Result, TenantId,
    catalog::SettledEvents,
};
use std::time::Duration;

/// A job that nobody else changes until the command is done.
async fn lock(conn: &mut Conn<'_>, tenant: TenantId, id: JobId) -> Result<JobState> {
    let row = conn
        .one(sql!("SELECT state FROM medianest_jobs WHERE tenant = $1 AND id = $2" LOCK), args![tenant, id]);
    row.await?.ok_or_else(|| Error::not_found("job", id))?.columns().word(JobState::parse)
}

pub(super) async fn cancel(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: JobId,
    told: Option<&SettledEvents>,
) -> Result<bool> {
    if !matches!(lock(conn, tenant, id).await?, JobState::Queued | JobState::Running) {
        return Ok(false);
    }
    end::call_off(conn, &[id]).await?;
    let job = list::get(conn, tenant, id).await?.ok_or_else(|| Error::not_found("job", id))?;
    if let (Some(asset), Some(told)) = (job.asset_id, told) {
        give_up(conn, &job, asset, told).await?;
    }
    Ok(true)
}

/// What a job that is called off was to make fails, and its asset with that.
async fn give_up(conn: &mut Conn<'_>, job: &Job, asset: AssetId, told: &SettledEvents) -> Result<()> {
    let Some(state) = assets::lock_asset(conn, asset).await? else { return Ok(()) };
    let (failure, at) = (Failure::new("cancelled", "the job was called off"), told.failed.at);
    match job.kind {
        JobKind::Understand if state.is_settled() => Ok(()),
        JobKind::Understand => {
            assets::set_state(conn, asset, AssetState::Failed, Some(&failure), Some(at)).await?;
            events::emit(conn, std::slice::from_ref(&told.failed)).await
        }
        _ => {
            end::fail_renditions(conn, job.id, &failure).await?;
            assets::settle(conn, asset, state, at, told).await.map(drop)
        }
    }
}

pub(super) async fn retry(conn: &mut Conn<'_>, tenant: TenantId, id: JobId) -> Result<Job> {
    let not_retryable = |why| Err(Error::conflict("job_not_retryable", why).with("id", id));
    if !matches!(lock(conn, tenant, id).await?, JobState::Dead | JobState::Cancelled) {
        return not_retryable("only a dead or cancelled job can be retried");
    }
    let job = list::get(conn, tenant, id).await?.ok_or_else(|| Error::not_found("job", id))?;
    if let Some(library) = job.library_id {
        assets::lock_library(conn, tenant, library).await?;
        if stores::is_moving(conn, library).await? {
            return not_retryable("another job is at it already");
        }
    }
    if let Some(asset) = job.asset_id {
        let Some(state) = assets::lock_asset(conn, asset).await? else {
            return not_retryable("the asset of this job is gone");
        };
        if job.kind != JobKind::Understand && !has_work(conn, id).await? {
            return not_retryable("all that this job was to make has been replaced");
        }
        if !matches!(state, AssetState::Ready | AssetState::Processing) {
            assets::set_state(conn, asset, AssetState::Processing, None, None).await?;
        }
    }
    conn.run(
        "UPDATE medianest_renditions SET state = 'pending', failure_code = NULL, failure_message = NULL \
         WHERE job_id = $1 AND state = 'failed'",
        args![id],
    )
    .await?;
    // The attempt stays: it is a fencing token, and never comes twice.
    conn.run(
        sql!("UPDATE medianest_jobs SET state = 'queued', failures = 0, crashes = 0, progress = 0, \
              run_at = " NOW ", called_off = FALSE, failure_code = NULL, failure_message = NULL, \
              finished_at = NULL, period = 0 WHERE id = $1"),
        args![id],
    )
    .await?;
    list::get(conn, tenant, id).await?.ok_or_else(|| Error::not_found("job", id))
}

/// Whether a job has renditions that it has not made.
async fn has_work(conn: &mut Conn<'_>, job: JobId) -> Result<bool> {
    let left = conn.one(
        "SELECT 1 FROM medianest_renditions WHERE job_id = $1 AND state IN ('pending', 'failed') LIMIT 1",
        args![job],
    );
    Ok(left.await?.is_some())
}

pub(super) async fn set_paused(conn: &mut Conn<'_>, kind: JobKind, paused: bool) -> Result<()> {
    conn.run(
        "INSERT INTO medianest_queues (kind, paused) VALUES ($1, $2) \
         ON CONFLICT (kind) DO UPDATE SET paused = excluded.paused",
        args![kind.as_str(), paused],
    )
    .await
    .map(drop)
}

/// In two statements: as one, PostgreSQL looks through all jobs for those that were picked.
pub(super) async fn trim(conn: &mut Conn<'_>, age: Duration, limit: u32) -> Result<u64> {
    let mut query = Query::new(
        conn.dialect(),
        sql!("SELECT id FROM medianest_jobs WHERE state IN ('done', 'cancelled') AND finished_at < " NOW " - "),
    );
    query.bind(age).push(" ORDER BY finished_at").limit(limit).push(sql!(SKIP_LOCKED));
    let ended = query.all(conn).await?.iter().map(Row::value::<JobId>).collect::<Result<Vec<_>>>()?;
    conn.run(sql!("DELETE FROM medianest_jobs WHERE id" (any "$1")), vec![ended.into_iter().collect()]).await
}
