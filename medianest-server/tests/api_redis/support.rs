//! Servers and workers that share PostgreSQL and Redis.

use crate::common::{Server, User, answer, configured, medianest};
use medianest_testkit::postgres::Database;
use reqwest::Method;
use serde_json::Value;
use std::{
    io::Write,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};
use tempfile::TempDir;

pub(crate) fn directory(database: &Database, redis: &str, shared: &Path) -> TempDir {
    let dir = configured(&format!(
        "[workers]\njobs = 0\n[database]\nurl = {:?}\n[redis]\nurl = {redis:?}\n[storage]\nmedia_dir = {:?}\n",
        database.url(),
        shared.join("media")
    ));
    let mut file = std::fs::OpenOptions::new().append(true).open(dir.path().join("medianest.toml")).unwrap();
    writeln!(file, "keys_dir = {:?}", shared.join("keys")).unwrap();
    dir
}

/// A worker, which ends with the test.
pub(crate) struct Worker(Child);

impl Worker {
    pub(crate) fn start(home: &TempDir) -> Self {
        let mut worker = medianest(home.path());
        Self(worker.args(["worker", "--jobs", "2"]).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

pub(crate) async fn health(server: &Server) -> (u16, Value) {
    let (status, body) = answer(server.request(Method::GET, "/health/ready")).await;
    (status.as_u16(), body)
}

/// Asks until it is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), asking).await.expect(what);
}

pub(crate) async fn until_redis_is(server: &Server, state: &str) {
    until(state, async || health(server).await.1["dependencies"]["redis"] == state).await;
}

pub(crate) async fn until_ready(user: &User<'_>, asset: &str) {
    let path = format!("/assets/{asset}");
    until("ready", async || user.get(&path).await.1["state"] == "ready").await;
}

/// Whether nothing is left to do, as the database has it: it can be asked while nobody is let in.
pub(crate) fn is_idle(database: &Database) -> bool {
    database.ask("SELECT count(*) FROM medianest_jobs WHERE state IN ('queued', 'running')") == "0"
}

/// All of a user's assets are ready, and each was worked on once.
pub(crate) async fn assert_all_ready(user: &User<'_>, database: &Database, count: usize) {
    assert!(user.is_in().await);
    let (_, page) = user.get("/assets").await;
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), count);
    assert!(items.iter().all(|asset| asset["state"] == "ready"), "{page}");
    let again = "SELECT count(*) FROM medianest_jobs WHERE state <> 'done' OR attempt <> 1";
    assert_eq!(database.ask(again), "0", "no job was lost or done twice");
}
