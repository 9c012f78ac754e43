//! Limits on how often something may happen.

use crate::recent::Recent;
use async_trait::async_trait;
use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often something may happen: `burst` times at once, and then once `every` so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At once, after it has not happened for a while; at least 1.
    pub burst: u32,
    /// Then.
    pub every: Duration,
}

/// The answer of [`RateLimiter::take`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Whether it may happen.
    pub allowed: bool,
    /// How often it may happen again at once.
    pub remaining: u32,
    /// After how long it may happen again; zero while there is something left.
    pub retry_after: Duration,
}

/// Counts what happens, by the generic cell rate algorithm
/// ([GCRA](https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm)). A limiter may forget, and then
/// allows more than it should. It never fails: one that shares its counts with other processes counts by
/// itself while it cannot.
#[async_trait]
pub trait RateLimiter: fmt::Debug + Send + Sync + 'static {
    /// Takes one of what `key` may do. What is not allowed is not counted.
    async fn take(&self, key: &str, rate: Rate) -> Allowance;

    /// Gives back one that was taken, when it turns out not to count.
    async fn give_back(&self, key: &str, rate: Rate);
}

/// Counts within one process.
pub struct MemoryLimits {
    began: Instant,
    hashing: RandomState,
    /// When each key has all that it may do again, since we began. Keys are remembered by a hash that nobody
    /// can guess: what somebody calls himself takes no memory.
    full_at: Mutex<Recent<u64, Duration>>,
}

impl MemoryLimits {
    /// Remembers at least the last `capacity` keys.
    pub fn new(capacity: usize) -> Self {
        let full_at = Mutex::new(Recent::new(capacity));
        Self { began: Instant::now(), hashing: RandomState::new(), full_at }
    }

    /// As [`take`](RateLimiter::take), at once, for any key: what is counted with each request must cost
    /// next to nothing.
    pub fn count(&self, key: &(impl Hash + ?Sized), rate: Rate) -> Allowance {
        self.change(key, |now, full_at| {
            let after = full_at.saturating_add(rate.every);
            let most = now.saturating_add(rate.every.saturating_mul(rate.burst));
            if after > most {
                return (full_at, Allowance { allowed: false, remaining: 0, retry_after: after - most });
            }
            let left = (most - after).as_nanos() / rate.every.as_nanos().max(1);
            let remaining = u32::try_from(left).unwrap_or(u32::MAX);
            let again = after.saturating_add(rate.every).saturating_sub(most);
            let retry_after = if remaining > 0 { Duration::ZERO } else { again };
            (after, Allowance { allowed: true, remaining, retry_after })
        })
    }

    fn change<T>(
        &self,
        key: &(impl Hash + ?Sized),
        change: impl FnOnce(Duration, Duration) -> (Duration, T),
    ) -> T {
        let key = self.hashing.hash_one(key);
        let mut known = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.began.elapsed();
        let full_at = known.get(&key).map_or(now, |at| at.max(now));
        let (full_at, answer) = change(now, full_at);
        known.insert(key, full_at);
        answer
    }
}

impl fmt::Debug for MemoryLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLimits").finish_non_exhaustive()
    }
}

#[async_trait]
impl RateLimiter for MemoryLimits {
    async fn take(&self, key: &str, rate: Rate) -> Allowance {
        self.count(key, rate)
    }

    async fn give_back(&self, key: &str, rate: Rate) {
        self.change(key, |now, full_at| (full_at.saturating_sub(rate.every).max(now), ()));
    }
}
