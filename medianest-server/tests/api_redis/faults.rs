//! D1, D2, P15: whatever happens to Redis, nobody is let in wrongly, nothing is lost, and all comes back by
//! itself.

use crate::{
    common::{GIF, Server, User, answer, assert_problem, medianest},
    support::{Worker, assert_all_ready, directory, health, is_idle, until, until_ready, until_redis_is},
};
use medianest_testkit::{
    postgres::{Database, database},
    redis,
};
use reqwest::Method;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Two servers and a worker.
struct Fleet {
    one: Server,
    two: Server,
    worker: Option<Worker>,
    home: TempDir,
    database: Database,
    _shared: TempDir,
}

impl Fleet {
    fn start(redis: &str) -> Self {
        let (database, shared) = (database(), tempfile::tempdir().unwrap());
        let home = || directory(&database, redis, shared.path());
        let (one, two) = (Server::start_in(home()), Server::start_in(home()));
        let home = home();
        Self { worker: Some(Worker::start(&home)), one, two, home, database, _shared: shared }
    }

    /// A new user, signed in.
    async fn newcomer(&self, login: &str) -> Token {
        Token(self.one.user(login).await.token)
    }

    /// Uploads with nobody to work on them yet.
    async fn queue(&mut self, user: &Token, count: usize) {
        self.worker = None;
        for n in 0..count {
            let (status, asset) = user.at(&self.one).upload(&format!("{n}.gif"), GIF).await;
            assert_eq!(status, 201, "{asset}");
        }
        assert!(!is_idle(&self.database));
    }

    fn work(&mut self) {
        self.worker = Some(Worker::start(&self.home));
    }

    async fn until_idle(&self) {
        until("all done", async || is_idle(&self.database)).await;
    }

    /// Signing out at one server counts at the other.
    async fn assert_signs_out(&self, login: &str) {
        let user = self.one.user(login).await;
        let elsewhere = || self.two.request(Method::GET, "/api/v1/me").bearer_auth(&user.token);
        assert_eq!(answer(elsewhere()).await.0, 200);
        assert_eq!(user.call(Method::POST, "/auth/logout", None).await.0, 204);
        assert_eq!(answer(elsewhere()).await.0, 401);
    }
}

/// Somebody who is signed in, at whichever server.
struct Token(String);

impl Token {
    fn at<'a>(&self, server: &'a Server) -> User<'a> {
        let unknown = String::new;
        User { server, id: unknown(), token: self.0.clone(), refresh_token: unknown(), session: unknown() }
    }
}

#[tokio::test]
async fn d1_while_redis_is_frozen_nobody_waits_long_and_work_goes_on() {
    let redis = redis::Server::start(&[]);
    let mut fleet = Fleet::start(&redis.url());
    let ada = fleet.newcomer("ada").await;
    fleet.queue(&ada, 10).await;
    redis.freeze();
    let began = Instant::now();
    assert_problem(ada.at(&fleet.one).get("/me").await, 503, "redis_unavailable");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    until_redis_is(&fleet.one, "down").await;
    let (status, body) = health(&fleet.one).await;
    assert_eq!((status, body["status"].as_str()), (200, Some("degraded")), "{body}");
    assert_eq!(body["reasons"]["redis"], "redis_unavailable");
    // Whoever signs in is let in by the catalog; the worker asks it for jobs.
    fleet.one.admin().await;
    fleet.work();
    fleet.until_idle().await;
    assert_problem(ada.at(&fleet.two).get("/me").await, 503, "redis_unavailable");

    redis.thaw();
    for server in [&fleet.one, &fleet.two] {
        until_redis_is(server, "up").await;
        assert!(ada.at(server).is_in().await);
    }
    assert_all_ready(&ada.at(&fleet.one), &fleet.database, 10).await;
    fleet.assert_signs_out("bob").await;
}

#[tokio::test]
async fn d1_what_redis_forgot_is_known_to_the_catalog() {
    let redis = redis::Server::start(&[]);
    let mut fleet = Fleet::start(&redis.url());
    let ada = fleet.newcomer("ada").await;
    fleet.queue(&ada, 10).await;
    redis.cli(&["FLUSHALL"]);
    for server in [&fleet.one, &fleet.two] {
        assert!(ada.at(server).is_in().await, "nobody is signed out");
    }
    fleet.assert_signs_out("bob").await;
    fleet.work();
    until("some done", async || {
        fleet.database.ask("SELECT count(*) >= 5 FROM medianest_jobs WHERE state = 'done'") == "t"
    })
    .await;
    redis.cli(&["FLUSHALL"]);
    fleet.until_idle().await;
    assert_all_ready(&ada.at(&fleet.one), &fleet.database, 10).await;
    assert_eq!(health(&fleet.one).await.1["status"], "ready");
}

