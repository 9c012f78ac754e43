//! Two servers and a worker on one PostgreSQL database.

mod common;

use common::{GIF, PASSWORD, Server, User, answer, configured, medianest};
use futures::StreamExt;
use medianest_testkit::postgres::{Server as Postgres, database};
use reqwest::Method;
use serde_json::json;
use std::{io::Write, path::Path, process::Stdio};
use tempfile::TempDir;

/// A data directory for a server on the database of these lines of configuration.
fn directory(database: &str, shared: &Path) -> TempDir {
    let dir = configured(&format!(
        "[workers]\njobs = 0\n[database]\n{database}\n[storage]\nmedia_dir = {:?}\n",
        shared.join("media")
    ));
    let mut file = std::fs::OpenOptions::new().append(true).open(dir.path().join("medianest.toml")).unwrap();
    writeln!(file, "keys_dir = {:?}", shared.join("keys")).unwrap();
    dir
}

#[tokio::test]
async fn what_one_process_does_counts_for_all() {
    let database = database();
    let url = format!("url = {:?}", database.url());
    let shared = tempfile::tempdir().unwrap();
    let one = Server::start_in(directory(&url, shared.path()));
    let two = Server::start_in(directory(&url, shared.path()));
    let ada = one.user("ada").await;
    let elsewhere =
        |method: Method, path: &str| two.request(method, &format!("/api/v1{path}")).bearer_auth(&ada.token);
    assert_eq!(answer(elsewhere(Method::GET, "/me")).await.0, 200);

    // A worker without a server of its own makes what both wait for.
    let home = directory(&url, shared.path());
    let mut worker =
        medianest(home.path()).args(["worker", "--jobs", "1"]).stdout(Stdio::null()).spawn().unwrap();
    let mut events = elsewhere(Method::GET, "/events").send().await.unwrap().bytes_stream();
    let (status, asset) = ada.upload("a.gif", GIF).await;
    assert_eq!(status, 201, "{asset}");
    let mut heard = String::new();
    while !heard.contains("event: asset.ready") {
        heard += std::str::from_utf8(&events.next().await.unwrap().unwrap()).unwrap();
    }
    let path = format!("/assets/{}/content", asset["id"].as_str().unwrap());
    let content = elsewhere(Method::GET, &path).send().await.unwrap();
    assert_eq!(content.bytes().await.unwrap(), GIF);
    worker.kill().unwrap();
    worker.wait().unwrap();

    // Signed out here is signed out there.
    assert_eq!(ada.call(Method::POST, "/auth/logout", None).await.0, 204);
    assert_eq!(answer(elsewhere(Method::GET, "/me")).await.0, 401);
    let again = User::new(&two, &two.login("ada", PASSWORD).await);
    let admin = one.admin().await;
    let path = format!("/users/{}", again.id);
    assert_eq!(admin.call(Method::PATCH, &path, Some(json!({ "disabled": true }))).await.0, 200);
    assert!(!again.is_in().await);
}

/// Two processes at one address: whichever is left goes on.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn processes_share_an_address() {
    use std::io::{BufRead, BufReader};

    let database = database();
    let shared = tempfile::tempdir().unwrap();
    let url = format!("url = {:?}\n[http]\nreuse_port = true", database.url());
    let one = Server::start_in(directory(&url, shared.path()));
    let address = one.url.strip_prefix("http://").unwrap().to_owned();
    let serve = |database: &str| {
        let home = directory(database, shared.path());
        let mut command = medianest(home.path());
        command.args(["serve", "--listen", &address]).stdout(Stdio::piped());
        (command, home)
    };
    let (mut command, _home) = serve(&format!("url = {:?}", database.url()));
    assert!(!command.status().unwrap().success(), "only who is told to shares its address");

    let (mut command, _home) = serve(&url);
    let mut two = command.spawn().unwrap();
    let mut lines = BufReader::new(two.stdout.take().unwrap()).lines();
    lines.find(|line| line.as_ref().unwrap().starts_with("MediaNest is ready")).unwrap().unwrap();
    let health = format!("{}/health/live", one.url);
    drop(one.kill());
    assert_eq!(reqwest::get(health).await.unwrap().status(), 200);
    two.kill().unwrap();
    two.wait().unwrap();
}

/// Lists and searches come from a replica, which may lag: but never before what the caller wrote, through
/// whichever server.
#[tokio::test]
async fn who_wrote_sees_it_though_a_replica_answers() {
    let primary = Postgres::start();
    let replica = primary.replica();
    let database = format!(
        "url = {:?}\nreplicas = [{:?}]\nmax_lag_seconds = 3600",
        primary.url("postgres"),
        replica.url("postgres")
    );
    let shared = tempfile::tempdir().unwrap();
    let one = Server::start_in(directory(&database, shared.path()));
    let two = Server::start_in(directory(&database, shared.path()));
    let ada = one.user("ada").await;
    let admin = two.admin().await;
    let assets = async |token: &str, path: &str| {
        let (status, page) =
            answer(two.request(Method::GET, &format!("/api/v1{path}")).bearer_auth(token)).await;
        assert_eq!(status, 200, "{page}");
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(assets(&admin.token, "/assets").await, 0, "and the server remembers how far the log is");
    replica.hold(&primary);
    let (status, asset) = ada.upload("beach.gif", GIF).await;
    assert_eq!(status, 201, "{asset}");
    for path in ["/assets", "/search?q=beach"] {
        assert_eq!(assets(&ada.token, path).await, 1, "{path}: written by the caller");
        assert_eq!(assets(&admin.token, path).await, 0, "{path}: not yet on the replica");
    }
    replica.let_go();
    while assets(&admin.token, "/assets").await == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
