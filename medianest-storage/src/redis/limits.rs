use super::{Redis, script::Script};
use async_trait::async_trait;
use medianest_core::{Allowance, MemoryLimits, Rate, RateLimiter, Result};
use std::{fmt, sync::Arc, time::Duration};

/// Keys that are remembered while Redis is away.
const REMEMBERED: usize = 10_000;

/// Limits that hold for all processes that use the same Redis, by its clock; each process counts by itself
/// while Redis is away.
#[derive(Clone)]
pub struct RedisLimits {
    redis: Redis,
    here: Arc<MemoryLimits>,
    script: Arc<Script>,
}

impl RedisLimits {
    /// Limits counted in this Redis.
    pub fn new(redis: Redis) -> Self {
        // KEYS: when the key has all that it may do again, in microseconds. ARGV: microseconds that one
        // takes, burst, 1 to take and -1 to give back.
        let script = Script::new(
            "local time = redis.call('TIME') \
             local now = time[1] * 1000000 + time[2] \
             local every, full = tonumber(ARGV[1]), tonumber(redis.call('GET', KEYS[1]) or now) \
             if full < now then full = now end \
             local after = full + every * ARGV[3] \
             local over = after - now - every * ARGV[2] \
             if over > 0 then return {0, 0, over} end \
             if after > now then \
               redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000)) \
             else \
               redis.call('DEL', KEYS[1]) \
             end \
             local left = math.floor(-over / every) \
             return {1, left, left > 0 and 0 or over + every}",
        );
        Self { redis, here: Arc::new(MemoryLimits::new(REMEMBERED)), script: Arc::new(script) }
    }

    async fn count(&self, key: &str, rate: Rate, how_many: &str) -> Result<Allowance> {
        let key = self.redis.key(format_args!("limit:{key}"));
        let every = rate.every.as_micros().max(1).to_string();
        let (allowed, remaining, micros) =
            self.script.run(&self.redis, &[&key], &[&every, &rate.burst.to_string(), how_many]).await?;
        Ok(Allowance { allowed, remaining, retry_after: Duration::from_micros(micros) })
    }
}

impl fmt::Debug for RedisLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLimits").field("redis", &self.redis).finish_non_exhaustive()
    }
}

#[async_trait]
impl RateLimiter for RedisLimits {
    async fn take(&self, key: &str, rate: Rate) -> Allowance {
        match self.count(key, rate, "1").await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(error = %error.report(), "cannot count in redis; counting here");
                self.here.take(key, rate).await
            }
        }
    }

    async fn give_back(&self, key: &str, rate: Rate) {
        if self.count(key, rate, "-1").await.is_err() {
            self.here.give_back(key, rate).await;
        }
    }
}
