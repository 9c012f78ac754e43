//! Whether a Redis is what we need.

use crate::config::Config;
use medianest_core::Result;
use medianest_storage::{Redis, RedisOptions};

/// The one that is configured; None when there is none.
///
/// # Errors
/// `configuration`; `invalid_redis_url`; `invalid_ca_file`.
pub(crate) fn open(config: &Config) -> Result<Option<Redis>> {
    let mut options = RedisOptions::default();
    options.ca_file.clone_from(&config.redis.ca_file);
    config.redis_url()?.map(|url| Redis::open_with(url.reveal(), &options)).transpose()
}

/// Whether Redis answers, and is what we need.
///
/// # Errors
/// `redis_unavailable`, `redis_refused`, `redis_untrusted`; `redis_too_old`, `redis_evicts`.
pub(super) async fn check(redis: &Redis) -> Result<()> {
    redis.check().await?;
    let servers = redis.servers().await?;
    servers.iter().try_for_each(|server| server.check_version().and(server.check_eviction()))
}
