//! Connections between two commands.

use sqlx::{Connection, PgConnection, Postgres, Transaction, pool::PoolConnection};
use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// A connection that was used a moment ago is taken for alive; others go back to the pool.
pub(super) const FRESH: Duration = Duration::from_secs(1);
/// So long somebody waits for a connection.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// One that has been kept here for so long goes to the pool, which ends those that are too old.
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// Connections of a pool that are never kept at hand: for those who use the pool itself, such as a bus.
const OTHERS: usize = 2;

/// Keeps connections in front of a pool that asks the server whenever one is given back: beside the small
/// statements of most commands that would be half of the round trips.
#[derive(Clone, Debug)]
pub(super) struct AtHand(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Who may have a connection: never more than the pool has, so that nobody waits in the pool for what
    /// lies here.
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicU32>,
    /// The one that was used last is the last.
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connection: PoolConnection<Postgres>,
    /// When it came from the pool.
    since: Instant,
    used: Instant,
}

impl AtHand {
    /// In front of a pool with this many connections.
    pub(super) fn new(max_connections: u32) -> Self {
        let permits = (max_connections as usize).saturating_sub(OTHERS).max(1);
        Self(Arc::new(Inner {
            permits: Arc::new(Semaphore::new(permits)),
            waiting: Arc::default(),
            idle: Mutex::default(),
        }))
    }

    /// Connections that lie here, and callers who wait for one.
    pub(super) fn idle_and_waiting(&self) -> (u32, u32) {
        let idle = u32::try_from(self.idle().len()).unwrap_or(u32::MAX);
        (idle, self.0.waiting.load(Ordering::Relaxed))
    }

    /// A connection that was used a moment ago, else what the pool gives. Whoever finds none free waits.
    ///
    /// # Errors
    /// Those of the pool.
    pub(super) async fn lease<F>(&self, pool: impl FnOnce() -> F) -> sqlx::Result<Lease>
    where
        F: Future<Output = sqlx::Result<PoolConnection<Postgres>>>,
    {
        let waiting = Waiting::begin(&self.0.waiting);
        let permit = timeout(ACQUIRE_TIMEOUT, Arc::clone(&self.0.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let (connection, since) = match self.take() {
            Some(idle) => (idle.connection, idle.since),
            None => (pool().await?, Instant::now()),
        };
        drop(waiting);
        Ok(Lease { connection: Some(connection), since, ends: false, at_hand: Some((self.clone(), permit)) })
    }

    /// Gives all back to the pool, and keeps none from now on.
    pub(super) fn close(&self) {
        self.0.permits.close();
        self.clear();
    }

    fn take(&self) -> Option<Idle> {
        let idle = self.idle().pop()?;
        if idle.used.elapsed() < FRESH {
            return Some(idle);
        }
        // Those below are older still: all go back to the pool, which asks and retires them.
        self.clear();
        None
    }

    fn clear(&self) {
        let idle = std::mem::take(&mut *self.idle());
        drop(idle);
    }

    fn keep(&self, connection: PoolConnection<Postgres>, since: Instant) {
        let mut idle = self.idle();
        if self.0.permits.is_closed() || since.elapsed() >= LONGEST {
            return;
        }
        idle.push(Idle { connection, since, used: Instant::now() });
        // After a rush those that nobody needs any more lie at the bottom.
        let spare = idle.first().is_some_and(|idle| idle.used.elapsed() >= FRESH).then(|| idle.remove(0));
        drop(idle);
        drop(spare);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits, for as long as that takes.
pub(super) struct Waiting(Arc<AtomicU32>);

impl Waiting {
    pub(super) fn begin(waiting: &Arc<AtomicU32>) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(waiting))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Outside a runtime nothing can be given back to the pool: the connections end here.
impl Drop for Inner {
    fn drop(&mut self) {
        let idle = self.idle.get_mut().unwrap_or_else(PoisonError::into_inner);
        idle.drain(..).for_each(|idle| drop(idle.connection.detach()));
    }
}

/// A connection for one command. Dropped, it goes back to the pool, which finds out what state it is in.
#[derive(Debug)]
pub(super) struct Lease {
    /// There until the lease ends.
    connection: Option<PoolConnection<Postgres>>,
    since: Instant,
    /// The connection ends with the lease.
    ends: bool,
    /// None for a pool of the host's program, where nothing is kept.
    at_hand: Option<(AtHand, OwnedSemaphorePermit)>,
}

impl From<PoolConnection<Postgres>> for Lease {
    fn from(connection: PoolConnection<Postgres>) -> Self {
        Self { connection: Some(connection), since: Instant::now(), ends: false, at_hand: None }
    }
}

impl Lease {
    /// Begins a transaction. When the caller goes away meanwhile, nobody would know of it: the connection
    /// then ends.
    pub(super) async fn begin(&mut self) -> sqlx::Result<Transaction<'_, Postgres>> {
        let Self { connection, ends, .. } = self;
        let before = std::mem::replace(ends, true);
        let transaction = connection.as_mut().ok_or(sqlx::Error::PoolClosed)?.begin().await?;
        *ends = before;
        Ok(transaction)
    }

    /// The connection ends with this lease, however that ends.
    pub(super) fn ends_here(&mut self) {
        self.ends = true;
    }

    /// The connection is lost, or of no use.
    pub(super) fn discard(mut self) {
        self.ends_here();
    }

    /// The command has ended well: the connection is ready for the next one.
    pub(super) fn done(mut self) {
        if let (Some((at_hand, _permit)), Some(connection)) = (self.at_hand.take(), self.connection.take()) {
            at_hand.keep(connection, self.since);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (true, Some(connection)) = (self.ends, &mut self.connection) {
            connection.close_on_drop();
        }
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect("a lease has its connection until it ends")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("a lease has its connection until it ends")
    }
}
