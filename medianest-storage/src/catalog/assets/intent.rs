use crate::sql::{Conn, Row};
use medianest_core::{Blob, Error, ErrorKind, IntentId, Result, TenantId, catalog::Intent};
use std::time::Duration;

/// The error of a writer whose intent was taken over or never was.
fn expired(id: IntentId) -> Error {
    Error::new(ErrorKind::Gone, "intent_expired", "the upload took too long and was given up; start again")
        .with("id", id)
}

pub(super) async fn open(conn: &mut Conn<'_>, intent: &Intent, ttl: Duration) -> Result<()> {
    conn.run(
        sql!("INSERT INTO medianest_intents (id, tenant, key, taken, expires_at, store) \
              VALUES ($1, $2, $3, FALSE, " NOW " + $4, $5)"),
        args![intent.id, intent.tenant, &intent.key, ttl, &intent.store],
    )
    .await
    .map(drop)
}

pub(super) async fn extend(conn: &mut Conn<'_>, id: IntentId, ttl: Duration) -> Result<()> {
    let extended = conn.run(
        sql!("UPDATE medianest_intents SET expires_at = " { "max" | "greatest" } "(expires_at, " NOW " + $2) \
              WHERE id = $1 AND NOT taken"),
        args![id, ttl],
    );
    if extended.await? == 0 { Err(expired(id)) } else { Ok(()) }
}

pub(in super::super) async fn close(conn: &mut Conn<'_>, id: IntentId) -> Result<()> {
    conn.run("DELETE FROM medianest_intents WHERE id = $1", args![id]).await.map(drop)
}

pub(super) async fn take(conn: &mut Conn<'_>, id: IntentId, ttl: Duration) -> Result<Option<Intent>> {
    let taken = conn.one(
        sql!("UPDATE medianest_intents SET taken = TRUE, expires_at = " NOW " + $2 WHERE id = $1 AND NOT taken \
              RETURNING id, tenant, store, key"),
        args![id, ttl],
    );
    taken.await?.as_ref().map(read).transpose()
}

pub(super) async fn take_expired(conn: &mut Conn<'_>, limit: u32, ttl: Duration) -> Result<Vec<Intent>> {
    let rows = conn
        .all(
            sql!("WITH picked AS MATERIALIZED (SELECT id AS picked FROM medianest_intents \
                  WHERE expires_at <= " NOW " ORDER BY expires_at LIMIT $1" SKIP_LOCKED ") \
                  UPDATE medianest_intents SET taken = TRUE, expires_at = " NOW " + $2 \
                  FROM picked WHERE id = picked RETURNING id, tenant, store, key"),
            args![limit, ttl],
        )
        .await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Intent> {
    let mut columns = row.columns();
    let (id, tenant, store) = (columns.get()?, columns.get()?, columns.get()?);
    Ok(Intent { id, tenant, store, key: columns.get()? })
}

/// Keeps an intent from being taken over until the command is done.
///
/// # Errors
/// `intent_expired`.
pub(in super::super) async fn lock(conn: &mut Conn<'_>, tenant: TenantId, id: IntentId) -> Result<()> {
    let found = conn.one(
        sql!("SELECT 1 FROM medianest_intents WHERE id = $1 AND tenant = $2 AND NOT taken" LOCK),
        args![id, tenant],
    );
    found.await?.map(drop).ok_or_else(|| expired(id))
}

/// Exchanges the bytes of a blob, which are lost, for those of an intent.
pub(super) async fn repair(conn: &mut Conn<'_>, intent: &Intent, lost: &Blob) -> Result<bool> {
    lock(conn, intent.tenant, intent.id).await?;
    let repaired = conn.run(
        "UPDATE medianest_blobs SET key = $4 WHERE id = $1 AND tenant = $2 AND key = $3 AND store = $5 \
         AND state <> 'purging'",
        args![lost.id, intent.tenant, &lost.key, &intent.key, &intent.store],
    );
    if repaired.await? == 0 {
        return Ok(false);
    }
    conn.run("UPDATE medianest_intents SET key = $2 WHERE id = $1", args![intent.id, &lost.key]).await?;
    Ok(true)
}
