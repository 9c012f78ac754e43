use super::{Redis, error::from_redis, link::Unasked};
use crate::wakeups::Wakeups;
use futures::stream::BoxStream;
use medianest_core::{EventBus, Result, Topic};
use redis::{Cmd, PushInfo, PushKind, RedisError, Value, aio::MultiplexedConnection, cmd};
use std::{fmt, sync::Arc, time::Duration};
use tokio::{sync::Notify, task::JoinSet};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often the connection is asked whether it is still there.
const PULSE: Duration = Duration::from_secs(2);

/// Wakes up those who wait in any process that uses the same Redis, by sharded publish and subscribe on
/// one channel: within a cluster a message goes to the servers of one shard only.
///
/// It listens on a connection of its own. When that was lost, everybody is woken as soon as there is
/// another, since nobody knows what was missed. Within the process it wakes also while Redis is away.
pub struct RedisBus {
    wakeups: Arc<Wakeups>,
    /// Ended when the bus is dropped.
    _tasks: JoinSet<()>,
}

impl RedisBus {
    /// Starts to listen. To be called within a tokio runtime.
    pub fn start(redis: &Redis) -> Self {
        let wakeups = Arc::new(Wakeups::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(tell(redis.clone(), Arc::clone(&wakeups)));
        tasks.spawn(listen(redis.clone(), Arc::clone(&wakeups)));
        Self { wakeups, _tasks: tasks }
    }
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBus").finish_non_exhaustive()
    }
}

impl EventBus for RedisBus {
    fn wake(&self, topic: Topic) {
        self.wakeups.wake(topic);
    }

    fn subscribe(&self, topic: Topic) -> BoxStream<'static, ()> {
        self.wakeups.subscribe(topic)
    }
}

fn channel(redis: &Redis) -> String {
    redis.key("bus")
}

/// Tells the others. What cannot be told is lost, as a wake-up may be.
async fn tell(redis: Redis, wakeups: Arc<Wakeups>) {
    loop {
        for message in wakeups.untold().await {
            let told = redis.ask::<Value>(cmd("SPUBLISH").arg(channel(&redis)).arg(message)).await;
            if let Err(error) = told {
                tracing::debug!(error = %error.report(), "a wake-up was lost");
            }
        }
    }
}

/// Listens for ever, with growing pauses while Redis is away.
async fn listen(redis: Redis, wakeups: Arc<Wakeups>) {
    let mut pause = FIRST_PAUSE;
    let mut again = false;
    loop {
        match hear(&redis, &wakeups, again).await {
            Ok(()) => pause = FIRST_PAUSE,
            Err(error) => {
                tracing::debug!(error = %error.report(), "cannot listen for wake-ups; trying again")
            }
        }
        again = true;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Listens until the connection is lost.
async fn hear(redis: &Redis, wakeups: &Arc<Wakeups>, again: bool) -> Result<()> {
    let lost = Arc::new(Notify::new());
    let unasked: Unasked = {
        let (wakeups, lost) = (Arc::clone(wakeups), Arc::clone(&lost));
        Arc::new(move |info| match heard(&info) {
            Heard::Message(message) => wakeups.hear(&message),
            Heard::End => lost.notify_one(),
            Heard::Nothing => {}
        })
    };
    let mut connection = subscribe(redis, unasked).await?;
    if again {
        wakeups.wake_all();
    }
    loop {
        tokio::select! {
            () = lost.notified() => return Ok(()),
            () = tokio::time::sleep(PULSE) => {}
        }
        if cmd("PING").query_async::<Value>(&mut connection).await.is_err() {
            return Ok(());
        }
    }
}

/// A connection to the server that has the channel: where a cluster says that it is.
async fn subscribe(redis: &Redis, unasked: Unasked) -> Result<MultiplexedConnection> {
    let (deployment, channel) = (redis.deployment(), channel(redis));
    let mut subscribe: Cmd = cmd("SSUBSCRIBE");
    subscribe.arg(&channel);
    let mut connection = deployment.connect_to_one(Arc::clone(&unasked)).await.map_err(from_redis)?;
    let answer = subscribe.query_async::<Value>(&mut connection).await;
    let Err(error) = answer else { return Ok(connection) };
    let Some((host, port)) = elsewhere(&error) else { return Err(from_redis(error)) };
    let node = deployment.at_host(host, port);
    let mut connection = deployment.connect_to(node, unasked).await.map_err(from_redis)?;
    subscribe.query_async::<Value>(&mut connection).await.map_err(from_redis)?;
    Ok(connection)
}

/// Where the channel is instead (`MOVED slot host:port`).
fn elsewhere(error: &RedisError) -> Option<(&str, u16)> {
    let (host, port) = error.redirect_node()?.0.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}

enum Heard {
    Message(String),
    /// The connection, or the channel on it, is gone.
    End,
    Nothing,
}

fn heard(info: &PushInfo) -> Heard {
    match (&info.kind, info.data.as_slice()) {
        (PushKind::Disconnection | PushKind::SUnsubscribe, _) => Heard::End,
        (PushKind::SMessage, [_, Value::BulkString(message)]) => {
            Heard::Message(String::from_utf8_lossy(message).into_owned())
        }
        _ => Heard::Nothing,
    }
}
