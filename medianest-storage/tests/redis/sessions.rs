//! [`RedisSessions`]: the promises of `SessionStore`, with servers that die and forget.

use crate::support::{connected, in_the_end};
use medianest_core::{
    Clock, Error, SessionId, SystemClock, TenantId, UserId,
    auth::{LiveSession, Lookup, SessionStore, Ticket},
};
use medianest_storage::RedisSessions;
use medianest_testkit::redis::{Cluster, Sentinel, Server, cluster, sentinel, server};
use std::{sync::Arc, time::Duration};

const TENANT: TenantId = TenantId::DEFAULT;

async fn store(url: &str) -> RedisSessions {
    RedisSessions::new(connected(url).await, Arc::new(SystemClock))
}

medianest_core::session_store_tests!(on_one_server, (store(&server().url()).await, ()));
medianest_core::session_memory_tests!(one_server_remembers, (store(&server().url()).await, ()));
medianest_core::session_store_tests!(behind_a_sentinel, (store(&sentinel().url()).await, ()));
medianest_core::session_memory_tests!(behind_a_sentinel_remembers, (store(&sentinel().url()).await, ()));
medianest_core::session_store_tests!(on_a_cluster, (store(&cluster().url()).await, ()));
medianest_core::session_memory_tests!(a_cluster_remembers, (store(&cluster().url()).await, ()));

fn session() -> LiveSession {
    LiveSession {
        id: SessionId::new(),
        tenant: TENANT,
        user: UserId::new(),
        role: String::from("admin"),
        auth_epoch: 1,
        must_change_password: false,
        expires_at: SystemClock.now() + Duration::from_secs(3600),
    }
}

async fn ticket(store: &RedisSessions, session: &LiveSession) -> Ticket {
    match store.get(TENANT, session.id).await.unwrap() {
        Lookup::Unknown(ticket) => ticket,
        live => panic!("{live:?}"),
    }
}

async fn remember(store: &RedisSessions, session: &LiveSession) {
    let ticket = ticket(store, session).await;
    store.put(session.clone(), ticket).await.unwrap();
    assert_eq!(store.get(TENANT, session.id).await.unwrap(), Lookup::Live(session.clone()));
}

/// Puts it, until that succeeds.
async fn remember_in_the_end(store: &RedisSessions, session: &LiveSession) {
    in_the_end(|| async {
        match store.get(TENANT, session.id).await? {
            Lookup::Live(_) => Ok(()),
            Lookup::Unknown(ticket) => {
                store.put(session.clone(), ticket).await?;
                Err(Error::internal("not yet"))
            }
        }
    })
    .await;
}

#[tokio::test]
async fn processes_share_what_they_know() {
    let redis = connected(&server().url()).await;
    let [one, two] = [0, 1].map(|_| RedisSessions::new(redis.clone(), Arc::new(SystemClock)));
    let ada = session();
    remember(&one, &ada).await;
    assert_eq!(two.get(TENANT, ada.id).await.unwrap(), Lookup::Live(ada.clone()));
    two.remove_user(TENANT, ada.user).await.unwrap();
    ticket(&one, &ada).await;
}

/// FLUSHALL, in the middle of somebody's lookup too.
#[tokio::test]
async fn d1_a_server_that_forgot_everything_revives_nothing() {
    let server = Server::start(&[]);
    let store = store(&server.url()).await;
    let (ada, bob) = (session(), session());
    remember(&store, &ada).await;
    let slow = ticket(&store, &bob).await;
    store.remove(TENANT, bob.id).await.unwrap();
    server.cli(&["FLUSHALL"]);
    store.put(bob.clone(), slow).await.unwrap();
    ticket(&store, &bob).await;
    remember(&store, &ada).await;
}

#[tokio::test]
async fn d1_sessions_fail_closed_while_redis_is_away() {
    let mut server = Server::start(&[]);
    let store = store(&server.url()).await;
    let ada = session();
    remember(&store, &ada).await;
    server.kill();
    for _ in 0..3 {
        assert_eq!(store.get(TENANT, ada.id).await.unwrap_err().code(), "redis_unavailable");
        assert_eq!(store.remove(TENANT, ada.id).await.unwrap_err().code(), "redis_unavailable");
        assert_eq!(store.remove_user(TENANT, ada.user).await.unwrap_err().code(), "redis_unavailable");
    }
    server.restart();
    remember_in_the_end(&store, &ada).await;
}

/// What ends sessions works without memory, and nobody is refused for the want of it.
#[tokio::test]
async fn d1_a_full_server_ends_sessions_and_asks_the_catalog_for_the_others() {
    let server = Server::start(&[]);
    let store = store(&server.url()).await;
    let (ada, bob, eve) = (session(), session(), session());
    remember(&store, &ada).await;
    remember(&store, &bob).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(store.get(TENANT, ada.id).await.unwrap(), Lookup::Live(ada.clone()));
    let void = ticket(&store, &eve).await;
    store.put(eve.clone(), void).await.unwrap();
    store.remove(TENANT, ada.id).await.unwrap();
    store.remove_user(TENANT, bob.user).await.unwrap();
    for session in [&ada, &bob, &eve] {
        ticket(&store, session).await;
    }
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    remember(&store, &eve).await;
}

#[tokio::test]
async fn sessions_go_on_with_the_next_primary_of_a_sentinel() {
    let mut watched = Sentinel::start();
    let store = store(&watched.url()).await;
    let ada = session();
    remember(&store, &ada).await;
    watched.primary().kill();
    remember_in_the_end(&store, &session()).await;
    in_the_end(|| store.remove(TENANT, ada.id)).await;
    ticket(&store, &ada).await;
}

#[tokio::test]
async fn d2_sessions_go_on_when_a_cluster_replaces_a_primary() {
    let mut cluster = Cluster::start();
    let store = store(&cluster.url()).await;
    let sessions: Vec<_> = (0..30).map(|_| session()).collect();
    for session in &sessions {
        remember(&store, session).await;
    }
    cluster.nodes()[0].kill();
    for session in &sessions {
        in_the_end(|| store.remove(TENANT, session.id)).await;
        in_the_end(|| store.get(TENANT, session.id)).await;
    }
    for session in &sessions {
        remember_in_the_end(&store, session).await;
    }
}

/// Slots that are elsewhere now (`MOVED`) are found without anybody noticing.
#[tokio::test]
async fn a_planned_failover_of_a_cluster_fails_nothing() {
    let mut cluster = Cluster::start();
    let store = store(&cluster.url()).await;
    let sessions: Vec<_> = (0..30).map(|_| session()).collect();
    for session in &sessions {
        remember(&store, session).await;
    }
    let role = |node: &Server| node.cli(&["ROLE"]);
    let nodes = cluster.nodes();
    let replica = nodes.iter().find(|node| role(node).starts_with("slave")).expect("a replica");
    in_the_end(|| async {
        // One that does not come about in five seconds is given up.
        replica.cli(&["CLUSTER", "FAILOVER"]);
        for _ in 0..300 {
            if role(replica).starts_with("master") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(Error::internal("not yet"))
    })
    .await;
    for session in &sessions {
        in_the_end(|| store.remove(TENANT, session.id)).await;
        ticket(&store, session).await;
    }
}
