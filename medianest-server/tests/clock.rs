//! P16: a machine whose clock is an hour off, before or behind. Leases and sessions go by the clock of the
//! database; tokens are judged by the clock of who looks at them, and stand on sessions in any case.

#![cfg(target_os = "linux")]

mod common;

use common::{GIF, PASSWORD, Server, User, Worker, answer, medianest, shares};
use medianest_testkit::postgres::Server as Postgres;
use reqwest::Method;
use serde_json::Value;
use std::{
    process::Command,
    sync::OnceLock,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(120);

/// The library that the command `faketime` puts before a program. The command itself would stand between us and
/// our processes.
fn library() -> &'static str {
    static LIBRARY: OnceLock<String> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let said = Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output();
        let said = said.expect("tests need faketime: run script/setup --test").stdout;
        String::from_utf8(said).unwrap().trim().to_owned()
    })
}

/// The program, where it is another time: `+1h`. Durations are what they are.
fn elsewhen(offset: &str, dir: &TempDir) -> Command {
    let mut command = medianest(dir.path());
    command.envs([("LD_PRELOAD", library()), ("FAKETIME", offset), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")]);
    command
}

struct Place {
    postgres: Postgres,
    shared: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { postgres: Postgres::start(), shared: tempfile::tempdir().unwrap() }
    }

    fn directory(&self, more: &str) -> TempDir {
        let database = format!("[database]\nurl = {:?}\n", self.postgres.url("postgres"));
        shares(self.shared.path(), &format!("{database}{more}"))
    }

    fn server(&self, offset: &str) -> Server {
        let dir = self.directory("[workers]\njobs = 0\n");
        Server::start_by(elsewhen(offset, &dir), dir)
    }

    fn lease(&self, job: &str) -> String {
        let columns = "state || ' ' || attempt || ' ' || crashes || ' ' || coalesce(worker, '')";
        self.postgres.ask(&format!("SELECT {columns} FROM medianest_jobs WHERE id = '{job}'"))
    }

    /// Gives a job to a worker that is not there, until so many seconds from now.
    fn take(&self, job: &str, seconds: i64) {
        self.postgres.sql(&format!(
            "UPDATE medianest_jobs SET state = 'running', attempt = 1, worker = 'another', lease_until = \
             ((extract(epoch FROM clock_timestamp()) + {seconds}) * 1000000)::bigint WHERE id = '{job}'"
        ));
    }
}

/// An asset, and the job that understands it.
async fn put_in(admin: &User<'_>, name: &str) -> (String, String) {
    let (status, asset) = admin.upload(name, [GIF, name.as_bytes()].concat()).await;
    assert_eq!(status, 201, "{asset}");
    let id = asset["id"].as_str().unwrap().to_owned();
    let jobs = admin.get(&format!("/jobs?asset_id={id}")).await.1;
    let job = jobs["items"][0]["id"].as_str().unwrap().to_owned();
    (id, job)
}

async fn until_ready(admin: &User<'_>, asset: &str) {
    let began = Instant::now();
    while admin.get(&format!("/assets/{asset}")).await.1["state"] != "ready" {
        assert!(began.elapsed() < PATIENCE, "{asset} is never ready");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The worker takes what nobody keeps any more, and nothing else, whatever it takes the time for.
async fn leases_go_by_the_database(offset: &str) {
    let place = Place::new();
    let server = place.server("+0");
    let admin = server.admin().await;
    let (kept, kept_job) = put_in(&admin, "kept.gif").await;
    let (left, left_job) = put_in(&admin, "left.gif").await;
    place.take(&kept_job, 30 * 60);
    place.take(&left_job, -1);

    let dir = place.directory("[workers]\nlease_seconds = 5\n[monitoring]\nlisten = \"127.0.0.1:0\"\n");
    let _worker = Worker::start_by(elsewhen(offset, &dir), dir);
    until_ready(&admin, &left).await;
    assert!(place.lease(&left_job).starts_with("done 2 1"), "{}", place.lease(&left_job));
    // It has looked for silent workers at least twice by now.
    assert_eq!(place.lease(&kept_job), "running 1 0 another");

    place.take(&kept_job, -1);
    until_ready(&admin, &kept).await;
}

#[tokio::test]
async fn p16_a_worker_that_is_ahead_steals_nothing() {
    leases_go_by_the_database("+1h").await;
}

#[tokio::test]
async fn p16_a_worker_that_is_behind_forgets_nothing() {
    leases_go_by_the_database("-1h").await;
}

/// For a token of 15 minutes an hour is too much; but a session is one everywhere, and its end too.
#[tokio::test]
async fn p16_sessions_go_by_the_database_and_tokens_by_who_looks() {
    let place = Place::new();
    let (now, ahead, behind) = (place.server("+0"), place.server("+1h"), place.server("-1h"));
    let ada = now.user("ada").await;
    let me = async |server: &Server, token: &str| {
        answer(server.request(Method::GET, "/api/v1/me").bearer_auth(token)).await.0.as_u16()
    };
    assert_eq!(me(&now, &ada.token).await, 200);
    assert_eq!(me(&ahead, &ada.token).await, 401, "for that one it has expired");

    for server in [&ahead, &behind] {
        let there = User::new(server, &server.login("ada", PASSWORD).await);
        assert!(there.is_in().await, "who signs in there is in there");
        assert!([200, 401].contains(&me(&now, &there.token).await));
        let (status, asset) = there.upload("a.gif", GIF).await;
        assert_eq!(status, 201, "{asset}");
        let path = format!("/assets/{}?links=true", asset["id"].as_str().unwrap());
        let links = there.get(&path).await.1;
        let url = links["links"]["original"].as_str().unwrap_or_else(|| panic!("{links}")).to_owned();
        let content = async || server.request(Method::GET, &url).send().await.unwrap().status().as_u16();
        assert_eq!(content().await, 200);
        // Ended here, ended there.
        let end = format!("/auth/sessions/{}", there.session);
        let here = User::new(&now, &now.login("ada", PASSWORD).await);
        assert_eq!(here.call(Method::DELETE, &end, None).await.0, 204);
        assert!(!there.is_in().await);
        assert!([401, 403, 404].contains(&content().await), "a link stands on its session");
    }
    // When they end was told by the database.
    let apart = place.postgres.ask(
        "SELECT max(abs(expires_at - (extract(epoch FROM clock_timestamp()) + 14 * 86400) * 1000000)) < 900000000 \
         FROM medianest_sessions",
    );
    assert_eq!(apart, "t");
    let sessions: Value = ada.get("/auth/sessions").await.1;
    assert!(sessions["items"].is_array(), "{sessions}");
}
