use crate::sql::Conn;
use medianest_core::{BlobKey, RenditionId, Result, TenantId, catalog::Purge};

pub(super) async fn begin(conn: &mut Conn<'_>, limit: u32) -> Result<Vec<Purge>> {
    conn.run(
        sql!("UPDATE medianest_blobs SET state = 'purging' WHERE id IN (SELECT id FROM medianest_blobs \
              WHERE state = 'tombstoned' AND purge_after <= " NOW " ORDER BY purge_after LIMIT $1" SKIP_LOCKED ")"),
        args![limit],
    )
    .await?;
    conn.run(
        sql!("UPDATE medianest_renditions SET purging = TRUE WHERE id IN (SELECT id FROM medianest_renditions \
              WHERE state = 'tombstoned' AND purging = FALSE AND purge_after <= " NOW
             " ORDER BY purge_after LIMIT $1" SKIP_LOCKED ")"),
        args![limit],
    )
    .await?;
    // What is returned goes to the back of its row. No more than half of it are blobs, unless there is
    // nothing else: neither is in the way of the other.
    let blobs = conn.all(
        sql!("UPDATE medianest_blobs SET purge_after = " NOW " WHERE id IN (SELECT id FROM medianest_blobs \
              WHERE state = 'purging' ORDER BY purge_after, id LIMIT $1" SKIP_LOCKED ") RETURNING id, store, key"),
        args![limit.div_ceil(2)],
    );
    let mut purges = Vec::new();
    for row in blobs.await? {
        let mut columns = row.columns();
        purges.push(Purge::Blob { id: columns.get()?, store: columns.get()?, key: columns.get()? });
    }
    let renditions = conn.all(
        sql!("UPDATE medianest_renditions SET purge_after = " NOW " WHERE id IN (SELECT id FROM \
              medianest_renditions WHERE state = 'tombstoned' AND purging = TRUE \
              ORDER BY purge_after, id LIMIT $1" SKIP_LOCKED ") RETURNING tenant, id, store"),
        args![limit - u32::try_from(purges.len()).unwrap_or(limit)],
    );
    for row in renditions.await? {
        let mut columns = row.columns();
        let (tenant, id): (TenantId, RenditionId) = (columns.get()?, columns.get()?);
        let (store, folder) = (columns.get()?, BlobKey::rendition(tenant, id));
        purges.push(Purge::Rendition { id, store, folder });
    }
    Ok(purges)
}

pub(super) async fn finish(conn: &mut Conn<'_>, purge: &Purge) -> Result<()> {
    match purge {
        Purge::Blob { id, .. } => {
            conn.run("DELETE FROM medianest_blobs WHERE id = $1 AND state = 'purging'", args![*id]).await
        }
        Purge::Rendition { id, .. } => {
            conn.run("DELETE FROM medianest_renditions WHERE id = $1 AND purging = TRUE", args![*id]).await
        }
        _ => Ok(0),
    }
    .map(drop)
}
