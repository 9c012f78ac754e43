//! A blob store that a third party wrote: one file per blob, below a folder.
//!
//! `tests/conformance.rs` proves it with the suite that MediaNest's own stores pass.

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use medianest_core::{BlobKey, BlobMeta, BlobStore, ByteStream, Error, Result, Timestamp, blob_not_found};
use std::{
    io::{self, ErrorKind, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::UNIX_EPOCH,
};
use tokio::{
    fs::{self, File},
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
};

const CHUNK: u64 = 256 * 1024;

/// Keeps the blob `r/a/b` in the file of that name below a folder. Unfinished ones are in the folder
/// `+`, which no key begins with.
#[derive(Debug)]
pub struct FolderBlobs {
    root: PathBuf,
    next: AtomicU64,
}

impl FolderBlobs {
    /// A store in a folder of its own, which one process at a time uses.
    ///
    /// # Errors
    /// `storage_unavailable` when the folder cannot be made or written to.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let unfinished = root.join("+");
        // Left by a process that was killed.
        match fs::remove_dir_all(&unfinished).await {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(unavailable(error)),
            _ => fs::create_dir_all(&unfinished).await.map_err(unavailable)?,
        }
        Ok(Self { root, next: AtomicU64::new(0) })
    }

    fn path(&self, key: &BlobKey) -> PathBuf {
        self.root.join(key.as_str())
    }

    async fn write(&self, unfinished: &Path, mut body: ByteStream) -> Result<u64> {
        let mut file = File::create(unfinished).await.map_err(unavailable)?;
        let mut size = 0;
        while let Some(chunk) = body.try_next().await? {
            file.write_all(&chunk).await.map_err(unavailable)?;
            size += chunk.len() as u64;
        }
        file.sync_all().await.map_err(unavailable)?;
        Ok(size)
    }

    /// Gives a finished file its name. Durable are its bytes, and then its entry in its folder, and the
    /// entry of that in its own.
    async fn publish(&self, unfinished: &Path, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(&self.root)).await?;
        fs::rename(unfinished, path).await?;
        if cfg!(unix) {
            for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.root)) {
                File::open(folder).await?.sync_all().await?;
            }
        }
        Ok(())
    }
}

/// Removes an unfinished file also when the future that writes it is dropped.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[async_trait]
impl BlobStore for FolderBlobs {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let unfinished = Unfinished(self.root.join("+").join(number.to_string()));
        let size = self.write(&unfinished.0, body).await?;
        self.publish(&unfinished.0, &self.path(key)).await.map_err(unavailable)?;
        Ok(size)
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<ByteStream> {
        let mut file = match File::open(self.path(key)).await {
            Err(error) if is_absent(&error) => return Err(blob_not_found(key)),
            file => file.map_err(unavailable)?,
        };
        // Of the open file: another one may have taken its name since.
        let metadata = file.metadata().await.map_err(unavailable)?;
        if metadata.is_dir() {
            return Err(blob_not_found(key));
        }
        let size = metadata.len();
        let range = range.unwrap_or(0..size);
        let (start, end) = (range.start.min(size), range.end.min(size));
        file.seek(SeekFrom::Start(start)).await.map_err(unavailable)?;
        let chunks = stream::try_unfold((file, end.saturating_sub(start)), |(mut file, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            let mut chunk = vec![0; usize::try_from(left.min(CHUNK)).unwrap_or(0)];
            // An error when the file has become shorter than it was.
            file.read_exact(&mut chunk).await.map_err(unavailable)?;
            let left = left - chunk.len() as u64;
            Ok(Some((Bytes::from(chunk), (file, left))))
        });
        Ok(chunks.boxed())
    }

    async fn head(&self, key: &BlobKey) -> Result<Option<BlobMeta>> {
        match fs::metadata(self.path(key)).await {
            Ok(metadata) if metadata.is_dir() => Ok(None),
            Err(error) if is_absent(&error) => Ok(None),
            metadata => meta(key.clone(), &metadata.map_err(unavailable)?).map(Some),
        }
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        match fs::remove_file(self.path(key)).await {
            Err(error) if !is_absent(&error) => Err(unavailable(error)),
            _ => Ok(()),
        }
    }

    fn list(&self, prefix: Option<&BlobKey>) -> BoxStream<'static, Result<BlobMeta>> {
        let below = prefix.map_or_else(|| self.root.clone(), |prefix| self.path(prefix));
        stream::try_unfold((self.root.clone(), vec![below]), |(root, mut folders)| async move {
            let Some(folder) = folders.pop() else { return Ok(None) };
            let mut found = Vec::new();
            let mut entries = match fs::read_dir(folder).await {
                Err(error) if is_absent(&error) => return Ok(Some((found, (root, folders)))),
                entries => entries.map_err(unavailable)?,
            };
            while let Some(entry) = entries.next_entry().await.map_err(unavailable)? {
                let path = entry.path();
                let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
                match entry.metadata().await {
                    Err(error) if is_absent(&error) => {}
                    Ok(metadata) if metadata.is_dir() => folders.push(path),
                    metadata => {
                        let metadata = metadata.map_err(unavailable)?;
                        // What is no key is not ours.
                        found.extend(BlobKey::new(name).ok().map(|key| meta(key, &metadata)));
                    }
                }
            }
            Ok(Some((found, (root, folders))))
        })
        .map_ok(stream::iter)
        .try_flatten()
        .boxed()
    }
}

fn meta(key: BlobKey, metadata: &std::fs::Metadata) -> Result<BlobMeta> {
    let modified = metadata.modified().map_err(unavailable)?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let modified = Timestamp::from_micros(i64::try_from(modified.as_micros()).unwrap_or(i64::MAX));
    Ok(BlobMeta { key, size: metadata.len(), modified })
}

/// Nothing is there, or a folder, or the way leads through a file.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::NotADirectory)
}

fn unavailable(error: io::Error) -> Error {
    if error.kind() == ErrorKind::StorageFull {
        let kind = medianest_core::ErrorKind::StorageFull;
        return Error::new(kind, "storage_full", "there is no room left to store bytes").caused_by(error);
    }
    Error::unavailable("storage_unavailable", "the blob folder cannot be used").caused_by(error)
}
