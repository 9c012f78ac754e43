//! Whether a store of media does what we need of it.

use crate::{composition::stores, config::Store};
use bytes::Bytes;
use medianest_core::{
    BlobKey, BlobStore, BlobStoreExt, Clock, Error, PresignedHeaders, Result, SystemClock, engine::Delivery,
};
use std::time::Duration;

/// Clocks may differ by so much: URLs of a store are signed by ours and judged by its.
const SKEW: Duration = Duration::from_secs(60);

/// Checks a store, and its mirror.
pub(super) async fn check(name: &str, store: &Store) -> Result<String> {
    let found = look(name, store).await?;
    let Some(mirror) = &store.mirror else { return Ok(found) };
    look(&format!("{name}.mirror"), mirror).await.map(|of_mirror| format!("{found}; its mirror {of_mirror}"))
}

/// Writes, reads back, reads a range, deletes, and compares clocks.
async fn look(name: &str, store: &Store) -> Result<String> {
    let blobs = stores::open(name, store)?;
    let key = BlobKey::new(format!("doctor/{}", uuid::Uuid::now_v7().simple()))?;
    let checked = probe(&blobs, &key, store.delivery).await;
    let deleted = blobs.delete(&key).await;
    let skew = checked?;
    deleted?;
    if blobs.head(&key).await?.is_some() {
        return Err(wrong("what was deleted is still there; see what the bucket is set to keep"));
    }
    Ok(format!("writes, reads, reads ranges and deletes; clocks differ by {} s", skew.as_secs()))
}

async fn probe(blobs: &dyn BlobStore, key: &BlobKey, delivery: Delivery) -> Result<Duration> {
    let before = SystemClock.now();
    let bytes: Bytes = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect::<Vec<u8>>().into();
    blobs.put_bytes(key, bytes.clone()).await?;
    if blobs.get_bytes(key, None).await? != bytes {
        return Err(wrong("what is read is not what was written"));
    }
    if blobs.get_bytes(key, Some(70_000..70_100)).await? != bytes.slice(70_000..70_100) {
        return Err(wrong("a range that is read is not what was written there"));
    }
    let modified = blobs.require(key).await?.modified;
    let skew = modified.since(before).max(before.since(modified));
    if skew > SKEW {
        return Err(wrong("the clock of this machine and that of the store differ; synchronise them")
            .with("seconds", skew.as_secs()));
    }
    if delivery == Delivery::Redirect {
        let headers = PresignedHeaders {
            content_type: String::from("application/octet-stream"),
            content_disposition: String::from("attachment"),
            cache_control: String::from("no-store"),
        };
        blobs.presign()?.presign_get(key, &headers, SKEW).await?;
    }
    Ok(skew)
}

fn wrong(message: &'static str) -> Error {
    Error::invalid("store_unfit", message)
}
