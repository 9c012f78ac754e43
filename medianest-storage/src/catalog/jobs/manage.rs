use super::{super::assets, end, list};
use crate::sql::Conn;
use medianest_core::{AssetState, Error, Job, JobId, JobKind, JobState, Result, TenantId};
use std::time::Duration;

/// A job that nobody else changes until the command is done.
async fn lock(conn: &mut Conn<'_>, tenant: TenantId, id: JobId) -> Result<JobState> {
    let row = conn
        .one(sql!("SELECT state FROM medianest_jobs WHERE tenant = $1 AND id = $2" LOCK), args![tenant, id]);
    row.await?.ok_or_else(|| Error::not_found("job", id))?.columns().word(JobState::parse)
}

pub(super) async fn cancel(conn: &mut Conn<'_>, tenant: TenantId, id: JobId) -> Result<bool> {
    let state = lock(conn, tenant, id).await?;
    end::call_off(conn, &[id]).await?;
    Ok(matches!(state, JobState::Queued | JobState::Running))
}

pub(super) async fn retry(conn: &mut Conn<'_>, tenant: TenantId, id: JobId) -> Result<Job> {
    let not_retryable = |why| Err(Error::conflict("job_not_retryable", why).with("id", id));
    if !matches!(lock(conn, tenant, id).await?, JobState::Dead | JobState::Cancelled) {
        return not_retryable("only a dead or cancelled job can be retried");
    }
    let job = list::get(conn, tenant, id).await?.ok_or_else(|| Error::not_found("job", id))?;
    if let Some(asset) = job.asset_id {
        let Some(state) = assets::lock_asset(conn, asset).await? else {
            return not_retryable("the asset of this job is gone");
        };
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
              finished_at = NULL WHERE id = $1"),
        args![id],
    )
    .await?;
    list::get(conn, tenant, id).await?.ok_or_else(|| Error::not_found("job", id))
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

pub(super) async fn trim(conn: &mut Conn<'_>, age: Duration, limit: u32) -> Result<u64> {
    conn.run(
        sql!("DELETE FROM medianest_jobs WHERE id IN (SELECT id FROM medianest_jobs \
              WHERE state IN ('done', 'cancelled') AND finished_at < " NOW " - $1 \
              ORDER BY finished_at LIMIT $2" SKIP_LOCKED ")"),
        args![age, limit],
    )
    .await
}
