//! Whether a Redis is what we need.

use crate::config::Config;
use medianest_core::Result;
use medianest_storage::Redis;

/// Whether Redis answers and is what we need; each of its servers in a few words.
///
/// # Errors
/// `redis_unavailable`, `redis_refused`; `redis_too_old`, `redis_evicts`.
pub(super) async fn check(redis: &Redis) -> Result<String> {
    redis.check().await?;
    let servers = redis.servers().await?;
    servers.iter().try_for_each(|server| server.check_version().and(server.check_eviction()))?;
    let kept = |kept| if kept { "kept in an append-only file" } else { "lost with it, and made again" };
    let describe = servers.iter().map(|server| {
        let (version, micros) = (&server.version, server.latency.as_micros());
        format!("version {version}, answers after {micros} µs, what it has is {}", kept(server.append_only))
    });
    Ok(describe.collect::<Vec<_>>().join("; "))
}

/// What [`check`] says of the one that is configured; None when there is none.
pub(crate) async fn report(config: &Config) -> Option<Result<String>> {
    let url = config.redis_url().transpose()?;
    Some(async { check(&Redis::open(url?.reveal())?).await }.await)
}
