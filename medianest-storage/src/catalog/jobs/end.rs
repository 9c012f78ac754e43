use super::{super::assets, super::events, fence::lock_fence};
use crate::sql::{Conn, Query, Row, groups};
use medianest_core::{
    AssetId, AssetState, Error, Failure, Fence, JobId, NewEvent, Result,
    catalog::{AfterFailure, Counted, FailedAttempt},
};
use std::collections::HashSet;

/// Ends a job as done, or as cancelled when it was called off meanwhile.
pub(in super::super) async fn finish(conn: &mut Conn<'_>, fence: &Fence) -> Result<()> {
    end(conn, fence, "done").await
}

pub(super) async fn end_cancelled(conn: &mut Conn<'_>, fence: &Fence) -> Result<()> {
    end(conn, fence, "cancelled").await
}

async fn end(conn: &mut Conn<'_>, fence: &Fence, state: &str) -> Result<()> {
    let ended = conn.run(
        sql!("UPDATE medianest_jobs SET finished_at = " NOW ", lease_until = NULL, worker = NULL, \
              state = CASE WHEN $3 = 'done' AND called_off THEN 'cancelled' ELSE $3 END, \
              progress = CASE WHEN $3 = 'done' AND NOT called_off THEN 1 ELSE progress END, \
              period = CASE WHEN $3 = 'dead' THEN 0 ELSE " PERIOD_OF_JOBS " END \
              WHERE id = $1 AND attempt = $2 AND state = 'running' AND period = 0"),
        args![fence.job, fence.attempt, state],
    );
    if ended.await? == 0 { Err(Error::fenced()) } else { Ok(()) }
}

/// Ends a job as given up.
pub(in super::super) async fn die(conn: &mut Conn<'_>, fence: &Fence, failure: &Failure) -> Result<()> {
    conn.run(
        "UPDATE medianest_jobs SET failure_code = $2, failure_message = $3 WHERE id = $1",
        args![fence.job, &failure.code, &failure.message],
    )
    .await?;
    end(conn, fence, "dead").await
}

pub(super) async fn finish_many(conn: &mut Conn<'_>, fences: &[Fence]) -> Result<Vec<Fence>> {
    // In the order of ids, in which others lock them too.
    let mut sorted = fences.to_vec();
    sorted.sort_unstable_by_key(|fence| (fence.job, fence.attempt));
    sorted.dedup();
    let mut ended: HashSet<(JobId, u32)> = HashSet::with_capacity(sorted.len());
    let rows = sorted.iter().map(|fence| args![fence.job, fence.attempt]).collect();
    for group in groups(rows) {
        let mut query = Query::new(conn.dialect(), "WITH fences (job, token) AS (VALUES ");
        query.rows("$, $", group).push(sql!(
            ") UPDATE medianest_jobs SET finished_at = " NOW ", lease_until = NULL, worker = NULL, \
             state = CASE WHEN called_off THEN 'cancelled' ELSE 'done' END, \
             progress = CASE WHEN called_off THEN progress ELSE 1 END, period = " PERIOD_OF_JOBS " FROM fences \
             WHERE id = job AND attempt = token AND state = 'running' AND period = 0 RETURNING id, attempt"
        ));
        for row in query.all(conn).await? {
            let mut columns = row.columns();
            ended.insert((columns.get()?, columns.get()?));
        }
    }
    Ok(fences.iter().copied().filter(|fence| !ended.contains(&(fence.job, fence.attempt))).collect())
}

pub(super) async fn release(conn: &mut Conn<'_>, fence: &Fence) -> Result<()> {
    if lock_fence(conn, fence).await?.called_off {
        return end_cancelled(conn, fence).await;
    }
    conn.run(
        "UPDATE medianest_jobs SET state = 'queued', lease_until = NULL, worker = NULL \
         WHERE id = $1 AND period = 0",
        args![fence.job],
    )
    .await
    .map(drop)
}

