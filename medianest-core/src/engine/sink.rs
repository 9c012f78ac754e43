//! Parts on their way from a processor into blobs and rows.

use super::{Engine, Store};
use crate::{
    Asset, BlobKey, BlobStore, BlobStoreExt, Error, ErrorKind, Failure, Fence, NewEvent, NewPart, Part,
    PartSink, RenderTask, RenditionInfo, Result, Topic, catalog::FinishedRendition, event_kinds,
};
use futures::TryStreamExt;
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};
use tokio::runtime::Handle;

/// What a job and its heartbeat share.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// The job was called off, or its lease is lost.
    stop: AtomicBool,
    /// Bits of an f32.
    progress: AtomicU32,
}

impl Pulse {
    pub(super) fn progress(&self) -> f32 {
        f32::from_bits(self.progress.load(Ordering::Relaxed))
    }

    /// Tells how far the job has come, 0 to 1.
    pub(super) fn come(&self, done: f32) {
        self.progress.store(done.clamp(0.0, 1.0).to_bits(), Ordering::Relaxed);
    }

    /// Tells the job to stop.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Cancelled, "cancelled", "the job was called off"));
        }
        Ok(())
    }
}

/// Tells a job to stop when nobody waits for it any more.
pub(super) struct StopOnDrop(pub(super) Arc<Pulse>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Stores parts as they come and records each under the fence of the job. Must be used outside of
/// the runtime's own threads.
pub(super) struct JobSink {
    pub(super) engine: Engine,
    pub(super) runtime: Handle,
    pub(super) asset: Asset,
    pub(super) fence: Fence,
    pub(super) pulse: Arc<Pulse>,
    pub(super) tasks: Vec<RenderTask>,
    /// Where the parts of each task go.
    pub(super) stores: Vec<Store>,
    /// Tasks by index that have been finished.
    pub(super) finished: HashSet<usize>,
}

impl JobSink {
    fn task(&self, task: usize) -> Result<&RenderTask> {
        self.tasks
            .get(task)
            .ok_or_else(|| Error::internal("the processor named a task that it was not given"))
    }

    /// Of a task that there is.
    fn blobs(&self, task: usize) -> &dyn BlobStore {
        &**self.stores[task].blobs()
    }

    async fn store(&self, task: usize, part: NewPart) -> Result<()> {
        let rendition = self.task(task)?.rendition;
        let folder = BlobKey::rendition(self.asset.tenant, rendition);
        let row = Part {
            ordinal: part.ordinal,
            key: folder.part(part.ordinal, self.fence.attempt),
            size: part.bytes.len() as u64,
            duration_us: part.duration_us,
        };
        let blobs = self.blobs(task);
        blobs.put_bytes(&row.key, part.bytes).await?;
        let committed = self.engine.catalog().commit_part(&self.fence, rendition, &row).await;
        if let Err(error) = &committed
            && matches!(error.kind(), ErrorKind::Fenced | ErrorKind::NotFound)
        {
            // Refused: nobody will ever read it. After any other error the row may be there; what is left
            // over goes with the next attempt, or with the folder.
            let _ = blobs.delete(&row.key).await;
        }
        committed
    }

    /// Deletes what interrupted attempts left in the folder beside the parts that count.
    async fn sweep(&self, task: usize, rendition: crate::RenditionId) -> Result<()> {
        let (blobs, folder) = (self.blobs(task), BlobKey::rendition(self.asset.tenant, rendition));
        let parts = self.engine.catalog().list_parts(rendition).await?;
        let counted: HashSet<_> = parts.into_iter().map(|part| part.key).collect();
        let mut stored = blobs.list(Some(&folder));
        while let Some(blob) = stored.try_next().await? {
            if !counted.contains(&blob.key) {
                blobs.delete(&blob.key).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn end(&mut self, task: usize, outcome: Result<RenditionInfo, Failure>) -> Result<()> {
        let RenderTask { rendition, name, .. } = self.task(task)?.clone();
        if !self.finished.insert(task) {
            return Err(Error::internal("the processor finished a task twice").with("variant", name));
        }
        if self.fence.attempt > 1 {
            self.sweep(task, rendition).await?;
        }
        let now = self.engine.now();
        let (kind, failure) = match &outcome {
            Ok(_) => (event_kinds::RENDITION_READY, None),
            Err(failure) => (event_kinds::RENDITION_FAILED, Some(failure)),
        };
        let data = serde_json::json!({ "asset_id": self.asset.id, "variant": name, "failure": failure });
        let finished = FinishedRendition {
            id: rendition,
            outcome,
            retention: self.engine.options().delete_retention,
            at: now,
            event: NewEvent::in_library(self.asset.tenant, self.asset.library_id, kind, now, data),
            settled_events: self.engine.settled_events(&self.asset),
        };
        match self.engine.catalog().finish_rendition(&self.fence, finished).await {
            // Replaced while it was made: its successor has a job of its own.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                self.engine.bus().wake(Topic::Committed);
                Ok(())
            }
        }
    }
}

impl PartSink for JobSink {
    fn part(&mut self, task: usize, part: NewPart) -> Result<()> {
        self.pulse.check()?;
        let runtime = self.runtime.clone();
        match runtime.block_on(self.store(task, part)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn finish(&mut self, task: usize, outcome: Result<RenditionInfo, Failure>) -> Result<()> {
        let runtime = self.runtime.clone();
        runtime.block_on(self.end(task, outcome))
    }

    fn progress(&mut self, done: f32) -> Result<()> {
        self.pulse.come(done);
        self.pulse.check()
    }
}
