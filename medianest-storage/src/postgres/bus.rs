use crate::wakeups::Wakeups;
use futures::stream::BoxStream;
use medianest_core::{EventBus, Topic};
use sqlx::{PgPool, postgres::PgListener};
use std::{fmt, sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// The one channel that all processes of a deployment listen to.
const CHANNEL: &str = "medianest";
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Wakes up those who wait in any process that uses the same database, by `NOTIFY` on the channel
/// `medianest`. It listens on one connection of the pool, and connects again when that is lost.
///
/// Within the process it wakes also while the database is away.
pub struct PostgresBus {
    wakeups: Arc<Wakeups>,
    /// Ended when the bus is dropped.
    _tasks: JoinSet<()>,
}

impl PostgresBus {
    /// Starts to listen. To be called within a tokio runtime.
    pub fn start(pool: PgPool) -> Self {
        let wakeups = Arc::new(Wakeups::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(tell(pool.clone(), Arc::clone(&wakeups)));
        tasks.spawn(listen(pool, Arc::clone(&wakeups)));
        Self { wakeups, _tasks: tasks }
    }
}

impl fmt::Debug for PostgresBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBus").finish_non_exhaustive()
    }
}

impl EventBus for PostgresBus {
    fn wake(&self, topic: Topic) {
        self.wakeups.wake(topic);
    }

    fn subscribe(&self, topic: Topic) -> BoxStream<'static, ()> {
        self.wakeups.subscribe(topic)
    }
}

/// Tells the others. What cannot be told is lost, as a wake-up may be.
async fn tell(pool: PgPool, wakeups: Arc<Wakeups>) {
    loop {
        for message in wakeups.untold().await {
            let told = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(message).execute(&pool);
            if let Err(error) = told.await {
                tracing::debug!(%error, "a wake-up was lost");
            }
        }
    }
}

/// Listens for ever, with growing pauses while the database is away.
async fn listen(pool: PgPool, wakeups: Arc<Wakeups>) {
    let mut pause = FIRST_PAUSE;
    let mut again = false;
    loop {
        match hear(&pool, &wakeups, again, &mut pause).await {
            Ok(()) => tracing::debug!("the connection that listens for wake-ups was lost"),
            Err(sqlx::Error::PoolClosed) => return,
            Err(error) => tracing::warn!(%error, "listening for wake-ups failed; trying again"),
        }
        again = true;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Listens until the connection is lost.
async fn hear(pool: &PgPool, wakeups: &Wakeups, again: bool, pause: &mut Duration) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.ignore_pool_close_event(false);
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    if again {
        // Whatever was told while nobody listened: those who wait look for themselves.
        wakeups.wake_all();
    }
    while let Some(told) = listener.try_recv().await? {
        *pause = FIRST_PAUSE;
        wakeups.hear(told.payload());
    }
    Ok(())
}
