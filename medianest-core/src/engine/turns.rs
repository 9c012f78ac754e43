use crate::IntentId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::sync::{AcquireError, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// How many turns there are at a time: each reads an original through.
const AT_ONCE: usize = 16;

/// Lets this process do one thing at a time with what was written under an intent, and few in all.
#[derive(Debug)]
pub(super) struct Turns {
    of: Mutex<HashMap<IntentId, Weak<tokio::sync::Mutex<()>>>>,
    all: Arc<Semaphore>,
}

/// It is over when this is dropped.
pub(super) struct Turn {
    _own: OwnedMutexGuard<()>,
    _of_all: Result<OwnedSemaphorePermit, AcquireError>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { of: Mutex::default(), all: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Turns {
    /// Waits until whoever came before has dropped theirs.
    pub(super) async fn take(&self, intent: IntentId) -> Turn {
        let turn = {
            let mut turns = self.of.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let turn = turns.get(&intent).and_then(Weak::upgrade).unwrap_or_default();
            turns.insert(intent, Arc::downgrade(&turn));
            turn
        };
        // In this order, so that who waits for the same takes no place from others.
        let own = turn.lock_owned().await;
        Turn { _own: own, _of_all: Arc::clone(&self.all).acquire_owned().await }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn one_at_a_time() {
        let (turns, one) = (Turns::default(), IntentId::new());
        let first = turns.take(one).await;
        assert!(turns.take(one).now_or_never().is_none());
        assert!(turns.take(IntentId::new()).now_or_never().is_some());
        drop(first);
        assert!(turns.take(one).now_or_never().is_some());
        assert_eq!(turns.of.lock().unwrap().len(), 1, "what has ended is forgotten");
    }

    #[tokio::test]
    async fn few_in_all() {
        let turns = Turns::default();
        let mut taken = Vec::new();
        while let Some(turn) = turns.take(IntentId::new()).now_or_never() {
            taken.push(turn);
        }
        assert_eq!(taken.len(), AT_ONCE);
        taken.pop();
        assert!(turns.take(IntentId::new()).now_or_never().is_some());
    }
}
