//! Where bytes live.

use crate::{BlobKey, Capabilities, Error, ErrorKind, Multipart, Presign, Result, Timestamp};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// Bytes on their way, in chunks of at most a few megabytes.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// A store of immutable bytes. Object-safe; comfort is in [`BlobStoreExt`].
///
/// Prove an implementation with the conformance suite: `medianest_core::blob_store_tests!`.
#[async_trait]
pub trait BlobStore: fmt::Debug + Send + Sync + 'static {
    /// Stores the bytes of `body` under `key` and returns how many they were.
    ///
    /// Atomic: the bytes become visible as a whole, after the last one and durably, or not at all,
    /// also when `body` yields an error, which is passed on, or when the future is dropped. Bytes that
    /// are there already are replaced. Memory is bounded, whatever the size.
    ///
    /// # Errors
    /// What `body` yields; `StorageFull`; `Unavailable`.
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64>;

    /// The bytes of `key` from `range.start` to before `range.end`; the whole without a range. A range
    /// that reaches past the end is cut there; one that starts past the end gives nothing. The stream
    /// ends with an error when fewer bytes come than were asked for and are there, also when others replace
    /// them meanwhile: never with those of both.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) (`blob_not_found`); `Unavailable`.
    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<ByteStream>;

    /// The size of what is under `key`; None when there is nothing.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn head(&self, key: &BlobKey) -> Result<Option<BlobMeta>>;

    /// Removes the bytes of `key`. Succeeds when there are none.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn delete(&self, key: &BlobKey) -> Result<()>;

    /// All keys below the folder `prefix` (`r/…/` and not `r/…x`), or all keys without one; in no
    /// particular order, and without promise for what is written or deleted meanwhile.
    fn list(&self, prefix: Option<&BlobKey>) -> BoxStream<'static, Result<BlobMeta>>;

    /// What it can do beyond that.
    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities::default()
    }

    /// Clears away what is left of puts whose process died, once it has not grown for `silent_for`, and
    /// returns of how many. It is in no list, and takes up room. Puts of other processes that are under
    /// way are spared when `silent_for` is a day or longer.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn sweep(&self, silent_for: Duration) -> Result<u64> {
        let _ = silent_for;
        Ok(0)
    }
}

/// What a store knows of bytes without reading them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobMeta {
    /// Where they are.
    pub key: BlobKey,
    /// How many they are.
    pub size: u64,
    /// When they were stored, by the store's clock.
    pub modified: Timestamp,
}

/// Comfort over [`BlobStore`].
#[async_trait]
pub trait BlobStoreExt: BlobStore {
    /// Stores bytes that are in memory.
    ///
    /// # Errors
    /// As [`BlobStore::put`].
    async fn put_bytes(&self, key: &BlobKey, bytes: Bytes) -> Result<u64> {
        self.put(key, futures::stream::once(async { Ok(bytes) }).boxed()).await
    }

    /// Reads bytes into memory; `range` bounds how many.
    ///
    /// # Errors
    /// As [`BlobStore::get`].
    async fn get_bytes(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<Bytes> {
        let mut chunks: Vec<Bytes> = self.get(key, range).await?.try_collect().await?;
        if chunks.len() == 1 {
            return Ok(chunks.remove(0));
        }
        Ok(chunks.concat().into())
    }

    /// The size of what is under `key`.
    ///
    /// # Errors
    /// `blob_not_found` when there is nothing; as [`BlobStore::head`].
    async fn require(&self, key: &BlobKey) -> Result<BlobMeta> {
        self.head(key).await?.ok_or_else(|| blob_not_found(key))
    }

    /// What gives out URLs.
    ///
    /// # Errors
    /// `presign_unsupported` (Unsupported) when the store gives out none.
    fn presign(&self) -> Result<&dyn Presign> {
        self.capabilities().presign.ok_or_else(no_urls)
    }

    /// What takes parts by URLs.
    ///
    /// # Errors
    /// `presign_unsupported` (Unsupported) when the store gives out none.
    fn multipart(&self) -> Result<&dyn Multipart> {
        self.capabilities().multipart.ok_or_else(no_urls)
    }
}

fn no_urls() -> Error {
    Error::new(ErrorKind::Unsupported, "presign_unsupported", "this blob store gives out no such URLs")
}

impl<T: BlobStore + ?Sized> BlobStoreExt for T {}

/// The error for bytes that are not there.
pub fn blob_not_found(key: &BlobKey) -> Error {
    Error::new(ErrorKind::NotFound, "blob_not_found", "there are no bytes under this key").with("key", key)
}

/// A store in memory: for tests, demonstrations and caches of a known size. Nobody answers for it in the
/// network, so it gives out no URLs.
#[derive(Clone, Default)]
pub struct MemoryBlobs {
    blobs: Arc<RwLock<BTreeMap<BlobKey, (Bytes, Timestamp)>>>,
}

impl MemoryBlobs {
    /// Bytes that are handed out at once.
    const CHUNK: usize = 1 << 20;

    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl fmt::Debug for MemoryBlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blobs = self.blobs.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("MemoryBlobs").field("blobs", &blobs.len()).finish()
    }
}

#[async_trait]
impl BlobStore for MemoryBlobs {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64> {
        let chunks: Vec<Bytes> = body.try_collect().await?;
        let bytes = Bytes::from(chunks.concat());
        let size = bytes.len() as u64;
        let now = crate::Clock::now(&crate::SystemClock);
        self.blobs.write().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), (bytes, now));
        Ok(size)
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<ByteStream> {
        let bytes = {
            let blobs = self.blobs.read().unwrap_or_else(PoisonError::into_inner);
            blobs.get(key).ok_or_else(|| blob_not_found(key))?.0.clone()
        };
        let size = bytes.len() as u64;
        let range = range.unwrap_or(0..size);
        let (start, end) = (range.start.min(size), range.end.min(size));
        let mut wanted = bytes.slice(start as usize..end.max(start) as usize);
        let mut chunks = Vec::new();
        while !wanted.is_empty() {
            chunks.push(Ok(wanted.split_to(wanted.len().min(Self::CHUNK))));
        }
        Ok(futures::stream::iter(chunks).boxed())
    }

    async fn head(&self, key: &BlobKey) -> Result<Option<BlobMeta>> {
        let blobs = self.blobs.read().unwrap_or_else(PoisonError::into_inner);
        Ok(blobs.get(key).map(|(bytes, modified)| BlobMeta {
            key: key.clone(),
            size: bytes.len() as u64,
            modified: *modified,
        }))
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.blobs.write().unwrap_or_else(PoisonError::into_inner).remove(key);
        Ok(())
    }

    fn list(&self, prefix: Option<&BlobKey>) -> BoxStream<'static, Result<BlobMeta>> {
        let folder = prefix.map(|prefix| format!("{prefix}/"));
        let blobs = self.blobs.read().unwrap_or_else(PoisonError::into_inner);
        let found: Vec<_> = blobs
            .iter()
            .filter(|(key, _)| folder.as_ref().is_none_or(|folder| key.as_str().starts_with(folder.as_str())))
            .map(|(key, (bytes, modified))| {
                Ok(BlobMeta { key: key.clone(), size: bytes.len() as u64, modified: *modified })
            })
            .collect();
        futures::stream::iter(found).boxed()
    }
}
