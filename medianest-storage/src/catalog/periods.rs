//! Rows that go with time lie in periods: in PostgreSQL a partition each (`medianest_jobs_7`), which is made in
//! nobody's way and goes as a whole. Statements name the period of what they write (`PERIOD_OF_…` in
//! [`sql!`](crate::sql!)), so that there is no time without a partition: as long as nobody begins a new period, the
//! present one goes on. Period 0 is the table of before there were any, with open and dead jobs.

use super::events;
use crate::sql::{Conn, Dialect, Query, Row};
use medianest_core::{Result, catalog::Aging};
use std::time::Duration;

/// So long a partition that is to go waits for those who use its table; others wait behind it.
const PATIENCE: Duration = Duration::from_millis(200);

const fn table(of: Aging) -> &'static str {
    match of {
        Aging::Jobs => "medianest_jobs",
        Aging::Events => "medianest_events",
        Aging::Audit => "medianest_audit",
    }
}

/// Whether this database has partitions.
fn has_partitions(conn: &Conn<'_>) -> bool {
    match conn.dialect() {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => false,
        #[cfg(feature = "postgres")]
        Dialect::Postgres => true,
    }
}

/// Begins a period when the present one is so old. An empty partition is attached without a scan, while others read
/// and write.
pub(super) async fn begin(conn: &mut Conn<'_>, of: Aging, length: Duration) -> Result<bool> {
    if !has_partitions(conn) {
        return Ok(false);
    }
    if of == Aging::Jobs {
        bring_back(conn).await?;
    }
    let due = sql!("SELECT max(period) FROM medianest_periods WHERE rows_of = $1 \
                    HAVING max(began_at) + $2 <= " NOW);
    if conn.one(due, args![of.as_str(), length]).await?.is_none() {
        return Ok(true);
    }
    conn.lock("periods").await?;
    // Somebody else may have been quicker.
    let Some(row) = conn.one(due, args![of.as_str(), length]).await? else { return Ok(true) };
    let next = row.value::<i64>()? + 1;
    let mut create = Query::new(conn.dialect(), "CREATE TABLE ");
    create.push(table(of)).push("_").number(next).push(" (LIKE ").push(table(of));
    create.push("_0 INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING STORAGE)");
    create.run(conn).await?;
    let mut attach = Query::new(conn.dialect(), "ALTER TABLE ");
    attach.push(table(of)).push(" ATTACH PARTITION ").push(table(of)).push("_").number(next);
    attach.push(" FOR VALUES IN (").number(next).push(")");
    attach.run(conn).await?;
    conn.run(
        sql!("INSERT INTO medianest_periods (rows_of, period, began_at) VALUES ($1, $2, " NOW ")"),
        args![of.as_str(), next],
    )
    .await?;
    Ok(true)
}

/// Brings jobs that a program without periods has queued again to where those lie that are open: elsewhere nobody
/// looks for them, and they would go with their period.
async fn bring_back(conn: &mut Conn<'_>) -> Result<()> {
    // One by one: each state has its own index.
    for state in ["queued", "running", "dead"] {
        let mut update = Query::new(conn.dialect(), "UPDATE medianest_jobs SET period = 0 WHERE period <> 0");
        update.push(" AND state = '").push(state).push("'");
        update.run(conn).await?;
    }
    Ok(())
}

/// Drops the oldest partition when the period after it began so long ago.
pub(super) async fn end(conn: &mut Conn<'_>, of: Aging, age: Duration) -> Result<bool> {
    if !has_partitions(conn) {
        return Ok(false);
    }
    let over = sql!("SELECT min(p.period) FROM medianest_periods p WHERE p.rows_of = $1 AND p.period > 0 AND EXISTS \
                     (SELECT 1 FROM medianest_periods n WHERE n.rows_of = $1 AND n.period = p.period + 1 \
                     AND n.began_at < " NOW " - $2)");
    let oldest = async |conn: &mut Conn<'_>| -> Result<Option<i64>> {
        let row = conn.one(over, args![of.as_str(), age]).await?;
        row.map_or(Ok(None), |row: Row| row.columns().maybe())
    };
    if oldest(conn).await?.is_none() {
        return Ok(false);
    }
    conn.lock("periods").await?;
    let Some(period) = oldest(conn).await? else { return Ok(false) };
    conn.patience(PATIENCE).await?;
    let mut lock = Query::new(conn.dialect(), "LOCK TABLE ");
    lock.push(table(of)).push(" IN ACCESS EXCLUSIVE MODE");
    lock.run(conn).await?;
    match of {
        Aging::Jobs => bring_back(conn).await?,
        Aging::Events if !events::trim_period(conn, period).await? => return Ok(false),
        Aging::Events | Aging::Audit => {}
    }
    let mut drop = Query::new(conn.dialect(), "DROP TABLE ");
    drop.push(table(of)).push("_").number(period);
    drop.run(conn).await?;
    conn.run("DELETE FROM medianest_periods WHERE rows_of = $1 AND period = $2", args![of.as_str(), period])
        .await?;
    Ok(true)
}
