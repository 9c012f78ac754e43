use super::read;
use crate::sql::{Conn, Query, Row};
use medianest_core::{Job, JobKind, Result, Runnable, catalog::Claim};
use std::cmp::Reverse;

/// Takes the first runnable jobs of each kind, and of these the first. Jobs that another worker is just
/// taking are passed over.
pub(super) async fn claim(conn: &mut Conn<'_>, claim: &Claim) -> Result<Vec<Job>> {
    if claim.kinds.is_empty() || claim.limit == 0 {
        return Ok(Vec::new());
    }
    let mut kinds = claim.kinds.clone();
    kinds.sort_unstable();
    kinds.dedup();

    let mut query = Query::new(conn.dialect(), "WITH picked AS MATERIALIZED (SELECT picked FROM (");
    for (index, kind) in kinds.iter().enumerate() {
        query.push(if index == 0 { "" } else { " UNION ALL " }).push("SELECT * FROM (");
        of_kind(&mut query, *kind);
        if let Some(ids) = &claim.ids {
            query.push(" AND j.id").any(ids.iter().copied().collect());
        }
        query.push(ORDER).limit(claim.limit).push(sql!(SKIP_LOCKED)).push(") AS runnable");
    }
    query.push(") AS runnable ORDER BY priority DESC, run_at, picked").limit(claim.limit);
    query
        .push(sql!(") UPDATE medianest_jobs SET state = 'running', attempt = attempt + 1, progress = 0, \
                    called_off = FALSE, lease_until = " NOW " + "))
        .bind(claim.lease)
        .push(", worker = ")
        .bind(&claim.worker)
        .push(sql!(" FROM picked WHERE id = picked AND period = 0 RETURNING " JOB));
    let rows = query.all(conn).await?;
    let mut jobs = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    jobs.sort_by_key(|job| (Reverse(job.priority), job.run_at, job.id));
    Ok(jobs)
}

const ORDER: &str = " ORDER BY j.priority DESC, j.run_at, j.id";

fn of_kind(query: &mut Query, kind: JobKind) {
    query
        .push(
            "SELECT j.id AS picked, j.priority, j.run_at FROM medianest_jobs j \
               WHERE j.state = 'queued' AND j.period = 0 AND j.kind = ",
        )
        .bind(kind.as_str())
        .push(sql!(" AND j.run_at <= " NOW))
        // Not joined, so that the walk along the index stays one.
        .push(" AND NOT coalesce((SELECT q.paused FROM medianest_queues q WHERE q.kind = ")
        .bind(kind.as_str())
        .push("), FALSE)");
}

/// The first that could be taken.
pub(super) async fn runnable(conn: &mut Conn<'_>, kind: JobKind, limit: u32) -> Result<Vec<Runnable>> {
    let mut query = Query::new(conn.dialect(), "");
    of_kind(&mut query, kind);
    query.push(ORDER).limit(limit);
    let read = |row: &Row| {
        let mut columns = row.columns();
        Ok(Runnable { id: columns.get()?, priority: columns.get()?, run_at: columns.get()? })
    };
    query.all(conn).await?.iter().map(read).collect()
}
