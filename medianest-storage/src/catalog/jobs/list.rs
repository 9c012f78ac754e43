use super::{
    super::cursor::{Place, page_of, rows_of},
    read,
};
use crate::sql::{Conn, Query};
use medianest_core::{
    Job, JobId, JobKind, JobState, LibraryId, Page, PageRequest, QueueStats, Result, TenantId,
    catalog::JobQuery,
};

const NEWEST: u8 = b'j';

pub(super) async fn get(conn: &mut Conn<'_>, tenant: TenantId, id: JobId) -> Result<Option<Job>> {
    let row =
        conn.one(sql!("SELECT " JOB " FROM medianest_jobs WHERE tenant = $1 AND id = $2"), args![tenant, id]);
    row.await?.as_ref().map(read).transpose()
}

/// The newest job on a library as a whole.
pub(in super::super) async fn last_of_library(
    conn: &mut Conn<'_>,
    library: LibraryId,
) -> Result<Option<Job>> {
    let row = conn.one(
        sql!("SELECT " JOB " FROM medianest_jobs WHERE library_id = $1 ORDER BY id DESC LIMIT 1"),
        args![library],
    );
    row.await?.as_ref().map(read).transpose()
}

pub(super) async fn list(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    filter: &JobQuery,
    page: &PageRequest,
) -> Result<Page<Job>> {
    let mut query = Query::new(conn.dialect(), sql!("SELECT " JOB " FROM medianest_jobs WHERE tenant = "));
    query.bind(tenant);
    if let Some(kind) = filter.kind {
        query.push(" AND kind = ").bind(kind.as_str());
    }
    if let Some(state) = filter.state {
        query.push(" AND state = ").bind(state.as_str());
        if !matches!(state, JobState::Done | JobState::Cancelled) {
            query.push(" AND period = 0");
        }
    }
    if let Some(asset) = filter.asset {
        query.push(" AND asset_id = ").bind(asset);
    }
    if let Some(Place { id, .. }) = Place::<()>::of(page, NEWEST)? {
        query.push(" AND id < ").bind(id);
    }
    query.push(" ORDER BY id DESC").limit(rows_of(page));
    let jobs = query.all(conn).await?.iter().map(read).collect::<Result<Vec<_>>>()?;
    Ok(page_of(jobs, page, |last: &Job| Place { tag: NEWEST, key: (), id: last.id.as_uuid() }))
}

pub(super) async fn expired_leases(conn: &mut Conn<'_>, limit: u32) -> Result<Vec<Job>> {
    let rows = conn.all(
        sql!("SELECT " JOB " FROM medianest_jobs WHERE state = 'running' AND period = 0 AND lease_until <= " NOW
             " ORDER BY lease_until LIMIT $1"),
        args![limit],
    );
    rows.await?.iter().map(read).collect()
}

/// Each count along the index of its state, and not beyond [`QueueStats::COUNTED`]. The oldest is found by a look
/// at each priority: within one, the index has them in the order of their time. In all partitions but one these
/// indexes are empty.
pub(super) async fn stats(conn: &mut Conn<'_>) -> Result<Vec<QueueStats>> {
    let mut stats = Vec::with_capacity(JobKind::ALL.len());
    for kind in JobKind::ALL {
        let row = conn
            .one(
                sql!("WITH RECURSIVE priorities AS (SELECT max(priority) AS priority FROM medianest_jobs \
                      WHERE state = 'queued' AND kind = $1 UNION ALL SELECT (SELECT max(j.priority) \
                      FROM medianest_jobs j WHERE j.state = 'queued' AND j.kind = $1 \
                      AND j.priority < p.priority) FROM priorities p WHERE p.priority IS NOT NULL) \
                      SELECT coalesce((SELECT paused FROM medianest_queues WHERE kind = $1), FALSE), \
                      count(CASE WHEN run_at <= " NOW " THEN 1 END), \
                      count(CASE WHEN run_at > " NOW " THEN 1 END), \
                      (SELECT count(*) FROM (SELECT 1 FROM medianest_jobs \
                      WHERE state = 'running' AND kind = $1 LIMIT $2) AS running), \
                      (SELECT count(*) FROM (SELECT 1 FROM medianest_jobs \
                      WHERE state = 'dead' AND kind = $1 LIMIT $2) AS dead), \
                      " NOW " - (SELECT min(first) FROM (SELECT (SELECT min(j.run_at) FROM medianest_jobs j \
                      WHERE j.state = 'queued' AND j.kind = $1 AND j.priority = p.priority) AS first \
                      FROM priorities p) AS firsts) \
                      FROM (SELECT run_at FROM medianest_jobs WHERE state = 'queued' AND kind = $1 \
                      LIMIT $2) AS waiting"),
                args![kind.as_str(), QueueStats::COUNTED],
            )
            .await?;
        let Some(row) = row else { continue };
        let mut columns = row.columns();
        stats.push(QueueStats {
            kind,
            paused: columns.get()?,
            runnable: columns.get()?,
            delayed: columns.get()?,
            running: columns.get()?,
            dead: columns.get()?,
            oldest_runnable_ms: columns.maybe::<i64>()?.map_or(0, |age| age.max(0).unsigned_abs() / 1000),
        });
    }
    Ok(stats)
}
