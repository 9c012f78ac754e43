use super::{
    super::{events, jobs, search},
    asset, rendition,
};
use crate::sql::Conn;
use medianest_core::{Asset, AssetId, BlobId, NewEvent, Result, TenantId};
use std::time::Duration;

pub(super) async fn list(conn: &mut Conn<'_>, retention: Duration, limit: u32) -> Result<Vec<Asset>> {
    let staged = conn
        .all(
            sql!("SELECT " ASSET ASSETS " WHERE a.expires_at <= " NOW " ORDER BY a.expires_at LIMIT $1"),
            args![limit],
        )
        .await?;
    let trashed = conn
        .all(
            sql!("SELECT " ASSET ASSETS " WHERE a.trashed_at <= " NOW " - $2 \
                  ORDER BY a.trashed_at LIMIT $1"),
            args![limit, retention],
        )
        .await?;
    let mut assets = staged.iter().chain(&trashed).map(asset::read).collect::<Result<Vec<_>>>()?;
    assets.sort_by_key(|asset| (over_since(asset), asset.id));
    assets.dedup_by_key(|asset| asset.id);
    assets.truncate(limit as usize);
    Ok(assets)
}

/// What an expired asset is ordered by.
fn over_since(asset: &Asset) -> Option<medianest_core::Timestamp> {
    asset.expires_at.into_iter().chain(asset.trashed_at).min()
}

pub(super) async fn delete(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: AssetId,
    only_expired: Option<Duration>,
    retention: Duration,
    event: &NewEvent,
) -> Result<bool> {
    // Jobs first, then the asset: the order that all commands lock in.
    jobs::lock_of(conn, id).await?;
    let found = conn
        .one(
            sql!("SELECT blob_id, expires_at IS NOT NULL AND expires_at <= " NOW
                 " OR trashed_at IS NOT NULL AND trashed_at <= " NOW " - $3 \
                  FROM medianest_assets WHERE tenant = $1 AND id = $2" LOCK),
            args![tenant, id, only_expired.unwrap_or_default()],
        )
        .await?;
    let Some(row) = found else { return Ok(false) };
    let mut columns = row.columns();
    let (blob, expired): (BlobId, bool) = (columns.get()?, columns.get()?);
    if only_expired.is_some() && !expired {
        return Ok(false);
    }
    jobs::call_off_all(conn, id).await?;
    rendition::tombstone_all(conn, id, retention).await?;
    search::forget(conn, id).await?;
    conn.run("DELETE FROM medianest_assets WHERE id = $1", args![id]).await?;
    tombstone(conn, blob, retention).await?;
    events::emit(conn, std::slice::from_ref(event)).await?;
    Ok(true)
}

/// Tombstones a blob unless an asset stands on it. Whoever links to it locks its row too: only then
/// it is sure who stands on it.
pub(in super::super) async fn tombstone(
    conn: &mut Conn<'_>,
    blob: BlobId,
    retention: Duration,
) -> Result<()> {
    conn.one(sql!("SELECT 1 FROM medianest_blobs WHERE id = $1" LOCK), args![blob]).await?;
    conn.run(
        sql!("UPDATE medianest_blobs SET state = 'tombstoned', purge_after = " NOW " + $2 \
              WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM medianest_assets WHERE blob_id = $1)"),
        args![blob, retention],
    )
    .await
    .map(drop)
}
