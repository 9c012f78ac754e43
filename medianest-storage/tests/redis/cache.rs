//! [`RedisCache`], shared and alone.

use crate::support::{connect, connected};
use bytes::Bytes;
use medianest_core::Cache;
use medianest_storage::RedisCache;
use medianest_testkit::redis::{Server, cluster, sentinel, server};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(3600);

async fn cache(url: &str) -> RedisCache {
    RedisCache::new(connected(url).await)
}

medianest_core::cache_tests!(on_one_server, (cache(&server().url()).await, ()));
medianest_core::cache_tests!(behind_a_sentinel, (cache(&sentinel().url()).await, ()));
medianest_core::cache_tests!(on_a_cluster, (cache(&cluster().url()).await, ()));

/// Asks until something is there: for a second after it failed, Redis is not asked.
async fn in_the_end(cache: &RedisCache, key: &str) -> Bytes {
    let began = Instant::now();
    loop {
        if let Some(value) = cache.get(key).await {
            return value;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "never");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn processes_share_what_they_keep_for_as_long_as_it_is_good() {
    let redis = connected(&server().url()).await;
    let [one, two] = [0, 1].map(|_| RedisCache::new(redis.clone()));
    one.put("key", Bytes::from_static(b"value"), LONG).await;
    assert_eq!(in_the_end(&two, "key").await, "value");
    let short = Duration::from_millis(1500);
    one.put("short", Bytes::from_static(b"value"), short).await;
    two.get("short").await;
    tokio::time::sleep(short + Duration::from_millis(50)).await;
    assert_eq!(two.get("short").await, None);
}

#[tokio::test]
async fn d1_a_redis_that_is_away_frozen_full_or_emptied_has_nothing_and_fails_nobody() {
    let mut server = Server::start(&[]);
    let redis = connected(&server.url()).await;
    let fresh = || RedisCache::new(redis.clone());
    let put = async |key: &str| fresh().put(key, Bytes::from_static(b"value"), LONG).await;
    put("key").await;
    assert_eq!(in_the_end(&fresh(), "key").await, "value");

    let near = fresh();
    in_the_end(&near, "key").await;
    server.freeze();
    assert_eq!(near.get("key").await.as_deref(), Some(&b"value"[..]), "what is near needs nobody");
    let began = Instant::now();
    let frozen = fresh();
    for _ in 0..100 {
        assert_eq!(frozen.get("key").await, None);
    }
    put("other").await;
    // A hundred times the patience would be twenty seconds, had each to find out.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    server.thaw();
    in_the_end(&frozen, "key").await;

    server.cli(&["FLUSHALL"]);
    assert_eq!(fresh().get("key").await, None);

    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    put("key").await;
    assert_eq!(server.cli(&["DBSIZE"]), "0");
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);

    server.kill();
    assert_eq!(fresh().get("key").await, None);
    put("key").await;
    fresh().remove("key").await;
    let waiting = fresh();
    server.restart();
    let began = Instant::now();
    while server.cli(&["DBSIZE"]) == "0" {
        assert!(began.elapsed() < Duration::from_secs(120), "never kept again");
        put("key").await;
    }
    in_the_end(&waiting, "key").await;
}

#[tokio::test]
async fn who_begins_while_nobody_is_there_has_a_cache_later() {
    let mut server = Server::start(&[]);
    server.kill();
    let cache = RedisCache::new(connect(&server.url()));
    assert_eq!(cache.get("key").await, None);
    cache.put("key", Bytes::from_static(b"value"), LONG).await;
    assert_eq!(cache.get("key").await.as_deref(), Some(&b"value"[..]), "near at hand");
    server.restart();
}
