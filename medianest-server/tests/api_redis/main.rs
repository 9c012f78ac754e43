//! Two servers and a worker that share PostgreSQL and Redis, which dies.

#[path = "../common/mod.rs"]
mod common;

mod faults;
mod limits;
mod sign_out;
mod support;

use common::{GIF, PASSWORD, Server, User, answer, assert_problem, medianest};
use medianest_testkit::{postgres::database, redis};
use reqwest::Method;
use serde_json::{Value, json};
use std::{process::Stdio, time::Duration};
use support::{Worker, directory, health, until, until_ready, until_redis_is};

#[tokio::test]
async fn d1_sessions_fail_closed_and_jobs_go_on_while_redis_is_away() {
    let (database, mut redis) = (database(), redis::Server::start(&[]));
    let shared = tempfile::tempdir().unwrap();
    let one = Server::start_in(directory(&database, &redis.url(), shared.path()));
    let two = Server::start_in(directory(&database, &redis.url(), shared.path()));
    let home = directory(&database, &redis.url(), shared.path());
    let _worker = Worker::start(&home);

    let ada = one.user("ada").await;
    let (status, asset) = ada.upload("a.gif", GIF).await;
    assert_eq!(status, 201, "{asset}");
    until_ready(&ada, asset["id"].as_str().unwrap()).await;
    assert!(redis.cli(&["DBSIZE"]).parse::<u32>().unwrap() > 0);
    let all = json!({
        "catalog": "up", "directory of store default": "up", "redis": "up", "store default": "up",
    });
    assert_eq!(health(&one).await, (200, json!({ "status": "ready", "dependencies": all })));

    // Signed out here is signed out there, though both remember.
    let elsewhere = |user: &User<'_>| two.request(Method::GET, "/api/v1/me").bearer_auth(&user.token);
    let bob = one.user("bob").await;
    assert_eq!(answer(elsewhere(&bob)).await.0, 200);
    assert_eq!(bob.call(Method::POST, "/auth/logout", None).await.0, 204);
    assert_eq!(answer(elsewhere(&bob)).await.0, 401);

    // Something to do, of which Redis forgets the half.
    for n in 0..10 {
        assert_eq!(ada.upload(&format!("{n}.gif"), GIF).await.0, 201);
    }
    redis.kill();
    let (status, problem) = ada.get("/me").await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (503, Some("redis_unavailable")), "{problem}");
    until_redis_is(&one, "down").await;
    let (status, body) = health(&one).await;
    assert_eq!((status, body["status"].as_str()), (200, Some("degraded")), "{body}");

    redis.restart();
    until_redis_is(&one, "up").await;
    until_redis_is(&two, "up").await;
    assert!(ada.is_in().await);
    let admin = one.admin().await;
    until("all done", async || {
        let (_, queues) = admin.get("/queues").await;
        queues["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|queue| queue["runnable"] == 0 && queue["running"] == 0 && queue["dead"] == 0)
    })
    .await;
    let (_, page) = ada.get("/assets").await;
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 11);
    assert!(items.iter().all(|asset| asset["state"] == "ready"), "{page}");
}

#[tokio::test]
async fn d1_an_evicting_redis_is_refused() {
    let (database, redis) = (database(), redis::Server::start(&["--maxmemory-policy", "allkeys-lfu"]));
    let shared = tempfile::tempdir().unwrap();
    let dir = directory(&database, &redis.url(), shared.path());
    // A server that was not refused would go on for ever.
    let run = |command: &[&str]| {
        let mut program = medianest(dir.path());
        let mut child = program.args(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        for _ in 0..600 {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = child.kill();
        child.wait_with_output().unwrap()
    };
    let refused = run(&["serve", "--listen", "127.0.0.1:0"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("maxmemory-policy noeviction"), "{said}");

    for command in [&["db", "migrate"][..], &["user", "add", "ada"], &["user", "list"], &["library", "list"]]
    {
        let ran = run(command);
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "commands that hand out nothing go on: {command:?}: {said}");
    }
    let doctor = || {
        let output = run(&["doctor", "--json"]);
        let checks: Value = serde_json::from_slice(&output.stdout).unwrap();
        checks.as_array().unwrap().iter().find(|check| check["name"] == "redis eviction").unwrap().clone()
    };
    let check = doctor();
    assert_eq!(check["fine"], false);
    assert!(check["detail"].as_str().unwrap().contains("CONFIG SET maxmemory-policy noeviction"), "{check}");
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    let check = doctor();
    assert!(check["fine"] == true && check["advice"].is_null(), "{check}");
}

/// The server starts without Redis, and lets nobody in until it is there.
#[tokio::test]
async fn a_server_that_starts_before_redis_waits_for_it() {
    let (database, mut redis) = (database(), redis::Server::start(&[]));
    redis.kill();
    let shared = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory(&database, &redis.url(), shared.path()));
    assert_eq!(health(&server).await.1["status"], "degraded");
    let signed_in = server.login("admin", PASSWORD).await;
    let admin = User::new(&server, &signed_in);
    assert_problem(admin.get("/me").await, 503, "redis_unavailable");
    // A refresh token is used up in the catalog: its answer must come through.
    let refresh = async |signed_in: &Value| {
        let body = json!({ "refresh_token": signed_in["refresh_token"] });
        answer(server.request(Method::POST, "/api/v1/auth/refresh").json(&body)).await
    };
    let (status, refreshed) = refresh(&signed_in).await;
    assert_eq!(status, 200, "{refreshed}");
    redis.restart();
    until_redis_is(&server, "up").await;
    assert!(admin.is_in().await);
    assert_eq!(refresh(&refreshed).await.0, 200);
}
