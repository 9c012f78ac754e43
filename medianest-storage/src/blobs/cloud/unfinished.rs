//! Multipart uploads that are found again when the process that made them died.
//!
//! Not every store can list unfinished uploads, and where they are not aborted they cost money for
//! ever. So each is noted in the store itself, in a folder that no [`BlobKey`](medianest_core::BlobKey)
//! can name, before its first part; the note is renewed while parts flow, and goes with the upload.

use super::{super::error::unavailable, CloudStore};
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use medianest_core::{Clock, Result, SystemClock, Timestamp};
use object_store::{
    Error as StoreError, MultipartId, MultipartUpload, ObjectStoreExt, PutPayload, PutResult, UploadPart,
    multipart::PartId, path::Path,
};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Where the notes are.
const FOLDER: &str = "@unfinished";
/// How often the note of an upload that grows is renewed.
const RENEW: Duration = Duration::from_secs(3600);

/// What is noted of an upload.
#[derive(Deserialize, Serialize)]
pub(super) struct Note {
    pub(super) path: String,
    pub(super) upload: MultipartId,
}

impl Note {
    #[cfg(feature = "s3")]
    pub(super) async fn write(&self, store: &dyn CloudStore, name: Uuid) -> object_store::Result<()> {
        store.put(&place(name), self.text()?.into()).await.map(drop)
    }

    fn text(&self) -> object_store::Result<Bytes> {
        let text = serde_json::to_vec(self);
        Ok(text.map_err(|source| StoreError::Generic { store: "note", source: source.into() })?.into())
    }
}

fn place(name: Uuid) -> Path {
    Path::from_iter([FOLDER, &name.simple().to_string()])
}

/// Whether the upload of this note has neither been completed nor aborted.
#[cfg(feature = "s3")]
pub(super) async fn is_noted(store: &dyn CloudStore, name: Uuid) -> object_store::Result<bool> {
    match store.head(&place(name)).await {
        Ok(_) => Ok(true),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes a note.
#[cfg(feature = "s3")]
pub(super) async fn forget(store: &dyn CloudStore, name: Uuid) {
    remove(store, &place(name)).await;
}

async fn remove(store: &dyn CloudStore, note: &Path) {
    if let Err(error) = store.delete(note).await {
        tracing::debug!(%error, %note, "left the note of an upload to the sweeper");
    }
}

/// Begins an upload, and notes it.
pub(super) async fn begin(
    store: &Arc<dyn CloudStore>,
    path: Path,
) -> object_store::Result<Box<dyn MultipartUpload>> {
    let store = Arc::clone(store);
    // What is there now is told apart later from what we wrote.
    let replaced = etag(&*store, &path).await?;
    let id = store.create_multipart(&path).await?;
    let note = place(Uuid::now_v7());
    let mut upload = Noted {
        store,
        path,
        id,
        note,
        text: Bytes::new(),
        replaced,
        sent: Arc::default(),
        next: 0,
        noted: Instant::now(),
    };
    upload.text = Note { path: upload.path.to_string(), upload: upload.id.clone() }.text()?;
    if let Err(error) = upload.store.put(&upload.note, upload.text.clone().into()).await {
        let _ = upload.abort().await;
        return Err(error);
    }
    Ok(Box::new(upload))
}

/// Aborts the uploads that have not grown for so long, and returns how many they were.
pub(super) async fn sweep(store: &dyn CloudStore, silent_for: Duration) -> Result<u64> {
    let (now, failed) = (SystemClock.now(), unavailable);
    let mut notes = store.list(Some(&Path::from(FOLDER)));
    let mut swept = 0;
    while let Some(meta) = notes.try_next().await.map_err(failed)? {
        if now.since(Timestamp::from_micros(meta.last_modified.timestamp_micros())) < silent_for {
            continue;
        }
        let text = match store.get(&meta.location).await {
            Ok(note) => note.bytes().await.map_err(failed)?,
            // Its upload came to an end just now.
            Err(StoreError::NotFound { .. }) => continue,
            Err(error) => return Err(failed(error)),
        };
        if let Ok(note) = serde_json::from_slice::<Note>(&text) {
            match store.abort_multipart(&Path::from(note.path), &note.upload).await {
                Err(StoreError::NotFound { .. }) => {}
                aborted => aborted.map_err(failed)?,
            }
            swept += 1;
        }
        store.delete(&meta.location).await.map_err(failed)?;
    }
    Ok(swept)
}

async fn etag(store: &dyn CloudStore, path: &Path) -> object_store::Result<Option<String>> {
    match store.head(path).await {
        Ok(meta) => Ok(meta.e_tag),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What was sent of an upload.
#[derive(Default)]
struct Sent {
    parts: Vec<(usize, PartId)>,
    bytes: u64,
}

/// An upload with its note.
struct Noted {
    store: Arc<dyn CloudStore>,
    path: Path,
    id: MultipartId,
    note: Path,
    text: Bytes,
    replaced: Option<String>,
    sent: Arc<Mutex<Sent>>,
    next: usize,
    noted: Instant,
}

impl fmt::Debug for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noted").field("path", &self.path).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Noted {
    async fn forget(&self) {
        remove(&*self.store, &self.note).await;
    }

    /// Whether the store has put the parts together although it did not say so: its answer was lost, and
    /// being asked once more it knows no such upload.
    async fn is_complete(&self, size: u64) -> Option<PutResult> {
        let meta = self.store.head(&self.path).await.ok()?;
        let ours = meta.size == size && meta.e_tag.is_some() && meta.e_tag != self.replaced;
        ours.then(|| PutResult { e_tag: meta.e_tag, version: meta.version, extensions: Default::default() })
    }
}

#[async_trait]
impl MultipartUpload for Noted {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (store, path, id) = (Arc::clone(&self.store), self.path.clone(), self.id.clone());
        let (index, sent) = (self.next, Arc::clone(&self.sent));
        self.next += 1;
        let renewed = (self.noted.elapsed() >= RENEW).then(|| (self.note.clone(), self.text.clone()));
        if renewed.is_some() {
            self.noted = Instant::now();
        }
        Box::pin(async move {
            if let Some((note, text)) = renewed {
                store.put(&note, text.into()).await?;
            }
            let bytes = data.content_length() as u64;
            let part = store.put_part(&path, &id, index, data).await?;
            let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.parts.push((index, part));
            sent.bytes += bytes;
            Ok(())
        })
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        let mut sent = std::mem::take(&mut *self.sent.lock().unwrap_or_else(PoisonError::into_inner));
        sent.parts.sort_by_key(|(index, _)| *index);
        let parts = sent.parts.into_iter().map(|(_, part)| part).collect();
        let completed = match self.store.complete_multipart(&self.path, &self.id, parts).await {
            Ok(completed) => completed,
            Err(error) => self.is_complete(sent.bytes).await.ok_or(error)?,
        };
        self.forget().await;
        Ok(completed)
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        match self.store.abort_multipart(&self.path, &self.id).await {
            Err(StoreError::NotFound { .. }) => {}
            aborted => aborted?,
        }
        self.forget().await;
        Ok(())
    }
}
