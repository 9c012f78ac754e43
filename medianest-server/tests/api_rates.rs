//! How often a client may do what, over HTTP.

mod common;

use common::{PASSWORD, Server, User, answer, assert_problem, medianest};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PROXIED: &str = "[http]\ntrusted_proxies = [\"127.0.0.1\"]\n";

async fn sign_in(server: &Server, from: &str, login: &str, password: &str) -> (StatusCode, Value) {
    let body = json!({ "login": login, "password": password });
    let request = server.request(Method::POST, "/api/v1/auth/login").json(&body);
    answer(request.header("x-forwarded-for", from)).await
}

/// What is answered but for what differs with each request.
async fn guess(server: &Server, from: &str, login: &str) -> Value {
    let (status, mut problem) = sign_in(server, from, login, "wrong password").await;
    problem.as_object_mut().unwrap().remove("request_id");
    json!([status.as_u16(), problem])
}

#[tokio::test]
async fn s6_guessing_is_stopped_by_login_and_by_address_and_locks_nobody_out() {
    let server = Server::start_with(&format!("{PROXIED}[rates]\nfailed_sign_ins = 2\n"));
    server.user("ada").await;

    // One login from one address: the same answers whether it exists.
    for login in ["ada", "nobody"] {
        for _ in 0..2 {
            assert_eq!(guess(&server, "192.0.2.1", login).await[1]["code"], "invalid_credentials");
        }
    }
    let refused = guess(&server, "192.0.2.1", "ada").await;
    assert_eq!((&refused[0], &refused[1]["code"]), (&json!(429), &json!("too_many_requests")));
    assert_eq!(guess(&server, "192.0.2.1", "nobody").await, refused);
    let body = json!({ "login": "ada", "password": PASSWORD });
    let request = server.request(Method::POST, "/api/v1/auth/login").json(&body);
    let right = request.header("x-forwarded-for", "192.0.2.1").send().await.unwrap();
    assert_eq!(right.status(), 429, "a right password is not even looked at");
    let wait: u64 = right.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");

    // Many logins from one address.
    let mut told = 0;
    for user in 0..20 {
        let answer = guess(&server, "192.0.2.2", &format!("user{user}")).await;
        told += u32::from(answer[0] == 401);
    }
    assert!((8..16).contains(&told), "{told}");

    // One login from everywhere; the client's own addition to the header changes nothing.
    let mut told = 0;
    for host in 0..40 {
        for _ in 0..3 {
            let answer = guess(&server, &format!("198.51.100.7, 203.0.113.{host}"), "ada").await;
            told += u32::from(answer[0] == 401);
        }
    }
    assert!(told < 75, "{told} of 120");
    assert_eq!(sign_in(&server, "192.0.2.9", "ada", PASSWORD).await.0, 200, "she gets in");
    for _ in 0..20 {
        assert_eq!(
            sign_in(&server, "192.0.2.9", "ada", PASSWORD).await.0,
            200,
            "what is right does not count"
        );
    }
}

#[tokio::test]
async fn s6_a_forged_header_is_not_believed() {
    let server = Server::start_with("[rates]\nfailed_sign_ins = 1\n");
    let mut told = 0;
    for host in 0..20 {
        let answer = guess(&server, &format!("203.0.113.{host}"), "ada").await;
        told += u32::from(answer[0] == 401);
    }
    assert!(told <= 3, "{told}: all came from one address");
}

