//! Blobs over any [`ObjectStore`].

#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
mod cloud;
mod error;
mod local;
mod mirror;
mod multipart;
mod parts;
mod read;

#[cfg(feature = "azure")]
pub use cloud::AzureOptions;
#[cfg(feature = "gcs")]
pub use cloud::GcsOptions;
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
pub use cloud::Patience;
#[cfg(feature = "s3")]
pub use cloud::S3Options;
pub use mirror::Mirror;

use self::{
    error::{from_store, is_no_file, unavailable},
    local::LocalWriter,
    multipart::put_multipart,
    parts::Parts,
    read::read,
};
use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use medianest_core::{
    BlobKey, BlobMeta, BlobStore, ByteStream, Capabilities, Error, ErrorKind, Multipart, Presign, Result,
    Timestamp, blob_not_found,
};
use object_store::{
    GetOptions, GetRange, GetResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    local::LocalFileSystem, memory::InMemory, path::Path,
};
use std::{fmt, ops::Range, sync::Arc, time::Duration};

/// The last byte that a range may name: some stores count with a sign.
const FARTHEST: u64 = i64::MAX as u64;

/// A [`BlobStore`] over object_store: local files, memory, a bucket in the network, or any
/// [`ObjectStore`] that you bring.
///
/// Keys are the store's paths. What lies in the store under names that are no [`BlobKey`] is neither
/// listed nor touched.
///
/// ```
/// use medianest_core::{BlobKey, BlobStoreExt};
/// use medianest_storage::ObjectBlobs;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let blobs = ObjectBlobs::memory();
/// let key = BlobKey::new("greeting")?;
/// blobs.put_bytes(&key, "hello".into()).await?;
/// assert_eq!(&blobs.get_bytes(&key, Some(1..3)).await?[..], b"el");
/// # Ok::<(), medianest_core::Error>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct ObjectBlobs {
    store: Arc<dyn ObjectStore>,
    local: Option<Arc<LocalWriter>>,
    remote: Option<Arc<dyn Remote>>,
}

/// What stores in the network do in a way of their own.
#[async_trait]
trait Remote: fmt::Debug + Send + Sync {
    /// Begins an upload that is found again when its process dies.
    async fn begin(&self, path: Path) -> object_store::Result<Box<dyn MultipartUpload>>;

    /// See [`BlobStore::sweep`].
    async fn sweep(&self, silent_for: Duration) -> Result<u64>;

    /// Waits a moment for what was written just now, and is not shown yet; false when that was waited for
    /// long enough.
    async fn shows_late(&self, tried: usize) -> bool;

    /// Itself, when it gives out URLs.
    fn presign(&self) -> Option<&dyn Presign>;

    /// What takes parts from others, when it does.
    fn multipart(&self) -> Option<&dyn Multipart>;
}

