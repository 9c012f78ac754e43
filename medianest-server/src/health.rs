//! Whether what the process stands on is there.

use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use medianest_core::{BlobKey, Engine, Error, Result, StoreName};
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
    looks: Vec<Look>,
    seen: Arc<Mutex<Option<(Instant, Seen)>>>,
    #[cfg(feature = "standalone")]
    last: Arc<std::sync::Mutex<Option<Seen>>>,
}

/// Each dependency, as it was seen.
pub(crate) type Seen = Arc<[Dependency]>;

/// Something that a process stands on.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: Arc<str>,
    pub(crate) need: Need,
    /// Why it is away, if it is.
    pub(crate) error: Option<Error>,
}

/// What a process is without something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It cannot do its work.
    Vital,
    /// It goes on, and does less.
    Partial,
}

impl Need {
    /// Without the default store nothing goes in; without another, some libraries rest.
    pub(crate) fn of(store: &StoreName) -> Self {
        if *store == StoreName::DEFAULT { Self::Vital } else { Self::Partial }
    }
}

/// What a store is called among the dependencies.
pub(crate) fn store_name(store: &StoreName) -> String {
    format!("store {store}")
}

#[derive(Clone)]
struct Look {
    name: Arc<str>,
    need: Need,
    look: Arc<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>,
}

impl Health {
    /// Catalog and stores of an engine.
    pub(crate) fn of(engine: &Engine) -> Self {
        let rows = Arc::clone(engine.catalog());
        let mut health = Self {
            looks: Vec::new(),
            seen: Arc::default(),
            #[cfg(feature = "standalone")]
            last: Arc::default(),
        }
        .and("catalog", Need::Vital, move || {
            let rows = Arc::clone(&rows);
            async move { rows.check().await.map(drop) }
        });
        for store in engine.stores() {
            let blobs = Arc::clone(store.blobs());
            health = health.and(&store_name(store.name()), Need::of(store.name()), move || {
                let blobs = Arc::clone(&blobs);
                // A key that is never there: the store answers, or it does not.
                async move { blobs.head(&BlobKey::new("health")?).await.map(drop) }
            });
        }
        health
    }

    pub(crate) fn and<F>(
        mut self,
        name: &str,
        need: Need,
        look: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.looks.push(Look { name: name.into(), need, look: Arc::new(move || look().boxed()) });
        self
    }

    /// With a look that blocks for a moment.
    pub(crate) fn and_blocking(
        self,
        name: &str,
        need: Need,
        look: impl Fn() -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let look = Arc::new(look);
        self.and(name, need, move || {
            let look = Arc::clone(&look);
            async move {
                let looked = tokio::task::spawn_blocking(move || look()).await;
                looked.map_err(|source| Error::internal("a look panicked").caused_by(source))?
            }
        })
    }

    /// How the dependencies are, or were a moment ago.
    pub(crate) async fn look(&self) -> Seen {
        let mut seen = self.seen.lock().await;
        if let Some((at, seen)) = &*seen
            && at.elapsed() < FRESH
        {
            return Arc::clone(seen);
        }
        let now: Seen = join_all(self.looks.iter().map(Look::once)).await.into();
        *seen = Some((Instant::now(), Arc::clone(&now)));
        #[cfg(feature = "standalone")]
        self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).replace(Arc::clone(&now));
        now
    }

    /// How the dependencies were when somebody last looked, without waiting for them.
    #[cfg(feature = "standalone")]
    pub(crate) fn seen(&self) -> Option<Seen> {
        self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl Look {
    async fn once(&self) -> Dependency {
        let looked = tokio::time::timeout(PATIENCE, (self.look)()).await;
        let looked =
            looked.unwrap_or_else(|_| Err(Error::unavailable("no_answer", "it does not answer in time")));
        Dependency { name: Arc::clone(&self.name), need: self.need, error: looked.err() }
    }
}

impl Dependency {
    pub(crate) fn is_up(&self) -> bool {
        self.error.is_none()
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.looks.iter().map(|look| &look.name)).finish()
    }
}
