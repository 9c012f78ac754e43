//! The bound on how many children there are at once.

use medianest_core::Result;
use std::{
    sync::{Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// So many may work; the others wait.
#[derive(Debug)]
pub(super) struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

/// The right to one child, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot<'a>(&'a Slots);

impl Default for Slots {
    fn default() -> Self {
        Self::new(thread::available_parallelism().map_or(1, usize::from))
    }
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Mutex::new(count.max(1)), freed: Condvar::new() }
    }

    /// Waits for a slot as long as `still_wanted` does not fail; asks it a few times a second.
    pub(super) fn acquire(&self, mut still_wanted: impl FnMut() -> Result<()>) -> Result<Slot<'_>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            let waited = self.freed.wait_timeout(free, Duration::from_millis(250));
            drop(waited.unwrap_or_else(PoisonError::into_inner).0);
            still_wanted()?;
            free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Ok(Slot(self))
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}
