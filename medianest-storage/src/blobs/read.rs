use super::{
    error::{from_io, from_join, from_store},
    path,
};
use bytes::Bytes;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use medianest_core::{BlobKey, ByteStream, Error, Result};
use object_store::{GetOptions, GetRange, GetResult, GetResultPayload, ObjectStore};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    sync::Arc,
};

/// Large enough that handing over to a blocking thread costs nothing beside it (object_store itself
/// reads files by 8 KiB), small enough for hundreds of readers.
const CHUNK: u64 = 512 * 1024;

/// How often in a row a body that breaks off is gone on with before a byte of it has come. The store's
/// own retries end some time after the body began; a reader may take longer.
const RESUMES: u32 = 3;

/// The bytes that a store found, in chunks of at most [`CHUNK`]; an error when fewer come than it said.
pub(super) fn read(store: Arc<dyn ObjectStore>, found: GetResult, key: BlobKey) -> ByteStream {
    let expected = found.range.end - found.range.start;
    let body = match found.payload {
        GetResultPayload::File(file, _) => read_file(file, found.range),
        GetResultPayload::Stream(body) => {
            let etag = found.meta.e_tag;
            let reading = Reading { store, key: key.clone(), etag, body, left: found.range, resumes: 0 };
            stream::try_unfold(reading, Reading::next).map_ok(split).try_flatten().boxed()
        }
    };
    stream::try_unfold((body, expected), move |(mut body, missing)| {
        let key = key.clone();
        async move {
            match body.next().await.transpose()? {
                Some(chunk) => {
                    let missing = missing.saturating_sub(chunk.len() as u64);
                    Ok(Some((chunk, (body, missing))))
                }
                None if missing > 0 => Err(cut_short(&key, missing)),
                None => Ok(None),
            }
        }
    })
    .boxed()
}

/// A body on its way, gone on with when it breaks off.
struct Reading {
    store: Arc<dyn ObjectStore>,
    key: BlobKey,
    /// What the bytes are told by from those of a successor; without it nothing is gone on with.
    etag: Option<String>,
    body: BoxStream<'static, object_store::Result<Bytes>>,
    left: Range<u64>,
    resumes: u32,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        loop {
            let broken = match self.body.next().await {
                Some(Ok(chunk)) => {
                    self.left.start += chunk.len() as u64;
                    self.resumes = 0;
                    return Ok(Some((chunk, self)));
                }
                Some(Err(error)) => Some(error),
                None => None,
            };
            if self.left.is_empty() {
                return Ok(None);
            }
            if self.etag.is_none() || self.resumes == RESUMES {
                return broken.map_or(Ok(None), |error| Err(from_store(error, &self.key)));
            }
            self.resumes += 1;
            let options = GetOptions {
                range: Some(GetRange::Bounded(self.left.clone())),
                if_match: self.etag.clone(),
                ..GetOptions::default()
            };
            let found = self.store.get_opts(&path(&self.key), options).await;
            let found = found.map_err(|error| from_store(error, &self.key))?;
            // Not every store heeds the condition.
            if found.meta.e_tag != self.etag || found.range != self.left {
                return broken.map_or(Ok(None), |error| Err(from_store(error, &self.key)));
            }
            self.body = found.into_stream();
        }
    }
}

fn read_file(file: File, range: Range<u64>) -> ByteStream {
    stream::try_unfold((file, range), |(file, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let end = range.end.min(range.start + CHUNK);
        let read = tokio::task::spawn_blocking(move || read_at(file, range.start..end));
        let (file, chunk) = read.await.map_err(from_join)?.map_err(from_io)?;
        if chunk.is_empty() {
            return Ok(None);
        }
        let next = range.start + chunk.len() as u64;
        Ok(Some((chunk, (file, next..range.end))))
    })
    .boxed()
}

fn read_at(mut file: File, range: Range<u64>) -> std::io::Result<(File, Bytes)> {
    let length = range.end - range.start;
    let mut chunk = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.seek(SeekFrom::Start(range.start))?;
    (&mut file).take(length).read_to_end(&mut chunk)?;
    Ok((file, chunk.into()))
}

fn split(mut bytes: Bytes) -> impl futures::Stream<Item = Result<Bytes>> {
    stream::iter(std::iter::from_fn(move || {
        let chunk = bytes.split_to(bytes.len().min(CHUNK as usize));
        (!chunk.is_empty()).then_some(Ok(chunk))
    }))
}

fn cut_short(key: &BlobKey, missing: u64) -> Error {
    Error::unavailable("storage_unavailable", "the blob store gave fewer bytes than it announced")
        .with("key", key)
        .with("missing", missing)
}