impl ObjectBlobs {
    /// Blobs as files below a folder, which is made when it is not there. What is stored survives the
    /// loss of power: files and their entries in folders are synced. Several processes may share the
    /// folder; unfinished files that a killed process left in it are removed here.
    ///
    /// # Errors
    /// `storage_unavailable` when the folder cannot be made or written to; `storage_full`.
    pub fn local(folder: impl AsRef<std::path::Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let at = |error: Error| error.with("folder", folder.display());
        let local = LocalWriter::open(folder).map_err(|error| at(error::from_io(error)))?;
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| at(unavailable(error)))?
            .with_automatic_cleanup(true);
        Ok(Self { local: Some(Arc::new(local)), ..Self::new(Arc::new(store)) })
    }

    /// Blobs in memory, gone with the last clone.
    pub fn memory() -> Self {
        Self::new(Arc::new(InMemory::new()))
    }

    /// Blobs in the store that you bring. It must make an object visible as a whole or not at all, as
    /// the stores of object_store do, and durable when it says that it is written.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, local: None, remote: None }
    }

    async fn begin(&self, path: &Path) -> object_store::Result<Box<dyn MultipartUpload>> {
        match &self.remote {
            Some(remote) => remote.begin(path.clone()).await,
            None => self.store.put_multipart(path).await,
        }
    }

    /// What is there; looked for more than once, since who reads was told that it is.
    async fn found(&self, key: &BlobKey, options: GetOptions) -> Result<GetResult> {
        let mut tried = 0;
        loop {
            let found = self.store.get_opts(&path(key), options.clone()).await;
            let error = match found.map_err(|error| from_store(error, key)) {
                Err(error) if error.kind() == ErrorKind::NotFound => error,
                found => return found,
            };
            match &self.remote {
                Some(remote) if remote.shows_late(tried).await => tried += 1,
                _ => return Err(error),
            }
        }
    }

    async fn meta(&self, key: &BlobKey) -> Result<Option<ObjectMeta>> {
        match self.store.head(&path(key)).await.map_err(|error| from_store(error, key)) {
            Ok(meta) => Ok(Some(meta)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn blob_meta(&self, key: BlobKey, meta: &ObjectMeta) -> BlobMeta {
        let mut modified = Timestamp::from_micros(meta.last_modified.timestamp_micros());
        if self.remote.is_some() {
            // In the answer for one object it is a header of HTTP, which knows no fractions.
            modified = Timestamp::from_secs(modified.as_secs());
        }
        BlobMeta { key, size: meta.size, modified }
    }
}

#[async_trait]
impl BlobStore for ObjectBlobs {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64> {
        let parts = Parts::new(body);
        match &self.local {
            Some(local) => local.put(key, parts).await,
            None => put_multipart(self, key, parts).await,
        }
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<ByteStream> {
        if range.as_ref().is_some_and(Range::is_empty) {
            return self.meta(key).await?.map(|_| nothing()).ok_or_else(|| blob_not_found(key));
        }
        let wanted = range.clone().map(|range| GetRange::Bounded(range.start..range.end.min(FARTHEST)));
        let options = GetOptions { range: wanted, ..GetOptions::default() };
        match self.found(key, options).await {
            Ok(found) => Ok(read(Arc::clone(&self.store), found, key.clone())),
            // Stores refuse a range that starts past the end, each with an error of its own.
            Err(error) => match range {
                Some(range) if error.kind() != ErrorKind::NotFound => match self.meta(key).await? {
                    Some(meta) if range.start >= meta.size => Ok(nothing()),
                    _ => Err(error),
                },
                _ => Err(error),
            },
        }
    }

    async fn head(&self, key: &BlobKey) -> Result<Option<BlobMeta>> {
        Ok(self.meta(key).await?.map(|meta| self.blob_meta(key.clone(), &meta)))
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        match self.store.delete(&path(key)).await.map_err(|error| from_store(error, key)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn list(&self, prefix: Option<&BlobKey>) -> BoxStream<'static, Result<BlobMeta>> {
        let folder = prefix.map(|prefix| format!("{prefix}/"));
        let found = self.store.list(prefix.map(path).as_ref());
        let this = self.clone();
        let blobs = found.filter_map(move |meta| {
            let below = |meta: &ObjectMeta| {
                folder.as_ref().is_none_or(|folder| meta.location.as_ref().starts_with(folder.as_str()))
            };
            futures::future::ready(match meta {
                Ok(meta) if below(&meta) => {
                    BlobKey::new(meta.location.as_ref()).ok().map(|key| Ok(this.blob_meta(key, &meta)))
                }
                Ok(_) => None,
                Err(error) if is_no_file(&error) => None,
                Err(error) => Some(Err(unavailable(error))),
            })
        });
        blobs.boxed()
    }

    fn capabilities(&self) -> Capabilities<'_> {
        let mut capabilities = Capabilities::default();
        if let Some(remote) = &self.remote {
            capabilities.presign = remote.presign();
            capabilities.multipart = remote.multipart();
        }
        capabilities
    }

    async fn sweep(&self, silent_for: Duration) -> Result<u64> {
        match &self.remote {
            Some(remote) => remote.sweep(silent_for).await,
            None => Ok(0),
        }
    }
}

/// A key has only characters that stand for themselves in a path.
fn path(key: &BlobKey) -> Path {
    Path::from(key.as_str())
}

fn nothing() -> ByteStream {
    futures::stream::empty().boxed()
}
