//! Whether what the process stands on is there.

use medianest_core::{BlobKey, Engine, Error, Result};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// A dependency that does not answer in this time is away.
const PATIENCE: Duration = Duration::from_secs(5);
/// What was seen is told again for so long: asking costs the same however many ask.
const FRESH: Duration = Duration::from_secs(2);

/// Looks at the dependencies of a process; cheap to clone.
#[derive(Clone)]
pub(crate) struct Health {
    engine: Engine,
    more: Vec<(&'static str, Look)>,
    seen: Arc<Mutex<Option<(Instant, Seen)>>>,
}

type Look = Arc<dyn Fn() -> Result<()> + Send + Sync>;
/// Each dependency, and why it is away if it is.
pub(crate) type Seen = Arc<[(&'static str, Option<Error>)]>;

impl Health {
    /// Catalog and blobs of an engine.
    pub(crate) fn of(engine: Engine) -> Self {
        Self { engine, more: Vec::new(), seen: Arc::default() }
    }

    pub(crate) fn and(
        mut self,
        name: &'static str,
        look: impl Fn() -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.more.push((name, Arc::new(look)));
        self
    }

    /// How the dependencies are, or were a moment ago.
    pub(crate) async fn look(&self) -> Seen {
        let mut seen = self.seen.lock().await;
        if let Some((at, seen)) = &*seen
            && at.elapsed() < FRESH
        {
            return Arc::clone(seen);
        }
        let (catalog, blobs) =
            tokio::join!(in_time(self.engine.catalog().check()), in_time(look_at_blobs(&self.engine)));
        let first = [("catalog", catalog.err()), ("blobs", blobs.err())];
        let more = futures::future::join_all(self.more.iter().map(|(name, look)| async {
            let look = Arc::clone(look);
            let looked = async {
                let looked = tokio::task::spawn_blocking(move || look()).await;
                looked.map_err(|source| Error::internal("a look panicked").caused_by(source))?
            };
            (*name, in_time(looked).await.err())
        }));
        let now: Seen = first.into_iter().chain(more.await).collect();
        *seen = Some((Instant::now(), Arc::clone(&now)));
        now
    }
}

async fn in_time<T>(look: impl Future<Output = Result<T>>) -> Result<()> {
    match tokio::time::timeout(PATIENCE, look).await {
        Ok(looked) => looked.map(drop),
        Err(_) => Err(Error::unavailable("no_answer", "it does not answer in time")),
    }
}

/// A look at a key that is never there: the store answers, or it does not.
async fn look_at_blobs(engine: &Engine) -> Result<()> {
    engine.blobs().head(&BlobKey::new("health")?).await.map(drop)
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}