#[tokio::test]
async fn d1_a_redis_without_memory_keeps_nobody_out_and_nobody_in() {
    let redis = redis::Server::start(&[]);
    let fleet = Fleet::start(&redis.url());
    let ada = fleet.newcomer("ada").await;
    assert!(ada.at(&fleet.two).is_in().await);
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    for server in [&fleet.one, &fleet.two] {
        assert!(ada.at(server).is_in().await, "what is remembered, and what is not");
    }
    fleet.assert_signs_out("bob").await;
    until_redis_is(&fleet.one, "down").await;
    assert_eq!(health(&fleet.one).await.1["reasons"]["redis"], "redis_full");
    for n in 0..5 {
        assert_eq!(ada.at(&fleet.one).upload(&format!("{n}.gif"), GIF).await.0, 201);
    }
    fleet.until_idle().await;
    let evicted = redis.cli(&["INFO", "stats"]);
    assert!(evicted.contains("evicted_keys:0"), "{evicted}");
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    until_redis_is(&fleet.one, "up").await;
    assert_all_ready(&ada.at(&fleet.one), &fleet.database, 5).await;
    fleet.assert_signs_out("eve").await;
}

/// As Debian ships it: snapshots now and then, so that SIGKILL loses all there was.
#[tokio::test]
async fn d1_the_default_configuration_loses_all_with_a_kill_and_we_lose_nothing() {
    let mut redis = redis::Server::start(&["--save", "3600 1 300 100 60 10000"]);
    let mut fleet = Fleet::start(&redis.url());
    let ada = fleet.newcomer("ada").await;
    fleet.queue(&ada, 10).await;
    assert_ne!(redis.cli(&["DBSIZE"]), "0");
    redis.kill();
    redis.restart();
    assert_eq!(redis.cli(&["KEYS", "medianest:session:*"]), "", "nothing survived");
    fleet.work();
    for server in [&fleet.one, &fleet.two] {
        until_redis_is(server, "up").await;
        assert!(ada.at(server).is_in().await);
    }
    fleet.until_idle().await;
    assert_all_ready(&ada.at(&fleet.one), &fleet.database, 10).await;
    fleet.assert_signs_out("bob").await;
}

/// The queue is down when the asset is made: whoever asks is refused, or the job comes later.
#[tokio::test]
async fn p15_an_asset_that_is_made_while_the_queue_is_down_is_worked_on() {
    let mut redis = redis::Server::start(&[]);
    let fleet = Fleet::start(&redis.url());
    let ada = fleet.newcomer("ada").await;
    redis.kill();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.gif"), GIF).unwrap();
    assert_problem(ada.at(&fleet.one).upload("b.gif", GIF).await, 503, "redis_unavailable");
    let mut import = medianest(fleet.home.path());
    let imported =
        import.arg("import").arg(folder.path()).args(["--owner", "ada", "--json"]).output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    assert_eq!(
        fleet.database.ask("SELECT count(*) FROM medianest_assets"),
        "1",
        "what was refused is not there"
    );
    fleet.until_idle().await;
    redis.restart();
    until_redis_is(&fleet.one, "up").await;
    assert_all_ready(&ada.at(&fleet.one), &fleet.database, 1).await;
}

#[tokio::test]
async fn d2_a_primary_of_the_cluster_dies() {
    let mut cluster = redis::Cluster::start();
    let fleet = Fleet::start(&cluster.url());
    let ada = fleet.newcomer("ada").await;
    for n in 0..5 {
        assert_eq!(ada.at(&fleet.one).upload(&format!("{n}.gif"), GIF).await.0, 201);
    }
    // The one that has the jobs; a third of the sessions is in it too.
    cluster.primary_of("medianest:{jobs:render}:ready").kill();
    fleet.until_idle().await;
    for server in [&fleet.one, &fleet.two] {
        // Until its replica has taken its place.
        until("let in", async || ada.at(server).get("/me").await.0 == 200).await;
        until_redis_is(server, "up").await;
    }
    for n in 5..10 {
        until("taken", async || ada.at(&fleet.two).upload(&format!("{n}.gif"), GIF).await.0 == 201).await;
    }
    fleet.until_idle().await;
    assert_all_ready(&ada.at(&fleet.one), &fleet.database, 10).await;
    for login in ["bob", "eve", "joe", "zoe"] {
        fleet.assert_signs_out(login).await;
    }
}

/// Slots that move while they are asked for (`MOVED`, `ASK`).
#[tokio::test]
async fn d2_slots_of_the_cluster_move() {
    let cluster = redis::Cluster::start();
    let fleet = Fleet::start(&cluster.url());
    let ada = fleet.newcomer("ada").await;
    assert!(ada.at(&fleet.one).is_in().await);
    cluster.move_slots(1000);
    for login in ["bob", "eve", "joe", "zoe"] {
        fleet.assert_signs_out(login).await;
    }
    assert!(ada.at(&fleet.two).is_in().await);
    let (_, asset) = ada.at(&fleet.one).upload("a.gif", GIF).await;
    until_ready(&ada.at(&fleet.one), asset["id"].as_str().unwrap()).await;
    assert_eq!(health(&fleet.one).await.1["status"], "ready");
}

#[tokio::test]
async fn d2_the_sentinels_choose_another_primary() {
    let mut watched = redis::Sentinel::start();
    let fleet = Fleet::start(&watched.url());
    let ada = fleet.newcomer("ada").await;
    assert!(ada.at(&fleet.one).is_in().await);
    watched.primary().kill();
    for server in [&fleet.one, &fleet.two] {
        until("let in", async || ada.at(server).get("/me").await.0 == 200).await;
        until_redis_is(server, "up").await;
    }
    fleet.assert_signs_out("bob").await;
    let (_, asset) = ada.at(&fleet.one).upload("a.gif", GIF).await;
    until_ready(&ada.at(&fleet.one), asset["id"].as_str().unwrap()).await;
}
