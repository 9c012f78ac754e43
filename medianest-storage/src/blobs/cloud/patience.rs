use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use std::time::Duration;

/// How long a store in the network is waited for, and how often it is asked again.
///
/// Refusals that may pass (`500`, `503`, `429`), broken connections and silence are retried; the delay
/// doubles each time and is spread at random, so that what failed together does not come back together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For an answer, and between two pieces of one; sending a part of 8 MiB has to fit in.
    pub silence: Duration,
    /// How often a request is tried again.
    pub retries: usize,
    /// For how long, from the first try on.
    pub retry_for: Duration,
    /// Before the first retry.
    pub first_delay: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(60),
            retries: 6,
            retry_for: Duration::from_secs(60),
            first_delay: Duration::from_millis(100),
        }
    }
}

impl Patience {
    pub(super) fn retry(&self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig {
                init_backoff: self.first_delay,
                max_backoff: Duration::from_secs(10).max(self.first_delay),
                base: 2.0,
            },
            max_retries: self.retries,
            retry_timeout: self.retry_for,
        }
    }

    /// Waits before the retry after so many, as the client of object_store does by itself.
    pub(super) async fn pause(&self, tried: usize) {
        let longest = self.first_delay.saturating_mul(1 << tried.min(16)).min(Duration::from_secs(10));
        let random = f64::from(uuid::Uuid::now_v7().as_bytes()[15]) / 255.0;
        tokio::time::sleep(longest.mul_f64(random)).await;
    }

    /// A download may last as long as its reader likes: only silence is bounded.
    pub(super) fn client(&self, plain: bool) -> ClientOptions {
        ClientOptions::new()
            .with_allow_http(plain)
            .with_connect_timeout(self.connect)
            .with_read_timeout(self.silence)
            .with_timeout_disabled()
    }
}
