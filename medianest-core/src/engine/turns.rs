use crate::{Error, IntentId, Result, Retry};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::{OwnedMutexGuard, Semaphore, SemaphorePermit},
    time::timeout,
};

/// How many originals are read through at a time.
const AT_ONCE: usize = 16;
/// For so long one waits for a place among them.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets this process do one thing at a time with what was written under an intent, and read few originals
/// through at a time.
#[derive(Debug)]
pub(super) struct Turns {
    of: Mutex<HashMap<IntentId, Weak<tokio::sync::Mutex<()>>>>,
    places: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self { of: Mutex::default(), places: Semaphore::new(AT_ONCE) }
    }
}

impl Turns {
    /// Waits until whoever came before has dropped theirs.
    pub(super) async fn take(&self, intent: IntentId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.of.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let turn = turns.get(&intent).and_then(Weak::upgrade).unwrap_or_default();
            turns.insert(intent, Arc::downgrade(&turn));
            turn
        };
        turn.lock_owned().await
    }

    /// Waits for a place among those who read; to be asked for with the turn in hand, so that who waits for the
    /// same takes no place from others.
    ///
    /// # Errors
    /// `busy` (Unavailable) when there is none for a minute.
    pub(super) async fn place(&self) -> Result<SemaphorePermit<'_>> {
        let place = timeout(PATIENCE, self.places.acquire()).await.ok().and_then(Result::ok);
        place.ok_or_else(|| {
            Error::unavailable("busy", "too many uploads are being completed; ask again shortly")
                .retry(Retry::After(Duration::from_secs(10)))
        })
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

    #[tokio::test(start_paused = true)]
    async fn few_read_at_a_time() {
        let turns = Turns::default();
        let mut places = Vec::new();
        while let Some(place) = turns.place().now_or_never() {
            places.push(place.unwrap());
        }
        assert_eq!(places.len(), AT_ONCE);
        let refused = turns.place().await.unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (crate::ErrorKind::Unavailable, "busy"));
        places.pop();
        assert!(turns.place().now_or_never().is_some());
    }
}
