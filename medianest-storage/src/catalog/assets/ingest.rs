use super::{
    super::{events, jobs, search, stores},
    asset, intent,
};
use crate::sql::{Conn, run_again};
use medianest_core::{
    Asset, Blob, BlobId, Error, Result, TenantId, Timestamp,
    catalog::{Ingested, NewAsset},
};

pub(super) async fn commit(conn: &mut Conn<'_>, new: &NewAsset) -> Result<Ingested> {
    if let Some(repeated) = repetition(conn, new).await? {
        return Ok(repeated);
    }
    intent::lock(conn, new.tenant, new.intent).await?;
    stores::note(conn, new.tenant, new.library, &new.blob.store).await?;
    let blob = stand_on(conn, new.tenant, &new.blob, new.at).await?;
    let redundant = blob != new.blob.id;
    insert(conn, new, blob).await?;
    if !redundant {
        intent::close(conn, new.intent).await?;
    }
    jobs::insert(conn, &new.jobs).await?;
    events::emit(conn, &new.events).await?;
    search::index(conn, new.id).await?;
    Ok(Ingested { asset: asset::require(conn, new.id).await?, created: true, redundant })
}

/// The answer that was given before, when this command or this request has been here.
async fn repetition(conn: &mut Conn<'_>, new: &NewAsset) -> Result<Option<Ingested>> {
    let answer = |asset: Asset| {
        let redundant = asset.blob.key != new.blob.key;
        Ok(Some(Ingested { asset, created: false, redundant }))
    };
    let same_bytes = |asset: &Asset| {
        asset.library_id == new.library
            && asset.blob.sha256 == new.blob.sha256
            && asset.blob.size == new.blob.size
    };
    if let Some(asset) = asset::find(conn, new.id).await? {
        if asset.tenant == new.tenant && same_bytes(&asset) {
            return answer(asset);
        }
        return Err(Error::conflict("asset_exists", "there is another asset with this id").with("id", new.id));
    }
    let Some(key) = &new.idempotency_key else { return Ok(None) };
    let row = conn
        .one(
            sql!("SELECT " ASSET ", a.ingested_name" ASSETS
                 " WHERE a.tenant = $1 AND a.owner = $2 AND a.idempotency_key = $3"),
            args![new.tenant, &new.owner, key],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let mut columns = row.columns();
    let asset = asset::read_columns(&mut columns)?;
    let name: String = columns.get()?;
    if same_bytes(&asset) && name == new.name {
        return answer(asset);
    }
    Err(Error::conflict("idempotency_key_reused", "this idempotency key came with another upload before"))
}

/// The blob that the asset is to stand on: one that is stored already, or the new one.
pub(in super::super) async fn stand_on(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    blob: &Blob,
    at: Timestamp,
) -> Result<BlobId> {
    if let Some(stored) = stored(conn, tenant, blob).await? {
        return Ok(stored);
    }
    let Blob { id, store, key, size, sha256, content_type } = blob;
    let added = conn.run(
        "INSERT INTO medianest_blobs (id, tenant, key, size, sha256, content_type, state, created_at, store) \
         VALUES ($1, $2, $3, $4, $5, $6, 'live', $7, $8) ON CONFLICT DO NOTHING",
        args![*id, tenant, key, *size, sha256, content_type, at, store],
    );
    // Nothing added: the same bytes were committed a moment ago, and are found the next time.
    if added.await? == 0 { Err(run_again()) } else { Ok(*id) }
}

/// The blob that has the same bytes in the same store already; it lives again, if it was tombstoned.
pub(in super::super) async fn stored(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    blob: &Blob,
) -> Result<Option<BlobId>> {
    let row = conn
        .one(
            sql!("SELECT id, state FROM medianest_blobs WHERE tenant = $1 AND sha256 = $2 AND size = $3 \
                  AND store = $4 AND state <> 'purging'" LOCK),
            args![tenant, &blob.sha256, blob.size, &blob.store],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let mut columns = row.columns();
    let (stored, state): (BlobId, String) = (columns.get()?, columns.get()?);
    if state == "tombstoned" {
        conn.run(
            "UPDATE medianest_blobs SET state = 'live', purge_after = NULL WHERE id = $1",
            args![stored],
        )
        .await?;
    }
    Ok(Some(stored))
}

async fn insert(conn: &mut Conn<'_>, new: &NewAsset, blob: BlobId) -> Result<()> {
    let added = conn.run(
        sql!("INSERT INTO medianest_assets (id, tenant, library_id, owner, state, failure_code, \
              failure_message, kind, name, blob_id, taken_at, expires_at, trashed, version, created_at, \
              updated_at, search_text, idempotency_key, ingested_name) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, " NOW " + $12, FALSE, 1, $13, $13, '', \
              $14, $9) ON CONFLICT DO NOTHING"),
        args![
            new.id,
            new.tenant,
            new.library,
            &new.owner,
            new.state.as_str(),
            new.failure.as_ref().map(|failure| failure.code.as_str()),
            new.failure.as_ref().map(|failure| failure.message.as_str()),
            new.kind.map(|kind| kind.as_str()),
            &new.name,
            blob,
            new.taken_at,
            new.expires_after.map(micros),
            new.at,
            &new.idempotency_key,
        ],
    );
    // Nothing added: the same request was committed a moment ago, and is found the next time.
    if added.await? == 0 { Err(run_again()) } else { Ok(()) }
}

fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}
