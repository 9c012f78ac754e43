//! Blobs over any [`ObjectStore`].

mod error;
mod local;
mod multipart;
mod parts;
mod read;

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
    BlobKey, BlobMeta, BlobStore, ByteStream, Error, ErrorKind, Result, Timestamp, blob_not_found,
};
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, local::LocalFileSystem, memory::InMemory,
    path::Path,
};
use std::{ops::Range, sync::Arc};

/// A [`BlobStore`] over object_store: local files, memory, or any [`ObjectStore`] that you bring.
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
        Ok(Self { store: Arc::new(store), local: Some(Arc::new(local)) })
    }

    /// Blobs in memory, gone with the last clone.
    pub fn memory() -> Self {
        Self::new(Arc::new(InMemory::new()))
    }

    /// Blobs in the store that you bring. It must make an object visible as a whole or not at all, as
    /// the stores of object_store do, and durable when it says that it is written.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, local: None }
    }

    async fn meta(&self, key: &BlobKey) -> Result<Option<ObjectMeta>> {
        match self.store.head(&path(key)).await.map_err(|error| from_store(error, key)) {
            Ok(meta) => Ok(Some(meta)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl BlobStore for ObjectBlobs {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64> {
        let parts = Parts::new(body);
        match &self.local {
            Some(local) => local.put(key, parts).await,
            None => put_multipart(self.store.as_ref(), key, parts).await,
        }
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<ByteStream> {
        if range.as_ref().is_some_and(Range::is_empty) {
            return self.meta(key).await?.map(|_| nothing()).ok_or_else(|| blob_not_found(key));
        }
        let options = GetOptions { range: range.clone().map(GetRange::Bounded), ..GetOptions::default() };
        match self.store.get_opts(&path(key), options).await {
            Ok(found) => Ok(read(found, key.clone())),
            Err(error) => {
                let error = from_store(error, key);
                // Stores refuse a range that starts past the end, each with an error of its own.
                match range {
                    Some(range) if error.kind() != ErrorKind::NotFound => match self.meta(key).await? {
                        Some(meta) if range.start >= meta.size => Ok(nothing()),
                        _ => Err(error),
                    },
                    _ => Err(error),
                }
            }
        }
    }

    async fn head(&self, key: &BlobKey) -> Result<Option<BlobMeta>> {
        Ok(self.meta(key).await?.map(|meta| blob_meta(key.clone(), &meta)))
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
        let blobs = found.filter_map(move |meta| {
            let below = |meta: &ObjectMeta| {
                folder.as_ref().is_none_or(|folder| meta.location.as_ref().starts_with(folder.as_str()))
            };
            futures::future::ready(match meta {
                Ok(meta) if below(&meta) => {
                    BlobKey::new(meta.location.as_ref()).ok().map(|key| Ok(blob_meta(key, &meta)))
                }
                Ok(_) => None,
                Err(error) if is_no_file(&error) => None,
                Err(error) => Some(Err(unavailable(error))),
            })
        });
        blobs.boxed()
    }
}

/// A key has only characters that stand for themselves in a path.
fn path(key: &BlobKey) -> Path {
    Path::from(key.as_str())
}

fn blob_meta(key: BlobKey, meta: &ObjectMeta) -> BlobMeta {
    let modified = Timestamp::from_micros(meta.last_modified.timestamp_micros());
    BlobMeta { key, size: meta.size, modified }
}

fn nothing() -> ByteStream {
    futures::stream::empty().boxed()
}
