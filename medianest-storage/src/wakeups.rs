//! What buses have in common that reach other processes: wake-ups are heard at once within the process,
//! merged until they are told to the others, and known again when they come back.

use futures::stream::BoxStream;
use medianest_core::{EventBus, MemoryBus, Topic};
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::sync::Notify;
use uuid::Uuid;

pub(crate) struct Wakeups {
    here: MemoryBus,
    /// Topics to tell the others of.
    untold: AtomicU8,
    some: Notify,
    me: String,
}

impl Wakeups {
    pub(crate) fn new() -> Self {
        Self {
            here: MemoryBus::new(),
            untold: AtomicU8::new(0),
            some: Notify::new(),
            me: Uuid::now_v7().simple().to_string(),
        }
    }

    pub(crate) fn wake(&self, topic: Topic) {
        self.here.wake(topic);
        self.untold.fetch_or(bit(topic), Ordering::AcqRel);
        self.some.notify_one();
    }

    /// Wakes everybody here, after wake-ups may have been missed.
    pub(crate) fn wake_all(&self) {
        Topic::ALL.into_iter().for_each(|topic| self.here.wake(topic));
    }

    pub(crate) fn subscribe(&self, topic: Topic) -> BoxStream<'static, ()> {
        self.here.subscribe(topic)
    }

    /// Waits for something to tell, and gives it as the messages that [`hear`](Self::hear) understands.
    pub(crate) async fn untold(&self) -> impl Iterator<Item = String> {
        self.some.notified().await;
        let topics = self.untold.swap(0, Ordering::AcqRel);
        let told = Topic::ALL.into_iter().filter(move |topic| topics & bit(*topic) != 0);
        told.map(|topic| format!("{} {}", topic.as_str(), self.me))
    }

    /// Wakes those who wait for what another process tells. Our own messages come back: they have been
    /// heard here already.
    pub(crate) fn hear(&self, message: &str) {
        let Some((topic, from)) = message.split_once(' ') else { return };
        let topic = Topic::ALL.into_iter().find(|known| known.as_str() == topic).filter(|_| from != self.me);
        topic.into_iter().for_each(|topic| self.here.wake(topic));
    }
}

fn bit(topic: Topic) -> u8 {
    match topic {
        Topic::Jobs => 1,
        Topic::Committed => 2,
        Topic::Numbered => 4,
    }
}
