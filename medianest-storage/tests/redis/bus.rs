//! [`RedisBus`], between processes that use the same Redis.

use crate::support::{PATIENCE, connected};
use futures::{FutureExt, StreamExt};
use medianest_core::{EventBus, Topic};
use medianest_storage::{Redis, RedisBus};
use medianest_testkit::redis::{Cluster, Sentinel, Server, cluster, sentinel, server};
use std::time::Duration;

async fn bus(url: &str) -> (RedisBus, Redis) {
    let redis = connected(url).await;
    (RedisBus::start(&redis), redis)
}

medianest_core::event_bus_tests!(on_one_server, bus(&server().url()).await);
medianest_core::event_bus_tests!(behind_a_sentinel, bus(&sentinel().url()).await);
medianest_core::event_bus_tests!(on_a_cluster, bus(&cluster().url()).await);

/// Wakes until the other hears: when it began to listen, nobody says.
async fn wakes(from: &RedisBus, to: &RedisBus) {
    let mut waiting = to.subscribe(Topic::Jobs);
    let wake = async {
        loop {
            from.wake(Topic::Jobs);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let woken = async {
        tokio::select! { () = wake => {}, _ = waiting.next() => {} }
    };
    tokio::time::timeout(PATIENCE, woken).await.expect("it hears in the end");
}

async fn two(url: &str) -> [RedisBus; 2] {
    let redis = connected(url).await;
    let buses = [RedisBus::start(&redis), RedisBus::start(&redis)];
    wakes(&buses[0], &buses[1]).await;
    wakes(&buses[1], &buses[0]).await;
    buses
}

#[tokio::test]
async fn one_process_wakes_another_on_every_deployment() {
    for url in [server().url(), sentinel().url(), cluster().url()] {
        let [one, two] = two(&url).await;
        // One message is heard once, and only for its topic.
        let mut numbered = two.subscribe(Topic::Numbered);
        let mut committed = two.subscribe(Topic::Committed);
        one.wake(Topic::Numbered);
        numbered.next().await.unwrap();
        assert!(committed.next().now_or_never().is_none());
    }
}

#[tokio::test]
async fn deployments_with_another_prefix_do_not_hear_it() {
    let url = server().url();
    let ([one, peer], [other, _]) = (two(&url).await, two(&url).await);
    let mut elsewhere = other.subscribe(Topic::Committed);
    let mut here = peer.subscribe(Topic::Committed);
    one.wake(Topic::Committed);
    here.next().await.unwrap();
    assert!(elsewhere.next().now_or_never().is_none());
}

/// Messages were lost meanwhile: who waits looks for himself.
#[tokio::test]
async fn everybody_is_woken_when_the_connection_is_back() {
    let mut server = Server::start(&[]);
    let [one, two] = two(&server.url()).await;
    let mut waiting = two.subscribe(Topic::Committed);
    server.kill();
    one.wake(Topic::Committed);
    assert!(waiting.next().now_or_never().is_none());
    server.restart();
    let woken = tokio::time::timeout(PATIENCE, waiting.next());
    woken.await.expect("everybody is woken").unwrap();
    wakes(&one, &two).await;
}

#[tokio::test]
async fn d1_a_frozen_server_is_noticed() {
    let server = Server::start(&[]);
    let [one, two] = two(&server.url()).await;
    let mut waiting = two.subscribe(Topic::Committed);
    let noticed = async {
        loop {
            server.freeze();
            // Longer than the pulse and the answer to it, unless the machine is busy.
            tokio::time::sleep(Duration::from_secs(4)).await;
            server.thaw();
            if tokio::time::timeout(Duration::from_secs(8), waiting.next()).await.is_ok() {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, noticed).await.expect("it is noticed in the end");
    wakes(&one, &two).await;
}

#[tokio::test]
async fn the_bus_follows_the_sentinel() {
    let mut watched = Sentinel::start();
    let [one, two] = two(&watched.url()).await;
    watched.primary().kill();
    wakes(&one, &two).await;
}

#[tokio::test]
async fn d2_the_bus_follows_its_slot_in_a_cluster() {
    let mut cluster = Cluster::start();
    let redis = Redis::open(&cluster.url()).unwrap();
    let [one, two] = [RedisBus::start(&redis), RedisBus::start(&redis)];
    wakes(&one, &two).await;
    cluster.primary_of("medianest:bus").kill();
    wakes(&one, &two).await;
    wakes(&two, &one).await;
}
