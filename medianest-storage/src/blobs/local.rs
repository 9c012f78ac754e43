use super::{
    error::{from_io, from_join},
    parts::Parts,
};
use medianest_core::{BlobKey, Result};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::task::{JoinHandle, spawn_blocking};
use uuid::Uuid;

/// A blob is written in parts of this size, each by one blocking task while the next is gathered: no
/// thread waits for a slow sender.
const PART: usize = 1024 * 1024;

/// Holds what is being written; no [`BlobKey`] has an `@`.
const STAGING: &str = "@staging";

/// A part on its way to the disk, with its buffer to use again.
type Writing = JoinHandle<io::Result<(Staged, Vec<u8>)>>;

async fn written(write: Writing) -> Result<(Staged, Vec<u8>)> {
    write.await.map_err(from_join)?.map_err(from_io)
}

/// Writes files that appear under their name as a whole, durably, or not at all.
///
/// `LocalFileSystem` of object_store does so too, but puts unfinished files beside finished ones, where
/// nobody finds what a killed process left. Here each process writes in a folder of its own below
/// `@staging`, under a lock that ends with it; whoever opens the store removes folders without owner.
#[derive(Debug)]
pub(super) struct LocalWriter {
    root: PathBuf,
    own: PathBuf,
    next: AtomicU64,
    /// Held while folders are made, until they are durable.
    making_folders: Mutex<()>,
    _owner: File,
}

impl LocalWriter {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let staging = root.join(STAGING);
        fs::create_dir_all(&staging)?;
        let root = fs::canonicalize(root)?;
        sync_folder(&root)?;
        if let Some(parent) = root.parent() {
            sync_folder(parent)?;
        }
        // Opening is one at a time, so that nobody's folder is seen between its making and its locking.
        // Where the file system has no locks, what a killed process left stays.
        let door = File::create(staging.join("door"))?;
        if door.lock().is_ok() {
            remove_orphans(&staging)?;
        }
        let own = staging.join(Uuid::now_v7().simple().to_string());
        let owner = File::create(own.with_extension("lock"))?;
        let _ = owner.lock();
        fs::create_dir(&own)?;
        Ok(Self { root, own, next: AtomicU64::new(0), making_folders: Mutex::new(()), _owner: owner })
    }

    pub(super) async fn put(self: &Arc<Self>, key: &BlobKey, mut parts: Parts) -> Result<u64> {
        let (mut part, mut size) = (Vec::new(), 0);
        let mut writing: Option<Writing> = None;
        loop {
            parts.fill(&mut part, PART).await?;
            size += part.len() as u64;
            let last = part.len() < PART;
            let (staged, spare) = match writing.take() {
                Some(write) => written(write).await.map(|(staged, part)| (Some(staged), part))?,
                None => (None, Vec::new()),
            };
            let (writer, path) = (Arc::clone(self), self.root.join(key.as_str()));
            let write = spawn_blocking(move || {
                let mut staged = staged.map_or_else(|| writer.stage(), Ok)?;
                staged.file.write_all(&part)?;
                if last {
                    staged.publish(&path)?;
                }
                Ok((staged, part))
            });
            if last {
                return written(write).await.map(|_| size);
            }
            (writing, part) = (Some(write), spare);
        }
    }

    fn stage(self: Arc<Self>) -> io::Result<Staged> {
        let path = self.own.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let file = File::create_new(&path)?;
        Ok(Staged { file, path, writer: self })
    }

    /// Makes the folders of a path and lets them survive the loss of power.
    fn make_folders(&self, path: &Path) -> io::Result<()> {
        let _making = self.making_folders.lock().unwrap_or_else(PoisonError::into_inner);
        let parents = || path.ancestors().skip(1).take_while(|parent| parent.starts_with(&self.root));
        let missing = parents().take_while(|parent| !parent.exists()).count();
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        parents().take(missing + 1).try_for_each(sync_folder)
    }
}

impl Drop for LocalWriter {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.own);
        let _ = fs::remove_file(self.own.with_extension("lock"));
    }
}

/// A file that nobody sees yet; gone when dropped before it was published.
struct Staged {
    file: File,
    path: PathBuf,
    writer: Arc<LocalWriter>,
}

impl Staged {
    fn publish(&mut self, to: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        let mut renamed = fs::rename(&self.path, to);
        // Whoever deletes the last blob of a folder deletes the folder, maybe just now.
        for _ in 0..100 {
            match renamed {
                Err(error) if error.kind() == io::ErrorKind::NotFound => match self.writer.make_folders(to) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => renamed = fs::rename(&self.path, to),
                },
                _ => break,
            }
        }
        renamed?;
        self.path.clear();
        // The folder may be there and not durable: another task is making it.
        drop(self.writer.making_folders.lock().unwrap_or_else(PoisonError::into_inner));
        to.parent().map_or(Ok(()), sync_folder)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        let path = std::mem::take(&mut self.path);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || fs::remove_file(path))),
            Err(_) => drop(fs::remove_file(path)),
        }
    }
}

fn remove_orphans(staging: &Path) -> io::Result<()> {
    for entry in fs::read_dir(staging)? {
        let lock = entry?.path();
        if lock.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        if File::open(&lock)?.try_lock().is_ok() {
            match fs::remove_dir_all(lock.with_extension("")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => fs::remove_file(lock)?,
            }
        }
    }
    Ok(())
}

/// Makes new and changed entries of a folder durable. Elsewhere than on Unix a folder cannot be
/// synced; there the file system's journal has to do.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
