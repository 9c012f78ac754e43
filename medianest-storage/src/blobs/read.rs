use super::error::{from_io, from_join, from_store};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use medianest_core::{BlobKey, ByteStream, Error, Result};
use object_store::{GetResult, GetResultPayload};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
};

/// Large enough that handing over to a blocking thread costs nothing beside it (object_store itself
/// reads files by 8 KiB), small enough for hundreds of readers.
const CHUNK: u64 = 512 * 1024;

/// The bytes that a store found, in chunks of at most [`CHUNK`]; an error when fewer come than it said.
pub(super) fn read(found: GetResult, key: BlobKey) -> ByteStream {
    let expected = found.range.end - found.range.start;
    let body = match found.payload {
        GetResultPayload::File(file, _) => read_file(file, found.range),
        GetResultPayload::Stream(body) => {
            let key = key.clone();
            body.map_err(move |error| from_store(error, &key)).map_ok(split).try_flatten().boxed()
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
