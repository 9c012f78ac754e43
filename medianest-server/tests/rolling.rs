//! O2: all processes are restarted, one after the other, behind a load balancer and under load; and no request
//! fails that may be tried again.

#![cfg(unix)]

mod common;

use common::{GIF, PASSWORD, Server, Worker, shares};
use medianest_testkit::{balancer::Balancer, postgres::Server as Postgres, redis::Server as Redis};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(120);

struct Place {
    postgres: Postgres,
    redis: Redis,
    shared: TempDir,
}

impl Place {
    fn directory(&self, more: &str) -> TempDir {
        let configuration = format!(
            "[rates]\nuser_per_second = 0\naddress_per_second = 0\n[database]\nurl = {:?}\n[redis]\nurl = {:?}\n{more}",
            self.postgres.url("postgres"),
            self.redis.url()
        );
        shares(self.shared.path(), &configuration)
    }

    /// It takes requests for a second after it was told to end: ten times as long as the balancer needs to notice.
    fn server(&self) -> Server {
        Server::start_in(self.directory("[workers]\njobs = 0\n[http]\ndrain_seconds = 1\n"))
    }

    fn worker(&self) -> Worker {
        Worker::start_in(
            self.directory("[workers]\nlease_seconds = 10\n[monitoring]\nlisten = \"127.0.0.1:0\"\n"),
        )
    }
}

/// Somebody who uses the service all the time.
#[derive(Clone)]
struct User {
    http: Client,
    url: String,
    token: String,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
}

impl User {
    /// One request that may be tried again, and is not: that is for the balancer.
    async fn read(&self, path: &str) {
        let request = self.http.get(format!("{}/api/v1{path}", self.url)).bearer_auth(&self.token);
        let failure = match request.send().await {
            Ok(answer) if answer.status().is_success() => {
                answer.bytes().await.err().map(|error| error.to_string())
            }
            Ok(answer) => Some(format!("{} {}", answer.status(), answer.text().await.unwrap_or_default())),
            Err(error) => Some(format!("{error:?}")),
        };
        self.done.fetch_add(1, Ordering::Relaxed);
        if let Some(failure) = failure {
            self.failed.lock().unwrap().push(format!("GET {path}: {failure}"));
        }
    }

    async fn read_on(self, asset: String) {
        while !self.stop.load(Ordering::Relaxed) {
            self.read("/me").await;
            self.read("/assets").await;
            self.read(&format!("/assets/{asset}")).await;
            self.read(&format!("/assets/{asset}/content")).await;
            self.read("/search?q=begin").await;
        }
    }

