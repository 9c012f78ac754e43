use futures::stream::BoxStream;
use medianest_core::{EventBus, MemoryBus, Topic};
use sqlx::{PgPool, postgres::PgListener};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, task::JoinSet};
use uuid::Uuid;

/// The one channel that all processes of a deployment listen to.
const CHANNEL: &str = "medianest";
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Wakes up those who wait in any process that uses the same database, by `NOTIFY` on the channel
/// `medianest`. It listens on one connection of the pool, and connects again when that is lost.
///
/// Within the process it wakes also while the database is away.
pub struct PostgresBus {
    here: Arc<MemoryBus>,
    outgoing: Arc<Outgoing>,
    /// Ended when the bus is dropped.
    _tasks: JoinSet<()>,
}

/// Topics to tell the others of, merged until somebody does.
#[derive(Default)]
struct Outgoing {
    topics: AtomicU8,
    some: Notify,
}

impl PostgresBus {
    /// Starts to listen. To be called within a tokio runtime.
    pub fn start(pool: PgPool) -> Self {
        let here = Arc::new(MemoryBus::new());
        let outgoing = Arc::new(Outgoing::default());
        // Our own wake-ups come back from the database: they have been heard here already.
        let me = Uuid::now_v7().simple().to_string();
        let mut tasks = JoinSet::new();
        tasks.spawn(tell(pool.clone(), Arc::clone(&outgoing), me.clone()));
        tasks.spawn(listen(pool, Arc::clone(&here), me));
        Self { here, outgoing, _tasks: tasks }
    }
}

impl fmt::Debug for PostgresBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBus").finish_non_exhaustive()
    }
}

impl EventBus for PostgresBus {
    fn wake(&self, topic: Topic) {
        self.here.wake(topic);
        self.outgoing.topics.fetch_or(bit(topic), Ordering::AcqRel);
        self.outgoing.some.notify_one();
    }

    fn subscribe(&self, topic: Topic) -> BoxStream<'static, ()> {
        self.here.subscribe(topic)
    }
}

fn bit(topic: Topic) -> u8 {
    match topic {
        Topic::Jobs => 1,
        Topic::Committed => 2,
        Topic::Numbered => 4,
    }
}

/// Tells the others. What cannot be told is lost, as a wake-up may be.
async fn tell(pool: PgPool, outgoing: Arc<Outgoing>, me: String) {
    loop {
        outgoing.some.notified().await;
        let topics = outgoing.topics.swap(0, Ordering::AcqRel);
        for topic in Topic::ALL.into_iter().filter(|topic| topics & bit(*topic) != 0) {
            let told = sqlx::query("SELECT pg_notify($1, $2)")
                .bind(CHANNEL)
                .bind(format!("{} {me}", topic.as_str()))
                .execute(&pool)
                .await;
            if let Err(error) = told {
                tracing::debug!(%error, "a wake-up was lost");
            }
        }
    }
}

/// Listens for ever, with growing pauses while the database is away.
async fn listen(pool: PgPool, here: Arc<MemoryBus>, me: String) {
    let mut pause = FIRST_PAUSE;
    loop {
        match hear(&pool, &here, &me, &mut pause).await {
            Ok(()) => tracing::debug!("the connection that listens for wake-ups was lost"),
            Err(sqlx::Error::PoolClosed) => return,
            Err(error) => tracing::warn!(%error, "listening for wake-ups failed; trying again"),
        }
        // Whatever is told while nobody listens: those who wait look for themselves.
        Topic::ALL.into_iter().for_each(|topic| here.wake(topic));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Listens until the connection is lost.
async fn hear(pool: &PgPool, here: &MemoryBus, me: &str, pause: &mut Duration) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.ignore_pool_close_event(false);
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    while let Some(told) = listener.try_recv().await? {
        *pause = FIRST_PAUSE;
        let Some((topic, from)) = told.payload().split_once(' ') else { continue };
        let topic = Topic::ALL.into_iter().find(|known| known.as_str() == topic).filter(|_| from != me);
        topic.into_iter().for_each(|topic| here.wake(topic));
    }
    Ok(())
}