pub(super) async fn fail(conn: &mut Conn<'_>, fence: &Fence, failed: &FailedAttempt) -> Result<()> {
    let job = lock_fence(conn, fence).await?;
    if failed.only_expired && !job.expired {
        return Err(Error::fenced());
    }
    let failure = &failed.failure;
    let (failures, crashes) = match failed.counted {
        Counted::Failure => (1, 0),
        Counted::Crash => (0, 1),
        Counted::Nothing => (0, 0),
    };
    conn.run(
        "UPDATE medianest_jobs SET failure_code = $2, failure_message = $3, failures = failures + $4, \
         crashes = crashes + $5 WHERE id = $1 AND period = 0",
        args![fence.job, &failure.code, &failure.message, failures, crashes],
    )
    .await?;
    match &failed.next {
        AfterFailure::RetryAfter(_) if job.called_off => end_cancelled(conn, fence).await,
        AfterFailure::RetryAfter(delay) => conn
            .run(
                sql!("UPDATE medianest_jobs SET state = 'queued', run_at = " NOW " + $2, lease_until = NULL, \
                      worker = NULL WHERE id = $1 AND period = 0"),
                args![fence.job, *delay],
            )
            .await
            .map(drop),
        AfterFailure::GiveUp { asset, event } => {
            end(conn, fence, "dead").await?;
            give_up(conn, fence.job, job.asset_id, *asset, failure, event.as_ref()).await
        }
    }
}

/// The renditions of a dead job fail, and its asset unless that is settled.
async fn give_up(
    conn: &mut Conn<'_>,
    job: JobId,
    asset: Option<AssetId>,
    state: AssetState,
    failure: &Failure,
    event: Option<&NewEvent>,
) -> Result<()> {
    let present = match asset {
        Some(asset) => assets::lock_asset(conn, asset).await?,
        None => None,
    };
    fail_renditions(conn, job, failure).await?;
    if let (Some(asset), Some(present)) = (asset, present)
        && !present.is_settled()
    {
        assets::set_state(conn, asset, state, Some(failure), event.map(|event| event.at)).await?;
        events::emit(conn, event.map(std::slice::from_ref).unwrap_or_default()).await?;
    }
    Ok(())
}

/// What a job had still to make comes to nothing.
pub(super) async fn fail_renditions(conn: &mut Conn<'_>, job: JobId, failure: &Failure) -> Result<()> {
    conn.run(
        "UPDATE medianest_renditions SET state = 'failed', failure_code = $2, failure_message = $3 \
         WHERE job_id = $1 AND state = 'pending'",
        args![job, &failure.code, &failure.message],
    )
    .await
    .map(drop)
}

/// Calls off all jobs of an asset: queued ones at once, running ones at their next heartbeat.
pub(in super::super) async fn call_off_all(conn: &mut Conn<'_>, asset: AssetId) -> Result<()> {
    let rows = conn.all(
        "SELECT id FROM medianest_jobs WHERE asset_id = $1 AND state IN ('queued', 'running') \
         AND period = 0",
        args![asset],
    );
    let jobs = rows.await?.iter().map(Row::value).collect::<Result<Vec<_>>>()?;
    call_off(conn, &jobs).await
}

/// Calls off those jobs whose renditions are all replaced.
pub(in super::super) async fn call_off_idle(conn: &mut Conn<'_>, jobs: &[JobId]) -> Result<()> {
    let rows = conn.all(
        sql!("SELECT id FROM medianest_jobs WHERE id" (any "$1") " AND NOT EXISTS (SELECT 1 FROM \
              medianest_renditions r WHERE r.job_id = medianest_jobs.id AND r.state = 'pending')"),
        vec![jobs.iter().copied().collect()],
    );
    let idle = rows.await?.iter().map(Row::value).collect::<Result<Vec<_>>>()?;
    call_off(conn, &idle).await
}

pub(super) async fn call_off(conn: &mut Conn<'_>, jobs: &[JobId]) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    conn.run(
        sql!("UPDATE medianest_jobs SET called_off = TRUE, \
              finished_at = CASE state WHEN 'queued' THEN " NOW " END, \
              period = CASE state WHEN 'queued' THEN " PERIOD_OF_JOBS " ELSE 0 END, \
              state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END \
              WHERE id" (any "$1") " AND state IN ('queued', 'running') AND period = 0"),
        vec![jobs.iter().copied().collect()],
    )
    .await
    .map(drop)
}
