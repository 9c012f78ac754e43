//! Connections that are lost, and come back by themselves.

use crate::support::{connect, connected, in_the_end, in_the_end_not};
use medianest_core::{Error, ErrorKind};
use medianest_storage::Redis;
use medianest_testkit::redis::{Cluster, Sentinel, Server, cluster, sentinel, server};
use std::time::{Duration, Instant};

#[tokio::test]
async fn every_kind_of_deployment_answers_and_describes_itself() {
    for (url, count) in [(server().url(), 1), (sentinel().url(), 1), (cluster().url(), 3)] {
        let redis = connected(&url).await;
        let servers = redis.servers().await.unwrap();
        assert_eq!(servers.len(), count, "{url}");
        for server in servers {
            server.check_version().unwrap();
            server.check_eviction().unwrap();
            assert!(!server.append_only);
        }
    }
}

#[tokio::test]
async fn d1_a_server_that_dies_is_away_at_once_and_comes_back() {
    let mut server = Server::start(&[]);
    let redis = connected(&server.url()).await;
    server.kill();
    let error = redis.check().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "redis_unavailable"), "{error:?}");
    server.restart();
    in_the_end(|| redis.check()).await;
}

#[tokio::test]
async fn an_idle_connection_is_replaced_before_it_is_used() {
    let mut server = Server::start(&[]);
    let redis = connected(&server.url()).await;
    // Long enough for a restart not to look like a server that always breaks off.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    redis.check().await.unwrap();
    server.kill();
    server.restart();
    in_the_end(|| redis.check()).await;
}

#[tokio::test]
async fn d1_a_frozen_server_makes_nobody_wait_for_long() {
    let server = Server::start(&[]);
    let redis = connected(&server.url()).await;
    server.freeze();
    redis.check().await.unwrap_err();
    // Once it is known, at once.
    in_the_end(|| async {
        let began = Instant::now();
        redis.check().await.unwrap_err();
        if began.elapsed() < Duration::from_millis(500) { Ok(()) } else { Err(Error::internal("not yet")) }
    })
    .await;
    server.thaw();
    in_the_end(|| redis.check()).await;
}

#[tokio::test]
async fn who_begins_while_nobody_is_there_connects_later() {
    let mut server = Server::start(&[]);
    server.kill();
    let redis = connect(&server.url());
    assert_eq!(redis.check().await.unwrap_err().code(), "redis_unavailable");
    server.restart();
    in_the_end(|| redis.check()).await;
}

/// One whose disk is full, or that follows another, answers questions too.
#[tokio::test]
async fn a_server_that_takes_nothing_is_away() {
    let server = Server::start(&[]);
    let redis = connected(&server.url()).await;
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    assert_eq!(redis.check().await.unwrap_err().code(), "redis_unavailable");
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    in_the_end(|| redis.check()).await;
}

#[tokio::test]
async fn wrong_credentials_are_told_as_such_and_not_shown() {
    let guarded = Server::start(&["--requirepass", "right"]);
    let with = |password: &str| format!("redis://:{password}@127.0.0.1:{}", guarded.port());
    connected(&with("right")).await;
    let nobody = |url: String| url.replacen("://", "://nobody:hunter2@", 1);
    for url in [
        with("hunter2"),
        guarded.url(),
        nobody(server().url()),
        nobody(sentinel().url()),
        nobody(cluster().url()),
    ] {
        let redis = connect(&url);
        // While a machine is busy the first attempt may not be over in time.
        let error = in_the_end(|| async {
            let error = redis.check().await.unwrap_err();
            if error.code() == "redis_refused" { Ok(error) } else { Err(error) }
        })
        .await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let shown = format!("{} {error:?} {redis:?}", error.report());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn a_node_of_a_cluster_is_not_a_server() {
    let url = cluster().url();
    let one = url.replace("redis-cluster://", "redis://").split(',').next().unwrap().to_owned();
    let redis = Redis::open(&one).unwrap();
    let mut errors = Vec::new();
    for prefix in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        use medianest_core::{SessionId, SystemClock, TenantId, auth::SessionStore};
        let redis = redis.clone().prefixed(prefix);
        let sessions = medianest_storage::RedisSessions::new(redis, std::sync::Arc::new(SystemClock));
        errors.extend(sessions.remove(TenantId::DEFAULT, SessionId::new()).await.err());
    }
    assert!(errors.iter().any(|error| error.code() == "redis_is_cluster"), "{errors:?}");
}

#[tokio::test]
async fn the_sentinel_names_another_primary() {
    let mut watched = Sentinel::start();
    let redis = connected(&watched.url()).await;
    watched.primary().kill();
    in_the_end(|| redis.check()).await;
    assert!(watched.replica().cli(&["INFO", "replication"]).contains("role:master"));
}

#[tokio::test]
async fn d2_a_cluster_replaces_a_primary() {
    let mut cluster = Cluster::start();
    let redis = connected(&cluster.url()).await;
    let (dead, others) = cluster.nodes().split_first_mut().unwrap();
    dead.kill();
    in_the_end(|| async {
        let primaries = others.iter().filter(|node| node.cli(&["ROLE"]).starts_with("master"));
        if primaries.count() == 3 { redis.check().await } else { Err(Error::internal("not yet")) }
    })
    .await;
    // It comes back as a replica of what took its place.
    dead.restart();
    in_the_end(|| redis.check()).await;
}

#[tokio::test]
async fn a_cluster_that_lacks_some_slots_is_away() {
    let mut cluster = Cluster::start();
    let redis = connected(&cluster.url()).await;
    // The replicas first, so that nobody takes the place of the primary.
    let dead = &mut cluster.nodes()[2..];
    dead.iter_mut().rev().for_each(Server::kill);
    let error = in_the_end_not(|| redis.check()).await;
    assert_eq!(error.code(), "redis_unavailable");
    dead.iter_mut().for_each(Server::restart);
    in_the_end(|| redis.check()).await;
}
