//! `medianest doctor` looks at everything that is configured, and says what to do.

mod common;

use common::{Server, medianest, shares};
use medianest_testkit::{postgres::Server as Postgres, redis::Server as Redis};
use serde_json::Value;
use std::{path::Path, process::Command};
use tempfile::TempDir;

struct Place {
    primary: Postgres,
    replica: Postgres,
    redis: Redis,
    shared: TempDir,
}

impl Place {
    fn start() -> Self {
        let primary = Postgres::start();
        let replica = primary.replica();
        let (redis, shared) = (Redis::start(&[]), tempfile::tempdir().unwrap());
        Self { primary, replica, redis, shared }
    }

    fn directory(&self, replica: &Postgres, more: &str) -> TempDir {
        let configuration = format!(
            "[database]\nurl = {:?}\nreplicas = [{:?}]\n{more}\n[redis]\nurl = {:?}\n[workers]\njobs = 0\n",
            self.primary.url("postgres"),
            replica.url("postgres"),
            self.redis.url()
        );
        shares(self.shared.path(), &configuration)
    }
}

/// What it said, and whether all is well.
struct Report {
    checks: Vec<Value>,
    well: bool,
}

impl Report {
    fn of(dir: &Path) -> Self {
        Self::by(&mut medianest(dir))
    }

    fn by(command: &mut Command) -> Self {
        let said = command.args(["doctor", "--json"]).output().unwrap();
        let checks: Value = serde_json::from_slice(&said.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&said.stderr)));
        Self { checks: checks.as_array().unwrap().clone(), well: said.status.success() }
    }

    #[track_caller]
    fn check(&self, name: &str) -> &Value {
        self.checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{:#?}", self.checks))
    }

    /// That it failed, with advice that says this.
    #[track_caller]
    fn assert_failed(&self, name: &str, says: &str) {
        let check = self.check(name);
        assert!(!self.well && check["fine"] == false, "{check}");
        assert!(check["advice"].as_str().unwrap().contains(says), "{check}");
    }
}

#[test]
fn its_json_has_a_form_that_stays() {
    let place = Place::start();
    let dir = place.directory(&place.replica, "");
    drop(Server::start_in(place.directory(&place.replica, "")));
    let report = Report::of(dir.path());
    for check in &report.checks {
        let keys: Vec<_> = check.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["advice", "detail", "fine", "name"], "{check}");
        assert!(check["fine"] == true || check["advice"].is_string(), "{check}");
    }
    let names: Vec<_> = report.checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    insta::assert_snapshot!(names.join("\n"), @r"
    data directory
    disk of the data directory
    disk of media
    postgres
    postgres rights
    postgres schema
    postgres clock
    postgres connections
    replica-1
    replica-1 clock
    redis
    redis eviction
    redis persistence
    redis clock
    redis memory
    redis writes
    store default
    sandbox
    FFmpeg
    ");
    for name in names.iter().filter(|name| !name.contains("dis") && **name != "data directory") {
        assert_eq!(report.check(name)["fine"], true, "{:#?}", report.check(name));
    }
}

#[test]
fn what_is_wrong_is_told_with_what_mends_it() {
    let place = Place::start();
    let dir = place.directory(&place.replica, "max_connections = 500");
    let report = Report::of(dir.path());
    report.assert_failed("postgres schema", "medianest db migrate");
    let connections = report.check("postgres connections");
    assert!(connections["advice"].as_str().unwrap().contains("max_connections"), "{connections}");
    let migrated = medianest(dir.path()).args(["db", "migrate"]).output().unwrap();
    assert!(migrated.status.success());
    assert_eq!(Report::of(dir.path()).check("postgres schema")["fine"], true);

    // Somebody else's replica, and none at all.
    let stranger = Postgres::start();
    let its_replica = stranger.replica();
    let report = Report::of(place.directory(&its_replica, "").path());
    report.assert_failed("replica-1", "database.replicas");
    assert!(report.check("replica-1")["detail"].as_str().unwrap().contains("follows another primary"));
    let report = Report::of(place.directory(&stranger, "").path());
    assert!(report.check("replica-1")["detail"].as_str().unwrap().contains("follows nobody"));
    stranger.kill();
    Report::of(place.directory(&stranger, "").path()).assert_failed("replica-1", "see that it runs");

    place.redis.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    place.redis.cli(&["CONFIG", "SET", "maxmemory", "100"]);
    let report = Report::of(dir.path());
    report.assert_failed("redis writes", "room in its memory");
    assert!(report.check("redis memory")["advice"].as_str().unwrap().contains("maxmemory"));
    report.assert_failed("redis eviction", "CONFIG SET maxmemory-policy noeviction");
    place.primary.kill();
    Report::of(dir.path()).assert_failed("postgres", "database.url");
}

/// A replica that is away makes nobody unready.
#[tokio::test]
async fn readiness_tells_of_replicas() {
    let place = Place::start();
    let server = Server::start_in(place.directory(&place.replica, ""));
    let ready = async || {
        let answer = server.request(reqwest::Method::GET, "/health/ready").send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let until = async |status: &str, replica: &str| {
        let began = std::time::Instant::now();
        loop {
            let (code, body) = ready().await;
            assert_eq!(code, 200, "{body}");
            if body["status"] == status && body["dependencies"]["replica-1"] == replica {
                return;
            }
            assert!(began.elapsed().as_secs() < 60, "{body}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    until("ready", "up").await;
    place.replica.kill();
    until("degraded", "down").await;
    place.replica.start_again();
    until("ready", "up").await;
}

/// A clock that is off is told before anybody is refused for it.
#[cfg(target_os = "linux")]
#[test]
fn clocks_are_compared() {
    let place = Place::start();
    let dir = place.directory(&place.replica, "");
    let library = Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output();
    let library =
        String::from_utf8(library.expect("tests need faketime: run script/setup --test").stdout).unwrap();
    for (offset, fine) in [("+30s", true), ("-1h", false)] {
        let mut elsewhen = medianest(dir.path());
        elsewhen.env("LD_PRELOAD", library.trim()).env("FAKETIME", offset);
        let report = Report::by(elsewhen.env("FAKETIME_DONT_FAKE_MONOTONIC", "1"));
        for name in ["postgres clock", "replica-1 clock", "redis clock"] {
            let check = report.check(name);
            assert!(
                check["fine"] == fine && check["advice"].as_str().unwrap().contains("synchronise"),
                "{check}"
            );
        }
    }
}
