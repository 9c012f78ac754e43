//! What a migration of PostgreSQL consists of: steps, each begun by a line `-- step`.
//!
//! Each is a transaction of its own, which waits for locks only briefly, and tries again, so that those who come after
//! it do not wait either. A step that begins with `-- step: outside` is one statement outside of any transaction: a
//! `CREATE INDEX CONCURRENTLY IF NOT EXISTS`, or a `DO` that goes through the rows of a table and commits now and then. A
//! migration that was interrupted begins anew: all its steps but the last can be run twice. The last is committed along
//! with the note that the migration was applied.
//!
//! In SQLite, where nobody works beside, all migrations are one transaction.

use super::{Migration, record};
use crate::sql::{Conn, Query};
use medianest_core::{Error, Result};
use std::time::Duration;

/// So long a step waits for a lock.
const PATIENCE: Duration = Duration::from_secs(1);
/// So long those go on that stood in its way, and behind it.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a step asks for its locks.
const ATTEMPTS: u32 = 60;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) outside: bool,
    pub(super) sql: &'static str,
}

pub(super) fn steps(script: &'static str) -> Vec<Step> {
    let mut steps = vec![Step { outside: false, sql: script }];
    while let Some(last) = steps.last_mut()
        && let Some((sql, rest)) = last.sql.split_once("\n-- step")
    {
        last.sql = sql;
        let (heading, sql) = rest.split_once('\n').unwrap_or((rest, ""));
        steps.push(Step { outside: heading == ": outside", sql });
    }
    steps
}

/// Applies a migration, and notes that it was.
pub(super) async fn apply(conn: &mut Conn<'_>, migration: &Migration) -> Result<()> {
    let mut steps = steps(migration.script().of(conn.dialect()));
    let last = steps.pop_if(|last| !last.outside).map_or("", |last| last.sql);
    for step in steps {
        match step.outside {
            true if step.sql.starts_with("DO ") => conn.script(step.sql).await?,
            true => build_index(conn, step.sql).await?,
            false => transact(conn, step.sql, None).await?,
        }
    }
    transact(conn, last, Some(migration)).await
}

async fn transact(conn: &mut Conn<'_>, sql: &'static str, applied: Option<&Migration>) -> Result<()> {
    let mut attempt = 1;
    loop {
        conn.begin().await?;
        match run(conn, sql, applied).await {
            Err(error) if error.code() == "database_busy" && attempt < ATTEMPTS => conn.rollback().await?,
            Err(error) => {
                // Fails when the connection is gone, and the transaction with it.
                let _ = conn.rollback().await;
                return Err(error);
            }
            Ok(()) => return conn.commit().await,
        }
        attempt += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn run(conn: &mut Conn<'_>, sql: &'static str, applied: Option<&Migration>) -> Result<()> {
    conn.patience(PATIENCE).await?;
    conn.script(sql).await?;
    match applied {
        Some(migration) => record(conn, migration).await,
        None => Ok(()),
    }
}

/// Whoever dies while an index is made leaves one that is not used: it is dropped, and made anew.
async fn build_index(conn: &mut Conn<'_>, sql: &'static str) -> Result<()> {
    let name = sql.split_once("IF NOT EXISTS ").and_then(|(_, rest)| rest.split_whitespace().next());
    let name = name.ok_or_else(|| Error::internal("a step outside of transactions makes an index"))?;
    let invalid = "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid";
    if conn.one(invalid, args![name]).await?.is_some() {
        let mut drop = Query::new(conn.dialect(), "DROP INDEX CONCURRENTLY ");
        drop.push(name);
        drop.run(conn).await?;
    }
    conn.script(sql).await
}
