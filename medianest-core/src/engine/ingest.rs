use super::{Engine, Media};
use crate::{
    Action, Asset, AssetId, AssetState, Blob, BlobId, BlobKey, ByteStream, Error, ErrorKind, FileName,
    IntentId, JobKind, LibraryId, MediaType, NewEvent, NewJob, Resource, Result, Sha256, Timestamp, Topic,
    Visibility,
    catalog::{Ingested, Intent, NewAsset},
    event_kinds,
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio::io::AsyncReadExt;

/// Bytes that are looked at to tell what they are.
const HEAD: usize = 4096;
/// Bytes that are read from a file, or taken from memory, at once.
const CHUNK: usize = 1 << 20;

/// Something to put in.
#[must_use]
pub struct Upload {
    body: Body,
    library: Option<LibraryId>,
    about: About,
}

pub(super) enum Body {
    File(PathBuf),
    Stream(ByteStream),
    /// In the store already, under the key of the intent.
    There,
}

/// What is said of an asset beside its bytes.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct About {
    pub(super) id: AssetId,
    pub(super) name: String,
    pub(super) staged: bool,
    pub(super) taken_at: Option<Timestamp>,
    pub(super) idempotency_key: Option<String>,
}

impl About {
    pub(super) fn check(&self) -> Result<()> {
        if self.idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > 255) {
            return Err(Error::invalid("invalid_idempotency_key", "an idempotency key has 1 to 255 bytes"));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("about", &self.about).finish_non_exhaustive()
    }
}

impl Upload {
    /// A file, under its own name.
    pub fn from_path(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self::new(&name, Body::File(path))
    }

    /// Bytes in memory.
    pub fn from_bytes(name: &str, bytes: impl Into<Bytes>) -> Self {
        Self::new(name, Body::Stream(chunks(bytes.into())))
    }

    /// Bytes as they come. An error in the stream ends the upload and is passed on.
    pub fn from_stream(name: &str, body: ByteStream) -> Self {
        Self::new(name, Body::Stream(body))
    }

    fn new(name: &str, body: Body) -> Self {
        let about = About {
            id: AssetId::new(),
            name: FileName::sanitise(name).into_string(),
            staged: false,
            taken_at: None,
            idempotency_key: None,
        };
        Self { body, library: None, about }
    }

    /// Into this library, instead of the principal's own.
    pub fn into_library(mut self, library: LibraryId) -> Self {
        self.library = Some(library);
        self
    }

    /// Under an id of the caller's choice.
    pub fn with_id(mut self, id: AssetId) -> Self {
        self.about.id = id;
        self
    }

    /// For a host's row that has yet to claim it with [`Media::attach`]; until then it expires.
    pub fn staged(mut self) -> Self {
        self.about.staged = true;
        self
    }

    /// When it was taken, for media that does not say so itself.
    pub fn taken_at(mut self, at: Timestamp) -> Self {
        self.about.taken_at = Some(at);
        self
    }

    /// Makes a repeated request give the same asset: 1 to 255 bytes, unique per principal.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.about.idempotency_key = Some(key.into());
        self
    }
}

impl Media {
    /// Stores an original and queues what is to be made of it. When this returns, the bytes are durable.
    ///
    /// # Errors
    /// `forbidden`, `library_not_found`, also when that came to be while bytes flowed; `empty_upload`;
    /// `upload_too_large`; `asset_exists`, `idempotency_key_reused`; what the body yields; `StorageFull`;
    /// `Unavailable`. After an error nothing is left but bytes that expire; after `Unavailable` the asset
    /// may be there.
    pub async fn ingest(&self, upload: Upload) -> Result<Asset> {
        Ok(self.ingest_once(upload).await?.0)
    }

