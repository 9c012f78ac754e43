//! Guesses are counted by all processes together, and by each while Redis is away.

use crate::{
    common::{PASSWORD, Server, answer},
    support::{directory, until, until_redis_is},
};
use medianest_testkit::{postgres::database, redis};
use reqwest::Method;
use serde_json::json;

async fn guess(server: &Server, login: &str, password: &str) -> u16 {
    let body = json!({ "login": login, "password": password });
    answer(server.request(Method::POST, "/api/v1/auth/login").json(&body)).await.0.as_u16()
}

/// How many guesses of `tries` were looked at.
async fn looked_at(servers: &[&Server], login: &str, tries: usize) -> usize {
    let mut looked_at = 0;
    for n in 0..tries {
        looked_at += usize::from(guess(servers[n % servers.len()], login, "wrong password").await == 401);
    }
    looked_at
}

#[tokio::test]
async fn d1_guesses_are_counted_by_all_and_by_each_while_redis_is_away() {
    let (database, mut redis) = (database(), redis::Server::start(&[]));
    let shared = tempfile::tempdir().unwrap();
    let start = || Server::start_in(directory(&database, &redis.url(), shared.path()));
    let (one, two) = (start(), start());
    for server in [&one, &two] {
        until_redis_is(server, "up").await;
    }
    // Five at once, and one more after half a minute, which the tries may take on a busy machine.
    let together = looked_at(&[&one, &two], "ada", 16).await;
    assert!((5..8).contains(&together), "{together}");
    assert_eq!(guess(&one, "admin", PASSWORD).await, 200);
    let keys = redis.cli(&["KEYS", "medianest:limit:sign-in:*"]);
    assert!(!keys.is_empty() && !keys.contains("ada"), "{keys}");

    redis.kill();
    for server in [&one, &two] {
        until_redis_is(server, "down").await;
        let alone = looked_at(&[server], "eve", 12).await;
        assert!((5..8).contains(&alone), "{alone}");
    }
    assert_eq!(guess(&one, "admin", PASSWORD).await, 200, "the right one gets in");
    redis.restart();
    until_redis_is(&one, "up").await;
    let again = looked_at(&[&one], "zoe", 12).await;
    assert!((5..8).contains(&again), "{again}");
    until("counted there again", async || {
        guess(&one, "joe", "wrong password").await;
        !redis.cli(&["KEYS", "medianest:limit:sign-in:*"]).is_empty()
    })
    .await;
}
