use crate::IntentId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::sync::OwnedMutexGuard;

/// Lets this process do one thing at a time with what was written under an intent.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<IntentId, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits until whoever came before has dropped theirs.
    pub(super) async fn take(&self, intent: IntentId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let turn = turns.get(&intent).and_then(Weak::upgrade).unwrap_or_default();
            turns.insert(intent, Arc::downgrade(&turn));
            turn
        };
        turn.lock_owned().await
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
        assert_eq!(turns.0.lock().unwrap().len(), 1, "what has ended is forgotten");
    }
}
