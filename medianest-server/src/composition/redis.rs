//! Whether a Redis is what we need.

use crate::config::Config;
use medianest_core::Result;
use medianest_storage::Redis;

/// The one that is configured; None when there is none.
///
/// # Errors
/// `configuration`; `invalid_redis_url`.
pub(crate) fn open(config: &Config) -> Result<Option<Redis>> {
    config.redis_url()?.map(|url| Redis::open(url.reveal())).transpose()
}

/// Whether Redis answers, and is what we need.
///
/// # Errors
/// `redis_unavailable`, `redis_refused`; `redis_too_old`, `redis_evicts`.
pub(super) async fn check(redis: &Redis) -> Result<()> {
    redis.check().await?;
    let servers = redis.servers().await?;
    servers.iter().try_for_each(|server| server.check_version().and(server.check_eviction()))
}