#[tokio::test]
async fn s6_refreshing_registering_and_changing_a_password_are_counted_too() {
    let server = Server::start_with(&format!("{PROXIED}[rates]\nfailed_sign_ins = 1\nregistrations = 2\n"));
    let refresh = async |from: &str, token: &str| {
        let body = json!({ "refresh_token": token });
        let request = server.request(Method::POST, "/api/v1/auth/refresh").json(&body);
        answer(request.header("x-forwarded-for", from)).await
    };
    let mut token = server.admin().await.refresh_token;
    for _ in 0..10 {
        let (status, signed_in) = refresh("192.0.2.1", &token).await;
        assert_eq!(status, 200, "{signed_in}");
        token = signed_in["refresh_token"].as_str().unwrap().to_owned();
    }
    let mut guessed = 0;
    while refresh("192.0.2.1", "nonsense").await.0 != 429 {
        guessed += 1;
        assert!(guessed < 100);
    }
    assert_problem(refresh("192.0.2.1", &token).await, 429, "too_many_requests");
    assert_eq!(refresh("192.0.2.2", &token).await.0, 200);

    let ada = server.user("ada").await;
    let body = json!({ "current_password": "wrong password", "new_password": "another long password" });
    let change = || ada.call(Method::POST, "/auth/password", Some(body.clone()));
    assert_problem(change().await, 403, "wrong_password");
    assert_problem(change().await, 429, "too_many_requests");
    assert!(ada.is_in().await);
}

#[tokio::test]
async fn registrations_from_one_address_are_counted() {
    let server = Server::start_with(&format!("{PROXIED}[rates]\nregistrations = 2\n"));
    let dir = server.kill();
    let file = dir.path().join("medianest.toml");
    let configuration = std::fs::read_to_string(&file).unwrap() + "open_registration = true\n";
    std::fs::write(&file, configuration).unwrap();
    let server = Server::start_in(dir);
    let register = async |from: &str, login: &str| {
        let body = json!({ "login": login, "password": PASSWORD });
        let request = server.request(Method::POST, "/api/v1/auth/register").json(&body);
        answer(request.header("x-forwarded-for", from)).await
    };
    assert_eq!(register("192.0.2.1", "ada").await.0, 201);
    assert_eq!(register("192.0.2.1", "ada").await.0, 409, "which tells something");
    assert_problem(register("192.0.2.1", "eve").await, 429, "too_many_requests");
    assert_eq!(register("192.0.2.2", "bob").await.0, 201);
}

/// Asks until it is refused.
async fn until_refused(ask: impl AsyncFn() -> (StatusCode, Value)) -> (StatusCode, Value) {
    let began = Instant::now();
    loop {
        let answered = ask().await;
        if answered.0 == 429 {
            return answered;
        }
        assert!(answered.0.is_success() && began.elapsed() < Duration::from_secs(60), "{answered:?}");
    }
}

#[tokio::test]
async fn who_asks_too_often_is_refused_and_others_are_not() {
    let server = Server::start_with("[rates]\nuser_per_second = 2\naddress_per_second = 0\n");
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    assert_problem(until_refused(async || ada.get("/me").await).await, 429, "too_many_requests");
    assert_eq!(bob.get("/me").await.0, 200);
    // Whoever looks after the server is not counted, nor who asks whether it lives.
    for _ in 0..3 {
        let listed = medianest(server.dir.path()).args(["user", "list"]).output().unwrap();
        assert!(listed.status.success());
    }

    let server = Server::start_with(&format!("{PROXIED}[rates]\naddress_per_second = 2\n"));
    let ask = async |from: &str, path: &str| {
        answer(server.request(Method::GET, path).header("x-forwarded-for", from)).await
    };
    let refused = until_refused(async || ask("192.0.2.1", "/openapi.json").await).await;
    assert_problem(refused, 429, "too_many_requests");
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(ask("192.0.2.1", path).await.0, 200);
    }
    assert_eq!(ask("192.0.2.2", "/openapi.json").await.0, 200);
}

#[tokio::test]
async fn zero_is_without_limit() {
    let server = Server::start_with(
        "[rates]\nuser_per_second = 0\naddress_per_second = 0\nfailed_sign_ins = 0\nregistrations = 0\n",
    );
    let admin: User<'_> = server.admin().await;
    for _ in 0..40 {
        assert_eq!(guess(&server, "192.0.2.1", "nobody").await[0], 401);
    }
    assert!(admin.is_in().await);
}
