use super::{Redis, script::Script};
use async_trait::async_trait;
use bytes::Bytes;
use medianest_core::{Cache, LARGEST_CACHED, MemoryCache, Result};
use redis::{FromRedisValue, cmd};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long whoever asks waits for Redis: what is cached is quickly asked for elsewhere.
const PATIENCE: Duration = Duration::from_millis(200);
/// After it failed, Redis is not asked for so long: nobody else has to find out.
const REST: Duration = Duration::from_secs(1);
/// Bytes of this process's memory for what was used last.
const NEAR: usize = 16 << 20;

/// A cache that all processes share that use the same Redis, with what was used last near at hand in each.
/// A Redis that is away, slow or full has nothing, and is left alone for a second.
#[derive(Clone)]
pub struct RedisCache {
    redis: Redis,
    near: Arc<MemoryCache>,
    get: Arc<Script>,
    resting: Arc<Mutex<Option<Instant>>>,
}

impl RedisCache {
    /// A cache in this Redis.
    pub fn new(redis: Redis) -> Self {
        // KEYS: the entry. It comes with the milliseconds that it is still good for.
        let get = Script::new(
            "local value = redis.call('GET', KEYS[1]) \
             if not value then return false end \
             return {value, redis.call('PTTL', KEYS[1])}",
        );
        let near = Arc::new(MemoryCache::new(NEAR));
        Self { redis, near, get: Arc::new(get), resting: Arc::default() }
    }

    fn key(&self, key: &str) -> String {
        self.redis.key(format_args!("cache:{key}"))
    }

    /// What Redis answers, unless it is left alone.
    async fn ask<T: FromRedisValue>(&self, asking: impl Future<Output = Result<T>>) -> Option<T> {
        let rested = |at: &Instant| at.elapsed() >= REST;
        if !self.resting.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_none_or(rested) {
            return None;
        }
        let failed = match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => error.report(),
            Err(_) => String::from("no answer in time"),
        };
        tracing::debug!(error = failed, "redis is no cache for a moment");
        *self.resting.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        None
    }
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache").field("redis", &self.redis).finish_non_exhaustive()
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> Option<Bytes> {
        if let Some(value) = self.near.get(key).await {
            return Some(value);
        }
        let shared = self.key(key);
        let keys = [shared.as_str()];
        let asking = self.get.run::<Option<(Vec<u8>, i64)>>(&self.redis, &keys, &[]);
        let (value, millis) = self.ask(asking).await??;
        let value = Bytes::from(value);
        // Without a time it is none of ours.
        let left = u64::try_from(millis).ok()?;
        self.near.put(key, value.clone(), Duration::from_millis(left)).await;
        Some(value)
    }

    async fn put(&self, key: &str, value: Bytes, keep: Duration) {
        let millis = keep.as_millis();
        if value.len() > LARGEST_CACHED || millis == 0 {
            return;
        }
        let mut set = cmd("SET");
        set.arg(self.key(key)).arg(&value[..]).arg("PX").arg(millis.to_string());
        self.near.put(key, value, keep).await;
        self.ask(self.redis.ask::<()>(&set)).await;
    }

    async fn remove(&self, key: &str) {
        self.near.remove(key).await;
        self.ask(self.redis.ask::<()>(cmd("DEL").arg(self.key(key)))).await;
    }
}
