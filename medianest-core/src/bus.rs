//! Waking up those who wait, within a process or between processes.

use futures::{
    StreamExt,
    channel::mpsc::{Sender, channel},
    stream::BoxStream,
};
use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

/// What somebody may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Jobs were queued.
    Jobs,
    /// Events were committed, and want to be numbered.
    Committed,
    /// Events were numbered, and can be read.
    Numbered,
}

impl Topic {
    /// All topics.
    pub const ALL: [Self; 3] = [Self::Jobs, Self::Committed, Self::Numbered];

    /// The word for it, as on a wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Committed => "committed",
            Self::Numbered => "numbered",
        }
    }
}

/// Only wakes people up; carries nothing. A wake-up may be lost or come twice: whoever waits also
/// looks by itself now and then.
pub trait EventBus: fmt::Debug + Send + Sync + 'static {
    /// Wakes all subscribers of a topic, soon. Never blocks.
    fn wake(&self, topic: Topic);

    /// Yields once for one or more wake-ups since the last.
    fn subscribe(&self, topic: Topic) -> BoxStream<'static, ()>;
}

/// Wakes up those who wait in the same process.
#[derive(Default)]
pub struct MemoryBus {
    waiting: Mutex<Vec<(Topic, Sender<()>)>>,
}

impl MemoryBus {
    /// A bus without subscribers.
    pub fn new() -> Self {
        Self::default()
    }
}

impl fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBus").finish_non_exhaustive()
    }
}

impl EventBus for MemoryBus {
    fn wake(&self, topic: Topic) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // A full channel already holds a wake-up that nobody has taken yet.
        waiting.retain_mut(|(of, sender)| *of != topic || sender.try_send(()).is_ok() || !sender.is_closed());
    }

    fn subscribe(&self, topic: Topic) -> BoxStream<'static, ()> {
        let (sender, receiver) = channel(0);
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((topic, sender));
        receiver.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn wake_ups_are_merged_and_subscribers_forgotten() {
        let bus = MemoryBus::new();
        let mut jobs = bus.subscribe(Topic::Jobs);
        for _ in 0..3 {
            bus.wake(Topic::Jobs);
        }
        bus.wake(Topic::Numbered);
        assert!(jobs.next().now_or_never().flatten().is_some());
        assert!(jobs.next().now_or_never().is_none());
        drop(jobs);
        bus.wake(Topic::Jobs);
        assert!(bus.waiting.lock().unwrap().is_empty());
    }
}
