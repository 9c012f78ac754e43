use super::{
    Wanted,
    queue::{BATCH, Queue, TURN, Turn},
};
use medianest_core::{Error, ErrorKind, EventBus, JobKind, Result, Topic, catalog::Catalog};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// How often Redis is looked at, whether it is still fit to hold ids.
const LOOK: Duration = Duration::from_secs(30);
/// The same while it is away, or not fit.
const LOOK_SOON: Duration = Duration::from_secs(2);

/// Reads ids from the catalog when they are wanted.
pub(super) struct Feeder {
    queue: Arc<Queue>,
    wanted: Arc<Wanted>,
    catalog: Arc<dyn Catalog>,
    bus: Arc<dyn EventBus>,
    /// Kinds that others were reading when they were wanted, and which reading that was.
    waiting: BTreeMap<JobKind, Option<u64>>,
    /// Why Redis may not hold ids, as it was told last.
    refused: Option<String>,
}

impl Feeder {
    pub(super) fn new(
        queue: Arc<Queue>,
        wanted: Arc<Wanted>,
        catalog: Arc<dyn Catalog>,
        bus: Arc<dyn EventBus>,
    ) -> Self {
        Self { queue, wanted, catalog, bus, waiting: BTreeMap::new(), refused: None }
    }

    /// Looks whether Redis is fit, and takes anything. When it is away nothing is changed.
    ///
    /// # Errors
    /// `redis_evicts`, `redis_too_old`.
    pub(super) async fn look(&mut self) -> Result<()> {
        let servers = match self.queue.redis.servers().await {
            Err(error) if error.kind() == ErrorKind::Unavailable => return Ok(()),
            servers => servers?,
        };
        let fit = servers.iter().try_for_each(|server| server.check_version().and(server.check_eviction()));
        let takes = fit.is_ok() && self.queue.redis.check().await.is_ok();
        self.wanted.admitted.store(takes, Ordering::Release);
        fit
    }

    pub(super) async fn run(&mut self) {
        let mut next_look = self.after_look(Ok(()));
        loop {
            let retry = Instant::now() + TURN;
            tokio::select! {
                () = self.wanted.some.notified() => {}
                () = sleep_until(retry), if !self.waiting.is_empty() => {}
                () = sleep_until(next_look) => {
                    let looked = self.look().await;
                    next_look = self.after_look(looked);
                }
            }
            for kind in self.wanted.take() {
                // Whatever is being read now may have begun before.
                self.waiting.insert(kind, None);
            }
            for (kind, seen) in std::mem::take(&mut self.waiting) {
                match self.feed(kind, seen).await {
                    Ok(None) => {}
                    Ok(Some(reading)) => {
                        self.waiting.insert(kind, Some(reading));
                    }
                    // It may be full, and would go on answering that there is nothing to do.
                    Err(error) => {
                        tracing::debug!(error = %error.report(), kind = kind.as_str(), "cannot feed redis");
                        self.wanted.admitted.store(false, Ordering::Release);
                        next_look = Instant::now() + LOOK_SOON;
                        self.bus.wake(Topic::Jobs);
                    }
                }
            }
        }
    }

    fn after_look(&mut self, looked: Result<()>) -> Instant {
        let refused = looked.err().map(|error: Error| error.report());
        if let Some(error) = refused.as_ref().filter(|error| Some(*error) != self.refused.as_ref()) {
            tracing::error!(%error, "redis does not hand out jobs; the catalog does");
        }
        self.refused = refused;
        let admitted = self.wanted.admitted.load(Ordering::Acquire);
        Instant::now() + if admitted { LOOK } else { LOOK_SOON }
    }

    /// Reads the catalog when it is our turn; else which reading is to be waited for: one that began
    /// after `seen`, and so after the ids were wanted, will do.
    async fn feed(&self, kind: JobKind, seen: Option<u64>) -> Result<Option<u64>> {
        match self.queue.turn(kind).await? {
            Turn::Others(reading) if seen.is_none_or(|seen| seen == reading) => return Ok(Some(reading)),
            Turn::Others(_) => return Ok(None),
            Turn::Ours => {}
        }
        let jobs = self.catalog.runnable(kind, BATCH).await?;
        if self.queue.fill(kind, &jobs).await? > 0 {
            self.bus.wake(Topic::Jobs);
        }
        Ok(None)
    }
}
