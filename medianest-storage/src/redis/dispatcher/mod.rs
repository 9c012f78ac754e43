mod feeder;
mod queue;

use super::Redis;
use async_trait::async_trait;
use feeder::Feeder;
use medianest_core::{Dispatcher, EventBus, JobId, JobKind, Result, catalog::Catalog};
use queue::Queue;
use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{sync::Notify, task::JoinSet};

/// Hands out jobs through Redis, so that many workers do not all search the catalog.
///
/// Redis holds the first thousand runnable ids of each kind, and each worker takes some of them away. A
/// worker that leaves few behind, or finds that they were read two seconds ago, asks for more, and of all
/// processes that ask at the same time one reads the catalog. So it does not matter what Redis forgets: what
/// is not there is read again, and ids that are there wrongly are claimed in vain.
///
/// While Redis is away or full, or would throw ids away when it is full, the catalog chooses.
pub struct RedisDispatcher {
    queue: Arc<Queue>,
    wanted: Arc<Wanted>,
    /// Ended when the dispatcher is dropped.
    _feeder: JoinSet<()>,
}

/// What the feeder is to do, and whether it may.
#[derive(Default)]
struct Wanted {
    kinds: Mutex<BTreeSet<JobKind>>,
    some: Notify,
    /// Redis was looked at, and is fit for it.
    admitted: AtomicBool,
}

impl RedisDispatcher {
    /// Hands out the jobs of this catalog. `bus` wakes the workers when there are ids to be taken. To be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// `redis_evicts` and `redis_too_old` (Unsupported), which say what to do. That Redis is away is no
    /// error: it is looked at when it is there.
    pub async fn start(redis: Redis, catalog: Arc<dyn Catalog>, bus: Arc<dyn EventBus>) -> Result<Self> {
        let (queue, wanted) = (Arc::new(Queue::new(redis)), Arc::new(Wanted::default()));
        let mut feeder = Feeder::new(Arc::clone(&queue), Arc::clone(&wanted), catalog, bus);
        feeder.look().await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { feeder.run().await });
        Ok(Self { queue, wanted, _feeder: tasks })
    }
}

impl fmt::Debug for RedisDispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisDispatcher").finish_non_exhaustive()
    }
}

#[async_trait]
impl Dispatcher for RedisDispatcher {
    async fn next(&self, kind: JobKind, limit: u32) -> Option<Vec<JobId>> {
        if !self.wanted.admitted.load(Ordering::Acquire) {
            return None;
        }
        match self.queue.take(kind, limit).await {
            Ok((ids, wants_more)) => {
                if wants_more {
                    self.wanted.add(kind);
                }
                Some(ids)
            }
            Err(error) => {
                tracing::debug!(error = %error.report(), "cannot ask redis for jobs; the catalog chooses");
                None
            }
        }
    }
}

impl Wanted {
    fn add(&self, kind: JobKind) {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner).insert(kind);
        self.some.notify_one();
    }

    fn take(&self) -> BTreeSet<JobKind> {
        std::mem::take(&mut self.kinds.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
