use super::{
    ObjectBlobs,
    error::{from_join, unavailable},
    parts::Parts,
    path,
};
use medianest_core::{BlobKey, Error, Result};
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use tokio::task::JoinSet;

/// Equal parts, as some stores want them; 10,000 of them, as many as S3 takes, are 80 GiB.
const PART: usize = 8 * 1024 * 1024;
/// Parts under way while the next one is gathered.
const IN_FLIGHT: usize = 2;

/// Writes a body that fits into one part at once, and a longer one as a multipart upload, which is
/// aborted when anything fails or the future is dropped.
pub(super) async fn put_multipart(blobs: &ObjectBlobs, key: &BlobKey, mut parts: Parts) -> Result<u64> {
    let (path, failed) = (path(key), |error| not_written(error, key));
    let part = parts.next(PART).await?;
    let size = part.content_length();
    if size < PART {
        blobs.store.put(&path, part).await.map_err(failed)?;
        return Ok(size as u64);
    }
    let upload = blobs.begin(&path).await.map_err(failed)?;
    let mut upload = Upload(Some(upload));
    let result = write(&mut upload, key, part, parts).await;
    upload.finish(result.is_ok()).await;
    result
}

/// That something is not there is no answer to who wants to put it there.
fn not_written(error: object_store::Error, key: &BlobKey) -> Error {
    unavailable(error).with("key", key)
}

async fn write(upload: &mut Upload, key: &BlobKey, mut part: PutPayload, mut parts: Parts) -> Result<u64> {
    let Some(upload) = upload.0.as_mut() else { return Ok(0) };
    let mut size = 0;
    let mut under_way = JoinSet::new();
    loop {
        let (length, last) = (part.content_length(), part.content_length() < PART);
        size += length as u64;
        finish(&mut under_way, IN_FLIGHT - 1, key).await?;
        if length > 0 {
            under_way.spawn(upload.put_part(part));
        }
        if last {
            finish(&mut under_way, 0, key).await?;
            upload.complete().await.map_err(|error| not_written(error, key))?;
            return Ok(size);
        }
        part = parts.next(PART).await?;
    }
}

/// Waits until so many parts are left under way.
async fn finish(under_way: &mut JoinSet<object_store::Result<()>>, left: usize, key: &BlobKey) -> Result<()> {
    while under_way.len() > left {
        let done = under_way.join_next().await.transpose().map_err(from_join)?;
        done.transpose().map_err(|error| not_written(error, key))?;
    }
    Ok(())
}

/// An upload that is aborted unless it was completed.
struct Upload(Option<Box<dyn MultipartUpload>>);

impl Upload {
    async fn finish(mut self, completed: bool) {
        let upload = self.0.take();
        if let Some(upload) = upload.filter(|_| !completed) {
            abort(upload).await;
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(upload), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(abort(upload));
        }
    }
}

async fn abort(mut upload: Box<dyn MultipartUpload>) {
    if let Err(error) = upload.abort().await {
        tracing::warn!(%error, "an unfinished upload could not be aborted; the store's own clean-up has to");
    }
}