    /// As [`ingest`](Self::ingest); also tells whether the asset is new, or an earlier request with the
    /// same idempotency key or asset id had added it.
    ///
    /// # Errors
    /// As [`ingest`](Self::ingest).
    pub async fn ingest_once(&self, upload: Upload) -> Result<(Asset, bool)> {
        let Upload { body, library, about } = upload;
        let library = self.library_for(library).await?;
        about.check()?;
        let (engine, blob) = (self.engine(), BlobId::new());
        let intent = self.intent(library, blob).await?;
        engine.catalog().open_intent(&intent, engine.options().intent_ttl).await?;
        let stored = async {
            let stored = engine.store_original(&intent, body).await?;
            // An upload may take hours.
            self.authorize(Action::Contribute, Resource::Library(library)).await?;
            Ok(stored)
        };
        let stored = match stored.await {
            Ok(stored) => stored,
            Err(error) => {
                engine.abandon(intent.id).await;
                return Err(error);
            }
        };
        let committed = self.commit(about, library, blob, intent.clone(), stored).await;
        // Unless it was refused, the command may have happened: then the intent is gone and the bytes are
        // in use, so they are left to the sweeper, which knows.
        if let Err(error) = &committed
            && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict)
        {
            engine.abandon(intent.id).await;
        }
        committed
    }

    /// The library that something goes into, if it may.
    pub(super) async fn library_for(&self, named: Option<LibraryId>) -> Result<LibraryId> {
        let library = match named {
            Some(library) => library,
            None => self.own_library().await?.id,
        };
        self.authorize(Action::Contribute, Resource::Library(library)).await?;
        Ok(library)
    }

    /// Where the bytes of a blob go, in the store that the library names now.
    pub(super) async fn intent(&self, library: LibraryId, blob: BlobId) -> Result<Intent> {
        let tenant = self.principal().tenant;
        let found = self.engine().catalog().get_library(&Visibility::all(tenant), library).await?;
        let store = found.ok_or_else(|| Error::not_found("library", library))?.store;
        Ok(Intent { id: IntentId::new(), tenant, store, key: BlobKey::original(tenant, blob) })
    }

    /// Makes an asset of bytes that are stored.
    pub(super) async fn commit(
        &self,
        about: About,
        library: LibraryId,
        blob: BlobId,
        intent: Intent,
        stored: Stored,
    ) -> Result<(Asset, bool)> {
        let (engine, tenant) = (self.engine(), self.principal().tenant);
        let now = engine.now();
        let kind = stored.media_type.map(|media_type| media_type.kind);
        let data = serde_json::json!({
            "asset_id": about.id, "name": &about.name, "kind": kind, "size": stored.size,
        });
        let asset = NewAsset {
            intent: intent.id,
            id: about.id,
            tenant,
            library,
            owner: self.principal().subject.clone(),
            name: about.name,
            kind,
            blob: Blob {
                id: blob,
                store: intent.store.clone(),
                key: intent.key.clone(),
                size: stored.size,
                sha256: stored.sha256,
                content_type: stored
                    .media_type
                    .map_or("application/octet-stream", |media_type| media_type.content_type)
                    .to_owned(),
            },
            state: if about.staged { AssetState::Staged } else { AssetState::Processing },
            failure: None,
            taken_at: about.taken_at.unwrap_or(now),
            expires_after: about.staged.then_some(engine.options().staged_for),
            idempotency_key: about.idempotency_key,
            at: now,
            jobs: vec![NewJob::new(tenant, JobKind::Understand, about.id).priority(10)],
            events: vec![NewEvent::in_library(tenant, library, event_kinds::ASSET_CREATED, now, data)],
        };
        let Ingested { mut asset, created, redundant } = self.catalog().commit_ingest(asset).await?;
        if redundant {
            engine.keep_whole(&mut asset.blob, &intent).await?;
            engine.abandon(intent.id).await;
        }
        engine.bus().wake(Topic::Jobs);
        engine.bus().wake(Topic::Committed);
        metrics::counter!("medianest_ingested_total").increment(1);
        metrics::counter!("medianest_ingested_bytes_total").increment(asset.blob.size);
        Ok((asset, created))
    }

    /// An asset of a library, not in the trash, that has exactly these bytes already, and has them still:
    /// an asset whose bytes are lost wants them again.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn find_original(
        &self,
        library: LibraryId,
        sha256: &Sha256,
        size: u64,
    ) -> Result<Option<Asset>> {
        let (engine, visible) = (self.engine(), self.visibility().await?);
        let found = engine.catalog().find_original(&visible, library, sha256, size).await?;
        match found {
            Some(asset) if !engine.is_whole(&asset.blob).await? => Ok(None),
            found => Ok(found),
        }
    }
}

/// What was learned of bytes that are stored.
pub(super) struct Stored {
    size: u64,
    sha256: Sha256,
    media_type: Option<MediaType>,
}

/// What is learned of bytes while they flow by.
#[derive(Default)]
struct Seen {
    hasher: sha2::Sha256,
    size: u64,
    head: Vec<u8>,
}

impl Engine {
    /// Stores a body, or reads what is there, and learns what it is.
    pub(super) async fn store_original(&self, intent: &Intent, body: Body) -> Result<Stored> {
        let blobs = self.store(&intent.store)?.blobs();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let watched = |body| self.watch(intent.id, body, Arc::clone(&seen));
        let written = match body {
            Body::File(path) => blobs.put(&intent.key, watched(file_stream(path).await?)).await?,
            Body::Stream(body) => blobs.put(&intent.key, watched(body)).await?,
            Body::There => {
                let bytes = watched(blobs.get(&intent.key, None).await?);
                bytes.try_fold(0, |size, chunk| async move { Ok(size + chunk.len() as u64) }).await?
            }
        };
        let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        self.check_size(seen.size)?;
        if written != seen.size {
            return Err(Error::internal("the blob store wrote another number of bytes than it was given")
                .with("given", seen.size)
                .with("written", written));
        }
        let media_type = self.processor().sniff(&seen.head);
        Ok(Stored { size: seen.size, sha256: Sha256(seen.hasher.finalize().into()), media_type })
    }

    /// Whether an upload may have so many bytes.
    pub(super) fn check_size(&self, size: u64) -> Result<()> {
        let limit = self.options().max_upload_bytes;
        if size == 0 {
            return Err(Error::invalid("empty_upload", "the upload has no bytes"));
        }
        if size > limit {
            let message = format!("an upload has at most {limit} bytes");
            return Err(Error::new(ErrorKind::TooLarge, "upload_too_large", message));
        }
        Ok(())
    }

