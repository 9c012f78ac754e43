//! The commands of a mover.

use super::super::{assets, events, jobs};
use crate::sql::{Columns, Conn, Query};
use medianest_core::{
    AssetId, Blob, BlobId, BlobKey, Error, ErrorKind, Fence, LibraryId, Rendition, Result, Sha256, StoreName,
    TenantId,
    catalog::{Elsewhere, FinishedMove, Move, MovedOriginal, MovedRendition, Stray},
};
use std::collections::HashMap;

pub(super) async fn begin(conn: &mut Conn<'_>, fence: &Fence) -> Result<Option<Move>> {
    let job = jobs::check_fence(conn, fence).await?;
    let Some(library) = job.library_id else { return Ok(None) };
    let row = conn.one(
        "SELECT store, strays, (SELECT count(*) FROM medianest_assets WHERE library_id = $2) \
         FROM medianest_libraries WHERE tenant = $1 AND id = $2",
        args![job.tenant, library],
    );
    let Some(row) = row.await? else { return Ok(None) };
    let mut columns = row.columns();
    let (store, strays, assets) = (columns.get()?, columns.get()?, columns.get()?);
    Ok(Some(Move { tenant: job.tenant, library, store, strays, assets }))
}

fn read_blob(columns: &mut Columns<'_>) -> Result<Blob> {
    Ok(Blob {
        id: columns.get()?,
        store: columns.get()?,
        key: columns.get()?,
        size: columns.get()?,
        sha256: columns.get()?,
        content_type: columns.get()?,
    })
}

pub(super) async fn elsewhere(
    conn: &mut Conn<'_>,
    library: LibraryId,
    store: &StoreName,
    after: u64,
    limit: u32,
) -> Result<Elsewhere> {
    // Each asset of the page is looked at, whatever is found: a page costs the same, be all moved or nothing.
    let mut query = Query::new(conn.dialect(), "WITH page AS MATERIALIZED (SELECT seq, id, blob_id FROM ");
    query.push("medianest_assets WHERE library_id = ").bind(library).push(" AND seq > ").bind(after);
    query.push(" ORDER BY seq").limit(limit);
    query.push(sql!(
        ") SELECT page.seq, page.id, " BLOB " FROM page JOIN medianest_blobs b ON b.id = page.blob_id \
         ORDER BY page.seq"
    ));
    let rows = query.all(conn).await?;
    let mut page = Elsewhere { seen: rows.len() as u64, ..Elsewhere::default() };
    let mut assets = Vec::with_capacity(rows.len());
    for row in rows {
        let mut columns = row.columns();
        let (seq, asset): (u64, AssetId) = (columns.get()?, columns.get()?);
        let blob = read_blob(&mut columns)?;
        assets.push((asset, Some(blob).filter(|blob| blob.store != *store)));
        page.next = Some(seq).filter(|_| assets.len() == limit as usize);
    }
    let ids: Vec<AssetId> = assets.iter().map(|(asset, _)| *asset).collect();
    let mut renditions: HashMap<AssetId, Vec<Rendition>> = HashMap::new();
    for rendition in assets::ready_elsewhere(conn, &ids, store).await? {
        renditions.entry(rendition.asset_id).or_default().push(rendition);
    }
    for (asset, original) in assets {
        let renditions = renditions.remove(&asset).unwrap_or_default();
        if original.is_some() || !renditions.is_empty() {
            page.items.push(Stray { asset, original, renditions });
        }
    }
    Ok(page)
}

pub(super) async fn find_blob(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    store: &StoreName,
    sha256: &Sha256,
    size: u64,
) -> Result<Option<Blob>> {
    let row = conn.one(
        sql!("SELECT " BLOB " FROM medianest_blobs b WHERE b.tenant = $1 AND b.sha256 = $2 AND b.size = $3 \
              AND b.store = $4 AND b.state <> 'purging'"),
        args![tenant, sha256, size, store],
    );
    row.await?.map(|row| read_blob(&mut row.columns())).transpose()
}

/// Keeps the job with this attempt, which was not called off and comes forward; its tenant and library.
async fn lock(conn: &mut Conn<'_>, fence: &Fence) -> Result<(TenantId, LibraryId)> {
    let job = jobs::lock_fence(conn, fence).await?;
    if job.called_off {
        return Err(Error::new(ErrorKind::Cancelled, "cancelled", "the job was called off"));
    }
    if job.crashes > 0 {
        jobs::forget_crashes(conn, fence.job).await?;
    }
    Ok((job.tenant, job.library_id.ok_or_else(Error::fenced)?))
}

/// Keeps the library from naming another store until the command is done.
async fn hold(conn: &mut Conn<'_>, tenant: TenantId, library: LibraryId, store: &StoreName) -> Result<()> {
    let named = conn.one(
        sql!("SELECT 1 FROM medianest_libraries WHERE tenant = $1 AND id = $2 AND store = $3" LOCK_SHARED),
        args![tenant, library, store],
    );
    named.await?.map(drop).ok_or_else(|| {
        Error::new(ErrorKind::PreconditionFailed, "store_changed", "the library names another store by now")
    })
}

