//! [`RedisLimits`], shared and alone.

use crate::support::{connected, in_the_end};
use medianest_core::{Error, Rate, RateLimiter};
use medianest_storage::RedisLimits;
use medianest_testkit::redis::{Server, cluster, sentinel, server};
use std::time::Duration;

const SLOW: Rate = Rate { burst: 3, every: Duration::from_secs(3600) };

async fn limits(url: &str) -> RedisLimits {
    RedisLimits::new(connected(url).await)
}

medianest_core::rate_limiter_tests!(on_one_server, (limits(&server().url()).await, ()));
medianest_core::rate_limiter_tests!(behind_a_sentinel, (limits(&sentinel().url()).await, ()));
medianest_core::rate_limiter_tests!(on_a_cluster, (limits(&cluster().url()).await, ()));

#[tokio::test]
async fn processes_count_together() {
    let redis = connected(&server().url()).await;
    let [one, two] = [0, 1].map(|_| RedisLimits::new(redis.clone()));
    assert_eq!(one.take("ada", SLOW).await.remaining, 2);
    assert_eq!(two.take("ada", SLOW).await.remaining, 1);
}

#[tokio::test]
async fn while_redis_is_away_each_process_counts_by_itself() {
    let mut server = Server::start(&[]);
    let limits = limits(&server.url()).await;
    while limits.take("ada", SLOW).await.allowed {}
    server.kill();
    for _ in 0..SLOW.burst {
        assert!(limits.take("ada", SLOW).await.allowed);
    }
    assert!(!limits.take("ada", SLOW).await.allowed);
    server.restart();
    // Which has forgotten, and counts again.
    in_the_end(|| async {
        if limits.take("ada", SLOW).await.allowed { Ok(()) } else { Err(Error::internal("not yet")) }
    })
    .await;
    assert_eq!(server.cli(&["DBSIZE"]), "1");
}
