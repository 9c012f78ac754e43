use super::Engine;
use crate::{
    Error, ErrorKind, NewEvent, Result, Topic,
    catalog::{Intent, Purge},
    event_kinds,
};
use futures::{StreamExt, TryStreamExt};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Rows that are handled in one go.
const BATCH: u32 = 100;
/// Events that are numbered in one go.
const EVENTS: u32 = 1_000;

/// What [`Housekeeping`] has cleared away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reclaimed {
    /// Uploads that never came to an end.
    pub intents: u64,
    /// Assets whose time was over: staged and never attached, or long in the trash.
    pub assets: u64,
    /// Originals whose bytes were deleted.
    pub blobs: u64,
    /// Renditions whose bytes were deleted.
    pub renditions: u64,
}

/// What some process must do now and then; see [`Engine::housekeeping`]. Any number may run at once.
#[derive(Debug)]
#[must_use = "housekeeping does nothing until it is run"]
pub struct Housekeeping {
    engine: Engine,
    shutdown: CancellationToken,
}

impl Housekeeping {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, shutdown: CancellationToken::new() }
    }

    /// Stops when this token is cancelled.
    pub fn shutdown(mut self, token: CancellationToken) -> Self {
        self.shutdown = token;
        self
    }

    /// Runs until it is told to stop. What goes wrong is logged and tried again.
    pub async fn run(self) {
        let lease = self.engine.options().lease;
        futures::join!(
            self.sequence_events(),
            self.every(lease / 2, "take jobs from dead workers", || self.recover()),
            self.every(Duration::from_secs(60), "reclaim storage", || async {
                self.reclaim().await.map(drop)
            }),
            self.every(Duration::from_secs(600), "trim old rows", || self.trim()),
        );
    }

    /// Does all of it once.
    ///
    /// # Errors
    /// The first thing that goes wrong.
    pub async fn once(&self) -> Result<Reclaimed> {
        self.recover().await?;
        let reclaimed = self.reclaim().await?;
        self.trim().await?;
        while self.engine.catalog().sequence(EVENTS).await? > 0 {
            self.engine.bus().wake(Topic::Numbered);
        }
        Ok(reclaimed)
    }

    async fn every<F: Future<Output = Result<()>>>(
        &self,
        period: Duration,
        what: &str,
        work: impl Fn() -> F,
    ) {
        while !self.shutdown.is_cancelled() {
            if let Err(error) = work().await {
                tracing::warn!(error = %error.report(), "cannot {what}");
            }
            tokio::select! {
                () = self.shutdown.cancelled() => {}
                () = tokio::time::sleep(period) => {}
            }
        }
    }

    /// Numbers events as they are committed.
    async fn sequence_events(&self) {
        let mut committed = self.engine.bus().subscribe(Topic::Committed);
        let poll = self.engine.options().poll;
        loop {
            match self.engine.catalog().sequence(EVENTS).await {
                Ok(0) => {}
                Ok(_) => {
                    self.engine.bus().wake(Topic::Numbered);
                    continue;
                }
                Err(error) => tracing::warn!(error = %error.report(), "cannot number events"),
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                _ = committed.next() => {}
                () = tokio::time::sleep(poll) => {}
            }
        }
    }

    /// Takes jobs from workers that have not been heard of for a lease.
    async fn recover(&self) -> Result<()> {
        loop {
            let jobs = self.engine.catalog().expired_leases(BATCH).await?;
            let more = jobs.len() as u32 == BATCH;
            for job in jobs {
                let error = Error::media("worker_lost", "the worker was lost while it did this job");
                let failed = self.engine.failed_attempt(&job, &error, true).await;
                tracing::warn!(job = %job.id, worker = job.worker.as_deref(), crashes = job.crashes + 1, "a lease ran out");
                match self.engine.catalog().fail(&job.fence(), failed).await {
                    // Somebody else was quicker.
                    Err(error) if error.kind() == ErrorKind::Fenced => {}
                    other => other?,
                }
                self.engine.bus().wake(Topic::Jobs);
                self.engine.bus().wake(Topic::Committed);
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Deletes what nobody needs: bytes of uploads that never ended, assets whose time is over, bytes
    /// whose rows are long gone. Rows first, bytes second.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn reclaim(&self) -> Result<Reclaimed> {
        let mut reclaimed = Reclaimed::default();
        let (catalog, options) = (self.engine.catalog(), self.engine.options());
        loop {
            let intents = catalog.take_expired_intents(BATCH, options.intent_ttl).await?;
            for intent in &intents {
                self.delete_intent(intent).await?;
                reclaimed.intents += 1;
            }
            if (intents.len() as u32) < BATCH {
                break;
            }
        }
        loop {
            let assets = catalog.expired_assets(options.trash_retention, BATCH).await?;
            for asset in &assets {
                let data = serde_json::json!({ "asset_id": asset.id });
                let event = NewEvent::in_library(
                    asset.tenant,
                    asset.library_id,
                    event_kinds::ASSET_DELETED,
                    self.engine.now(),
                    data,
                );
                let (trash, retention) = (Some(options.trash_retention), options.delete_retention);
                if catalog.delete_asset(asset.tenant, asset.id, trash, retention, event).await? {
                    reclaimed.assets += 1;
                    self.engine.bus().wake(Topic::Committed);
                }
            }
            if (assets.len() as u32) < BATCH {
                break;
            }
        }
        loop {
            let purges = catalog.begin_purge(BATCH).await?;
            for purge in &purges {
                match purge {
                    Purge::Blob { key, .. } => {
                        self.engine.blobs().delete(key).await?;
                        reclaimed.blobs += 1;
                    }
                    Purge::Rendition { folder, .. } => {
                        self.delete_folder(folder).await?;
                        reclaimed.renditions += 1;
                    }
                }
                catalog.finish_purge(purge).await?;
            }
            if (purges.len() as u32) < BATCH {
                return Ok(reclaimed);
            }
        }
    }

    async fn delete_intent(&self, intent: &Intent) -> Result<()> {
        self.engine.blobs().delete(&intent.key).await?;
        self.engine.catalog().close_intent(intent.id).await
    }

    async fn delete_folder(&self, folder: &crate::BlobKey) -> Result<()> {
        let mut stored = self.engine.blobs().list(Some(folder));
        while let Some(blob) = stored.try_next().await? {
            self.engine.blobs().delete(&blob.key).await?;
        }
        Ok(())
    }

    async fn trim(&self) -> Result<()> {
        let (catalog, options) = (self.engine.catalog(), self.engine.options());
        const ROWS: u32 = 1_000;
        while catalog.trim_jobs(options.job_retention, ROWS).await? == u64::from(ROWS) {}
        while catalog.trim_events(options.event_retention, ROWS).await? == u64::from(ROWS) {}
        Ok(())
    }
}