pub(super) async fn original(
    conn: &mut Conn<'_>,
    fence: &Fence,
    moved: &MovedOriginal,
) -> Result<Option<Blob>> {
    let (tenant, library) = lock(conn, fence).await?;
    if let Some(intent) = moved.intent {
        assets::lock_intent(conn, tenant, intent).await?;
    }
    let row = conn
        .one(
            sql!("SELECT library_id, blob_id FROM medianest_assets WHERE tenant = $1 AND id = $2" LOCK),
            args![tenant, moved.asset],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let mut columns = row.columns();
    if (columns.get()?, columns.get()?) != (library, moved.from) {
        return Ok(None);
    }
    hold(conn, tenant, library, &moved.blob.store).await?;
    let blob = match moved.intent {
        Some(_) => assets::stand_on(conn, tenant, &moved.blob, moved.at).await?,
        None => assets::stored(conn, tenant, &moved.blob)
            .await?
            .ok_or_else(|| Error::not_found("blob", moved.blob.id))?,
    };
    // By whatever was read of the bytes while they were copied.
    conn.run(
        "UPDATE medianest_blobs SET content_type = (SELECT content_type FROM medianest_blobs WHERE id = $2) \
         WHERE id = $1",
        args![blob, moved.from],
    )
    .await?;
    conn.run("UPDATE medianest_assets SET blob_id = $2 WHERE id = $1", args![moved.asset, blob]).await?;
    assets::tombstone(conn, moved.from, moved.retention).await?;
    if let Some(intent) = moved.intent.filter(|_| blob == moved.blob.id) {
        assets::close_intent(conn, intent).await?;
    }
    require_blob(conn, blob).await.map(Some)
}

async fn require_blob(conn: &mut Conn<'_>, id: BlobId) -> Result<Blob> {
    let row = conn.one(sql!("SELECT " BLOB " FROM medianest_blobs b WHERE b.id = $1"), args![id]);
    read_blob(&mut row.await?.ok_or_else(|| Error::not_found("blob", id))?.columns())
}

pub(super) async fn rendition(conn: &mut Conn<'_>, fence: &Fence, moved: &MovedRendition) -> Result<bool> {
    let (tenant, library) = lock(conn, fence).await?;
    assets::lock_intent(conn, tenant, moved.intent).await?;
    let asset = conn
        .one(
            "SELECT asset_id FROM medianest_renditions WHERE tenant = $1 AND id = $2",
            args![tenant, moved.from],
        )
        .await?;
    let Some(asset) = asset.map(|row| row.value::<AssetId>()).transpose()? else { return Ok(false) };
    // The asset first: the order that all commands lock in.
    if assets::lock_asset(conn, asset).await?.is_none() {
        return Ok(false);
    }
    hold(conn, tenant, library, &moved.store).await?;
    let tombstoned = conn.run(
        sql!("UPDATE medianest_renditions SET state = 'tombstoned', purge_after = " NOW " + $2 \
              WHERE id = $1 AND state = 'ready'"),
        args![moved.from, moved.retention],
    );
    if tombstoned.await? == 0 {
        return Ok(false);
    }
    conn.run(
        "INSERT INTO medianest_renditions (id, tenant, asset_id, job_id, variant, definition, fingerprint, \
         required, state, info, size, created_at, purging, store) \
         SELECT $2, tenant, asset_id, job_id, variant, definition, fingerprint, required, 'ready', info, size, \
         created_at, FALSE, $3 FROM medianest_renditions WHERE id = $1",
        args![moved.from, moved.to, &moved.store],
    )
    .await?;
    // As `BlobKey::part` writes them.
    conn.run(
        "INSERT INTO medianest_parts (rendition_id, ordinal, tenant, key, size, duration_us) \
         SELECT $2, ordinal, tenant, $3 || ordinal || $4, size, duration_us FROM medianest_parts \
         WHERE rendition_id = $1",
        args![
            moved.from,
            moved.to,
            format!("{}/", BlobKey::rendition(tenant, moved.to)),
            format!("-{}", fence.attempt),
        ],
    )
    .await?;
    assets::close_intent(conn, moved.intent).await?;
    Ok(true)
}

pub(super) async fn finish(conn: &mut Conn<'_>, fence: &Fence, finished: &FinishedMove) -> Result<bool> {
    let (tenant, library) = lock(conn, fence).await?;
    let row = conn
        .one(
            sql!("SELECT strays FROM medianest_libraries WHERE tenant = $1 AND id = $2" LOCK),
            args![tenant, library],
        )
        .await?;
    let Some(row) = row else {
        return jobs::finish(conn, fence).await.map(|()| true);
    };
    if row.value::<u64>()? != finished.strays {
        return Ok(false);
    }
    match &finished.failure {
        Some(failure) => jobs::die(conn, fence, failure).await?,
        None => {
            conn.run("UPDATE medianest_libraries SET strays = 0 WHERE id = $1", args![library]).await?;
            jobs::finish(conn, fence).await?;
        }
    }
    events::emit(conn, std::slice::from_ref(&finished.event)).await?;
    Ok(true)
}