    /// Hashes and counts bytes on their way, stops at the limit, and keeps the intent alive.
    fn watch(&self, intent: IntentId, body: ByteStream, seen: Arc<Mutex<Seen>>) -> ByteStream {
        let engine = self.clone();
        let extend_every = self.options().intent_ttl / 3;
        stream::try_unfold((body, Instant::now()), move |(mut body, mut extended)| {
            let (engine, seen) = (engine.clone(), Arc::clone(&seen));
            async move {
                let Some(chunk) = body.next().await.transpose()? else { return Ok(None) };
                if extended.elapsed() >= extend_every {
                    engine.catalog().extend_intent(intent, engine.options().intent_ttl).await?;
                    extended = Instant::now();
                }
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.size += chunk.len() as u64;
                if !chunk.is_empty() {
                    engine.check_size(seen.size)?;
                }
                let room = HEAD.saturating_sub(seen.head.len()).min(chunk.len());
                seen.head.extend_from_slice(&chunk[..room]);
                seen.hasher.update(&chunk);
                drop(seen);
                Ok(Some((chunk, (body, extended))))
            }
        })
        .boxed()
    }

    /// Whether the bytes of a blob are there.
    pub(super) async fn is_whole(&self, blob: &Blob) -> Result<bool> {
        let stored = self.store(&blob.store)?.blobs().head(&blob.key).await?;
        Ok(stored.is_some_and(|stored| stored.size == blob.size))
    }

    /// Makes sure that the stored bytes of a blob are there before the new ones go, which stand under the
    /// intent and are the same. The intent is that of those that are not needed then.
    pub(super) async fn keep_whole(&self, blob: &mut Blob, intent: &Intent) -> Result<()> {
        if self.is_whole(blob).await? { Ok(()) } else { self.replace(blob, intent).await }
    }

    /// Lets a blob stand on the bytes of an intent instead of its own, which are lost, unless somebody else
    /// was quicker. The intent is that of those that are not needed then.
    pub(super) async fn replace(&self, blob: &mut Blob, intent: &Intent) -> Result<()> {
        if self.catalog().repair_blob(intent, blob).await? {
            tracing::warn!(lost = %blob.key, key = %intent.key, "bytes were lost, and came again");
            blob.key = intent.key.clone();
        }
        Ok(())
    }

    /// Deletes bytes that came to nothing. What was committed meanwhile has no such intent any more, and
    /// stays. What fails here is left to the sweeper.
    pub(super) async fn abandon(&self, intent: IntentId) {
        let cleared = async {
            match self.catalog().take_intent(intent, self.options().intent_ttl).await? {
                Some(taken) => self.clear_away(&taken).await,
                None => Ok(()),
            }
        };
        if let Err(error) = cleared.await {
            tracing::debug!(%intent, error = %error.report(), "left unfinished bytes to the sweeper");
        }
    }
}

/// Bytes in memory as a stream, that lets others in between.
fn chunks(bytes: Bytes) -> ByteStream {
    stream::unfold(bytes, |mut bytes| async move {
        if bytes.is_empty() {
            return None;
        }
        tokio::task::yield_now().await;
        let chunk = bytes.split_to(CHUNK.min(bytes.len()));
        Some((Ok(chunk), bytes))
    })
    .boxed()
}

async fn file_stream(path: PathBuf) -> Result<ByteStream> {
    let unreadable = |path: &PathBuf, source: std::io::Error| {
        let kind = match source.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::InvalidInput,
        };
        Error::new(kind, "file_unreadable", "the file cannot be read")
            .with("path", path.display())
            .caused_by(source)
    };
    let file = tokio::fs::File::open(&path).await.map_err(|source| unreadable(&path, source))?;
    let metadata = file.metadata().await.map_err(|source| unreadable(&path, source))?;
    if !metadata.is_file() {
        return Err(
            Error::invalid("not_a_file", "only regular files can be put in").with("path", path.display())
        );
    }
    Ok(stream::try_unfold((file, path), move |(mut file, path)| async move {
        let mut chunk = Vec::with_capacity(CHUNK);
        let count = (&mut file)
            .take(CHUNK as u64)
            .read_to_end(&mut chunk)
            .await
            .map_err(|source| unreadable(&path, source))?;
        Ok((count > 0).then(|| (Bytes::from(chunk), (file, path))))
    })
    .boxed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_in_memory_come_in_chunks() {
        let bytes = Bytes::from((0..3 * CHUNK + 7).map(|at| at as u8).collect::<Vec<_>>());
        let came: Vec<Bytes> = chunks(bytes.clone()).try_collect().await.unwrap();
        assert_eq!(came.iter().map(Bytes::len).collect::<Vec<_>>(), [CHUNK, CHUNK, CHUNK, 7]);
        assert_eq!(came.concat(), bytes);
        assert!(chunks(Bytes::new()).try_collect::<Vec<_>>().await.unwrap().is_empty());
    }
}
