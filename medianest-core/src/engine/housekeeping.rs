use super::Engine;
use crate::{
    Asset, BlobKey, BlobStore, Error, ErrorKind, Fence, Job, NewEvent, Result, Topic,
    catalog::{Aging, Intent, Purge},
    event_kinds,
};
use futures::{StreamExt, TryStreamExt};
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Rows that are handled in one go.
const BATCH: u32 = 100;
/// Events that are numbered in one go.
const EVENTS: u32 = 1_000;
/// Old rows that are deleted in one go.
const ROWS: u32 = 1_000;
/// Periods are not shorter, whatever the retention.
const SHORTEST_PERIOD: Duration = Duration::from_secs(3600);
/// Jobs of dead workers that are taken in one go.
const SILENT: u32 = 1_000;

/// How long a put may be silent before what is left of it is cleared away.
const UNFINISHED_FOR: Duration = Duration::from_secs(24 * 3600);

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
        let silent = Mutex::new(HashSet::new());
        // A little longer than it takes a worker to be heard of.
        let look = self.engine.options().lease * 2 / 5;
        futures::join!(
            self.sequence_events(),
            self.every(look, "take jobs from dead workers", || self.recover(&silent)),
            self.every(Duration::from_secs(60), "reclaim storage", || async {
                self.reclaim().await.map(drop)
            }),
            self.every(Duration::from_secs(600), "trim old rows", || self.trim()),
            self.every(Duration::from_secs(3600), "clear away unfinished bytes", || self.sweep()),
        );
    }

    /// Does all of it once, or less when it is told to stop. Takes the jobs of all workers whose leases have
    /// run out, without a second look.
    ///
    /// # Errors
    /// The first thing that goes wrong; what does not depend on it is done all the same.
    pub async fn once(&self) -> Result<Reclaimed> {
        for job in self.engine.catalog().expired_leases(SILENT).await? {
            self.take_back(&job).await?;
        }
        let reclaimed = self.reclaim().await;
        self.trim().await?;
        while self.engine.catalog().sequence(EVENTS).await? > 0 {
            self.engine.bus().wake(Topic::Numbered);
        }
        reclaimed
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

    /// Takes jobs from workers that have not been heard of for a lease, and were `silent` already when it
    /// looked the last time. After the machine slept, or the database was away, all leases have run out:
    /// those who live are heard of between two looks.
    async fn recover(&self, silent: &Mutex<HashSet<Fence>>) -> Result<()> {
        let before = std::mem::take(&mut *silent.lock().unwrap_or_else(PoisonError::into_inner));
        let jobs = self.engine.catalog().expired_leases(SILENT).await?;
        *silent.lock().unwrap_or_else(PoisonError::into_inner) = jobs.iter().map(Job::fence).collect();
        for job in jobs.iter().filter(|job| before.contains(&job.fence())) {
            self.take_back(job).await?;
        }
        Ok(())
    }

    async fn take_back(&self, job: &Job) -> Result<()> {
        match self.engine.record_lost_worker(job).await {
            // It was heard of, or somebody else was quicker.
            Err(error) if error.kind() == ErrorKind::Fenced => return Ok(()),
            other => other?,
        }
        tracing::warn!(job = %job.id, worker = job.worker.as_deref(), crashes = job.crashes + 1, "a lease ran out");
        self.engine.bus().wake(Topic::Jobs);
        self.engine.bus().wake(Topic::Committed);
        Ok(())
    }

    /// Deletes what nobody needs: bytes of uploads that never ended, assets whose time is over, bytes
    /// whose rows are long gone. Rows first, bytes second. What cannot be deleted is left for the next
    /// time, and is in nobody's way. Ends early when it is told to stop.
    ///
    /// # Errors
    /// The first thing that went wrong.
    pub async fn reclaim(&self) -> Result<Reclaimed> {
        let mut reclaimed = Reclaimed::default();
        let ended = [
            self.reclaim_intents(&mut reclaimed).await,
            self.reclaim_assets(&mut reclaimed).await,
            self.purge(&mut reclaimed).await,
        ];
        ended.into_iter().collect::<Result<()>>().map(|()| reclaimed)
    }

    async fn reclaim_intents(&self, reclaimed: &mut Reclaimed) -> Result<()> {
        let mut first = Ok(());
        while !self.shutdown.is_cancelled() {
            // Those that fail here do not come again before their time.
            let intents =
                self.engine.catalog().take_expired_intents(BATCH, self.engine.options().intent_ttl).await?;
            for intent in &intents {
                match self.engine.clear_away(intent).await {
                    Ok(()) => reclaimed.intents += 1,
                    Err(error) => first = first.and(Err(left(&intent.key, error))),
                }
            }
            if (intents.len() as u32) < BATCH {
                break;
            }
        }
        first
    }

    async fn reclaim_assets(&self, reclaimed: &mut Reclaimed) -> Result<()> {
        let mut first = Ok(());
        while !self.shutdown.is_cancelled() {
            let retention = self.engine.options().trash_retention;
            let assets = self.engine.catalog().expired_assets(retention, BATCH).await?;
            let mut deleted = 0;
            for asset in &assets {
                match self.delete_expired(asset).await {
                    Ok(gone) => deleted += u64::from(gone),
                    Err(error) => first = first.and(Err(error)),
                }
            }
            reclaimed.assets += deleted;
            if deleted == 0 {
                break;
            }
            self.engine.bus().wake(Topic::Committed);
        }
        first
    }

    async fn delete_expired(&self, asset: &Asset) -> Result<bool> {
        let options = self.engine.options();
        let data = serde_json::json!({ "asset_id": asset.id });
        let event = NewEvent::in_library(
            asset.tenant,
            asset.library_id,
            event_kinds::ASSET_DELETED,
            self.engine.now(),
            data,
        );
        let (trash, retention) = (Some(options.trash_retention), options.delete_retention);
        self.engine.catalog().delete_asset(asset.tenant, asset.id, trash, retention, event).await
    }

    async fn purge(&self, reclaimed: &mut Reclaimed) -> Result<()> {
        let mut first = Ok(());
        while !self.shutdown.is_cancelled() {
            let purges = self.engine.catalog().begin_purge(BATCH).await?;
            let mut deleted = 0;
            for purge in &purges {
                match self.delete_purged(purge).await {
                    Ok(()) => {
                        deleted += 1;
                        match purge {
                            Purge::Blob { .. } => reclaimed.blobs += 1,
                            Purge::Rendition { .. } => reclaimed.renditions += 1,
                        }
                    }
                    Err(error) => {
                        let (Purge::Blob { key, .. } | Purge::Rendition { folder: key, .. }) = purge;
                        first = first.and(Err(left(key, error)));
                    }
                }
            }
            if deleted == 0 {
                break;
            }
        }
        first
    }

    async fn delete_purged(&self, purge: &Purge) -> Result<()> {
        match purge {
            Purge::Blob { store, key, .. } => self.engine.store(store)?.blobs().delete(key).await?,
            Purge::Rendition { store, folder, .. } => {
                delete_folder(&**self.engine.store(store)?.blobs(), folder).await?;
            }
        }
        self.engine.catalog().finish_purge(purge).await
    }

    async fn sweep(&self) -> Result<()> {
        let mut first = Ok(());
        for store in self.engine.stores() {
            match store.blobs().sweep(UNFINISHED_FOR).await {
                Ok(0) => {}
                Ok(puts) => {
                    tracing::info!(puts, store = %store.name(), "cleared away what was left of puts whose process died");
                }
                Err(error) => first = first.and(Err(error.with("store", store.name()))),
            }
        }
        first
    }

    async fn trim(&self) -> Result<()> {
        let mut first = Ok(());
        for of in Aging::ALL {
            first = first.and(self.trim_aging(of).await);
        }
        first
    }

    /// Where rows lie in periods, a quarter of their retention each, they go with these; one by one go those
    /// that did not, such as the ones of before, and all where periods can be neither begun nor ended.
    async fn trim_aging(&self, of: Aging) -> Result<()> {
        let catalog = self.engine.catalog();
        let retention = match of {
            Aging::Jobs => self.engine.options().job_retention,
            Aging::Events => self.engine.options().event_retention,
            Aging::Audit => self.engine.options().audit_retention,
        };
        let length = (retention / 4).max(SHORTEST_PERIOD);
        let turned = self.turn_periods(of, length, retention).await;
        let age = if matches!(turned, Ok(true)) { retention + 2 * length } else { retention };
        while !self.shutdown.is_cancelled() {
            let rows = match of {
                Aging::Jobs => catalog.trim_jobs(age, ROWS).await?,
                Aging::Events => catalog.trim_events(age, ROWS).await?,
                Aging::Audit => catalog.trim_audit(age, ROWS).await?,
            };
            if rows < u64::from(ROWS) {
                break;
            }
        }
        turned.map(drop)
    }

    /// Begins the period that is due and ends those that are over; whether there are any.
    async fn turn_periods(&self, of: Aging, length: Duration, retention: Duration) -> Result<bool> {
        if !self.engine.catalog().begin_period(of, length).await? {
            return Ok(false);
        }
        while !self.shutdown.is_cancelled() && self.end_period(of, retention).await? {}
        Ok(true)
    }

    async fn end_period(&self, of: Aging, age: Duration) -> Result<bool> {
        match self.engine.catalog().end_period(of, age).await {
            // Next time, then.
            Err(error) if error.code() == "database_busy" => Ok(false),
            ended => ended,
        }
    }
}

impl Engine {
    /// Deletes what was written under an intent that we have taken, and forgets it.
    pub(super) async fn clear_away(&self, intent: &Intent) -> Result<()> {
        let blobs = self.store(&intent.store)?.blobs();
        match intent.key.is_folder() {
            true => delete_folder(&**blobs, &intent.key).await?,
            false => blobs.delete(&intent.key).await?,
        }
        self.catalog().close_intent(intent.id).await
    }
}

async fn delete_folder(blobs: &dyn BlobStore, folder: &BlobKey) -> Result<()> {
    let mut stored = blobs.list(Some(folder));
    while let Some(blob) = stored.try_next().await? {
        blobs.delete(&blob.key).await?;
    }
    Ok(())
}

/// Says that bytes could not be deleted; they are tried again.
fn left(key: &BlobKey, error: Error) -> Error {
    tracing::warn!(%key, error = %error.report(), "cannot delete bytes that nobody needs");
    error
}