    /// Puts assets in; one that nobody answered for is asked for again with its key, which makes it safe.
    async fn put_in_on(self) -> Vec<String> {
        let mut assets = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let key = format!("asset-{}", assets.len());
            let bytes = [GIF, key.as_bytes()].concat();
            let began = Instant::now();
            let asset = loop {
                let request = self
                    .http
                    .post(format!("{}/api/v1/assets?name={key}.gif", self.url))
                    .bearer_auth(&self.token)
                    .header("content-type", "application/octet-stream")
                    .header("idempotency-key", &key)
                    .body(bytes.clone());
                match request.send().await {
                    Ok(answer) if answer.status().is_success() => {
                        if let Ok(asset) = answer.json::<Value>().await {
                            break asset["id"].as_str().unwrap().to_owned();
                        }
                    }
                    Ok(answer) => assert!(answer.status().is_server_error(), "{}", answer.status()),
                    Err(_) => {}
                }
                assert!(began.elapsed() < PATIENCE, "{key} is never taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
            };
            assets.push(asset);
        }
        assets
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o2_a_rolling_restart_fails_no_request_that_may_be_tried_again() {
    let place =
        Place { postgres: Postgres::start(), redis: Redis::start(&[]), shared: tempfile::tempdir().unwrap() };
    let mut servers: Vec<_> = (0..3).map(|_| place.server()).collect();
    let mut workers: Vec<_> = (0..2).map(|_| place.worker()).collect();
    let urls: Vec<_> = servers.iter().map(|server| server.url.clone()).collect();
    let balancer = Balancer::start(&urls);
    all_ready(&balancer).await;

    let http = Client::new();
    let login = json!({ "login": "admin", "password": PASSWORD });
    let answer =
        http.post(format!("{}/api/v1/auth/login", balancer.url())).json(&login).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let signed_in: Value = answer.json().await.unwrap();
    let user = User {
        http,
        url: balancer.url(),
        token: signed_in["access_token"].as_str().unwrap().to_owned(),
        stop: Arc::default(),
        done: Arc::default(),
        failed: Arc::default(),
    };
    let (status, begin) = servers[0].admin().await.upload("begin.gif", GIF).await;
    assert_eq!(status, 201, "{begin}");
    let begin = begin["id"].as_str().unwrap();
    let readers: Vec<_> = (0..4).map(|_| tokio::spawn(user.clone().read_on(begin.to_owned()))).collect();
    let writer = tokio::spawn(user.clone().put_in_on());

    for round in 0..2 {
        for index in 0..servers.len() {
            let before = user.done.load(Ordering::Relaxed);
            let stopped = tokio::task::spawn_blocking({
                let mut server = servers.remove(index);
                move || server.stop()
            });
            assert!(stopped.await.unwrap(), "server {index} does not end well");
            servers.insert(index, place.server());
            balancer.replace(index, &servers[index].url);
            all_ready(&balancer).await;
            more_than(&user.done, before + 20).await;
            if let Some(worker) = workers.get_mut(index).filter(|_| round == 0) {
                assert!(worker.stop(), "worker {index} does not end well");
                *worker = place.worker();
            }
        }
    }
    user.stop.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
    let assets = writer.await.unwrap();
    let failed = user.failed.lock().unwrap().clone();
    let done = user.done.load(Ordering::Relaxed);
    assert!(failed.is_empty(), "{} of {done} failed: {failed:#?}", failed.len());
    eprintln!("{done} reads and {} uploads, none failed", assets.len());

    // What was acknowledged is there, once each, and comes to its end.
    assert!(assets.len() > 3, "hardly anything was put in");
    let admin = servers[0].admin().await;
    let began = Instant::now();
    for id in &assets {
        while admin.get(&format!("/assets/{id}")).await.1["state"] != "ready" {
            assert!(began.elapsed() < PATIENCE, "{id} is never ready");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let jobs = admin.call(Method::GET, "/jobs?limit=200", None).await.1;
    let crashed: Vec<_> =
        jobs["items"].as_array().unwrap().iter().filter(|job| job["crashes"] != 0).collect();
    assert!(crashed.is_empty(), "workers handed their jobs back: {crashed:#?}");
}

async fn all_ready(balancer: &Balancer) {
    let began = Instant::now();
    while balancer.ready() < 3 {
        assert!(began.elapsed() < PATIENCE, "{} of 3 servers are ready", balancer.ready());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn more_than(count: &AtomicUsize, least: usize) {
    let began = Instant::now();
    while count.load(Ordering::Relaxed) < least {
        assert!(began.elapsed() < PATIENCE, "nobody is served");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Readiness goes before the listener: who sends requests has time to notice, and connections do not stay.
#[tokio::test]
async fn a_server_that_is_told_to_end_says_so_and_serves_on_for_a_while() {
    let dir = common::configured("[http]\ndrain_seconds = 600\n[monitoring]\nlisten = \"127.0.0.1:0\"\n");
    let server = Server::start_in(dir);
    let admin = server.admin().await;
    assert_eq!(server.request(Method::GET, "/health/ready").send().await.unwrap().status(), 200);
    let kept = admin.request(Method::GET, "/me").send().await.unwrap();
    assert_eq!(kept.headers().get("connection"), None);
    let events = admin.request(Method::GET, "/events").send().await.unwrap();
    server.signal("TERM");
    let began = Instant::now();
    loop {
        let ready = server.request(Method::GET, "/health/ready").send().await.unwrap();
        if ready.status() == 503 {
            assert!(ready.text().await.unwrap().contains("draining"));
            break;
        }
        assert!(began.elapsed() < PATIENCE, "it stays ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let served = admin.request(Method::GET, "/me").send().await.unwrap();
    assert_eq!((served.status().as_u16(), served.headers()["connection"].to_str().unwrap()), (200, "close"));
    let monitoring = server.monitoring.as_ref().unwrap();
    assert_eq!(reqwest::get(format!("{monitoring}/health/live")).await.unwrap().status(), 200);
    let ready = reqwest::get(format!("{monitoring}/health/ready")).await.unwrap();
    assert_eq!(ready.status(), 503);
    drop(events);
    // The second signal is for who has seen enough.
    drop(admin);
    let mut server = server;
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(130));
}

/// P2: what is under way ends, and nothing else is begun.
#[tokio::test]
async fn p2_what_is_under_way_is_finished() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut server = Server::start();
    let token = server.admin().await.token;
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let mut upload = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /api/v1/assets?name=slow.gif HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n",
        GIF.len()
    );
    let (first, rest) = GIF.split_at(10);
    upload.write_all(head.as_bytes()).await.unwrap();
    upload.write_all(first).await.unwrap();
    // When the event says that it is about to end, the signal has come.
    let mut events = server.request(Method::GET, "/api/v1/events").bearer_auth(&token).send().await.unwrap();
    server.signal("TERM");
    while events.chunk().await.ok().flatten().is_some() {}
    upload.write_all(rest).await.unwrap();
    let mut answer = String::new();
    upload.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    assert!(server.ended().success());
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
}
