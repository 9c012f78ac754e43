//! Sign-in, sessions, tokens and cookies over real HTTP. Names are those of the cases in the
//! reliability notes: J for tokens, S for sessions.

mod common;

use common::{PASSWORD, Server, User, answer, assert_problem};
use reqwest::Method;
use serde_json::{Value, json};

const POST: Method = Method::POST;
const NEW: &str = "another good password";

async fn again<'a>(server: &'a Server, login: &str) -> User<'a> {
    User::new(server, &server.login(login, PASSWORD).await)
}

#[tokio::test]
async fn s1_what_ends_sessions_ends_them_with_the_next_request() {
    let server = Server::start();
    let admin = server.admin().await;
    let ada = server.user("ada").await;
    assert!(ada.is_in().await);

    // One's own sign-out, of this session and of no other.
    let other = again(&server, "ada").await;
    assert_eq!(ada.call(POST, "/auth/logout", None).await.0, 204);
    assert!(!ada.is_in().await && other.is_in().await);

    // All others from one.
    let third = again(&server, "ada").await;
    let (status, ended) = third.call(Method::DELETE, "/auth/sessions", None).await;
    assert_eq!((status.as_u16(), &ended["ended"]), (200, &json!(1)));
    assert!(!other.is_in().await && third.is_in().await);

    // One by its id.
    let fourth = again(&server, "ada").await;
    let path = format!("/auth/sessions/{}", fourth.session);
    assert_eq!(third.call(Method::DELETE, &path, None).await.0, 204);
    assert!(!fourth.is_in().await);

    // Another password: all end, and the answer has a new one.
    let change = json!({ "current_password": PASSWORD, "new_password": NEW });
    let (status, signed_in) = third.call(POST, "/auth/password", Some(change)).await;
    assert_eq!(status, 200);
    assert!(!third.is_in().await);
    let fifth = User::new(&server, &signed_in);
    assert!(fifth.is_in().await);

    // By an administrator.
    let path = format!("/users/{}", ada.id);
    assert_eq!(admin.call(Method::DELETE, &format!("{path}/sessions"), None).await.0, 200);
    assert!(!fifth.is_in().await);
    let sixth = User::new(&server, &server.login("ada", NEW).await);
    assert_eq!(admin.call(Method::PATCH, &path, Some(json!({ "disabled": true }))).await.0, 200);
    assert!(!sixth.is_in().await);
    let sign_in = json!({ "login": "ada", "password": NEW });
    let refused = answer(server.request(POST, "/api/v1/auth/login").json(&sign_in)).await;
    assert_problem(refused, 401, "invalid_credentials");
    let refresh = json!({ "refresh_token": sixth.refresh_token });
    let refused = answer(server.request(POST, "/api/v1/auth/refresh").json(&refresh)).await;
    assert_problem(refused, 401, "invalid_refresh_token");

    assert_eq!(admin.call(Method::PATCH, &path, Some(json!({ "disabled": false }))).await.0, 200);
    let seventh = User::new(&server, &server.login("ada", NEW).await);
    let (status, reset) = admin.call(POST, &format!("{path}/password"), Some(json!({}))).await;
    assert_eq!(status, 200);
    assert!(!seventh.is_in().await);
    assert_eq!(
        server.login("ada", reset["password"].as_str().unwrap()).await["user"]["must_change_password"],
        true
    );
}

#[tokio::test]
async fn s2_a_lowered_role_counts_at_once() {
    let server = Server::start();
    let admin = server.admin().await;
    let ada = server.user("ada").await;
    let path = format!("/users/{}", ada.id);
    assert_problem(ada.get("/users").await, 403, "forbidden");
    assert_eq!(admin.call(Method::PATCH, &path, Some(json!({ "role": "admin" }))).await.0, 200);
    let ada = again(&server, "ada").await;
    assert_eq!(ada.get("/users").await.0, 200);
    assert_eq!(ada.get("/jobs").await.0, 200);
    assert_eq!(admin.call(Method::PATCH, &path, Some(json!({ "role": "user" }))).await.0, 200);
    assert!(!ada.is_in().await);
    let ada = again(&server, "ada").await;
    assert_problem(ada.get("/jobs").await, 403, "forbidden");
    // Nobody is left who could undo this.
    let own = format!("/users/{}", admin.id);
    assert_problem(admin.call(Method::PATCH, &own, Some(json!({ "role": "user" }))).await, 409, "last_admin");
    assert_problem(
        admin.call(Method::PATCH, &own, Some(json!({ "disabled": true }))).await,
        409,
        "last_admin",
    );
}

#[tokio::test]
async fn s3_a_used_refresh_token_ends_the_session() {
    let server = Server::start_with("");
    let ada = server.user("ada").await;
    let refresh = async |token: &str| {
        let body = json!({ "refresh_token": token });
        answer(server.request(POST, "/api/v1/auth/refresh").json(&body)).await
    };
    let (status, second) = refresh(&ada.refresh_token).await;
    assert_eq!(status, 200);
    let second = User::new(&server, &second);
    assert_eq!(second.session, ada.session);
    assert_ne!(second.refresh_token, ada.refresh_token);
    assert!(second.is_in().await);

    // The same one again at once is taken for a race, and changes nothing.
    assert_problem(refresh(&ada.refresh_token).await, 409, "refresh_raced");
    let (status, third) = refresh(&second.refresh_token).await;
    assert_eq!(status, 200);
    let third = User::new(&server, &third);

    // One that was used before the last one is a replay: whoever has stolen it, the session is over.
    assert_problem(refresh(&ada.refresh_token).await, 401, "invalid_refresh_token");
    assert!(!third.is_in().await && !ada.is_in().await);
    assert_problem(refresh(&third.refresh_token).await, 401, "invalid_refresh_token");

    for bad in ["", ".", "x.y", &"A".repeat(66), &third.token] {
        assert_problem(refresh(bad).await, 401, "invalid_refresh_token");
    }
}

#[tokio::test]
async fn s3_of_two_parallel_refreshes_one_wins_and_the_session_lives() {
    let server = Server::start();
    let ada = server.user("ada").await;
    let body = json!({ "refresh_token": ada.refresh_token });
    let refresh = || answer(server.request(POST, "/api/v1/auth/refresh").json(&body));
    let (one, two) = tokio::join!(refresh(), refresh());
    let mut statuses = [one.0.as_u16(), two.0.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert!(ada.is_in().await);
}

#[tokio::test]
async fn s3_the_secret_of_a_session_is_needed_to_end_it() {
    let server = Server::start();
    let ada = server.user("ada").await;
    let revoke = async |token: String| {
        let body = json!({ "refresh_token": token });
        answer(server.request(POST, "/api/v1/auth/revoke").json(&body)).await.0
    };
    let (session, _) = ada.refresh_token.split_once('.').unwrap();
    let invented = format!("{session}.{}", "A".repeat(43));
    for token in [String::from("nonsense"), invented] {
        assert_eq!(revoke(token).await, 204);
        assert!(ada.is_in().await);
    }
    assert_eq!(revoke(ada.refresh_token.clone()).await, 204);
    assert!(!ada.is_in().await);
}

/// Who does not get the answer asks again, or at once twice: the session has ended when one says so. Nor does it live on
/// because it was refreshed beside.
#[tokio::test]
async fn s3_a_session_that_is_said_to_be_over_is() {
    let server = Server::start();
    let send = |path: &str, token: &str| {
        let request = server.request(POST, &format!("/api/v1/auth/{path}"));
        answer(request.json(&json!({ "refresh_token": token })))
    };
    for beside in ["revoke", "refresh"] {
        let ada = server.user(beside).await;
        let token = &ada.refresh_token;
        let (one, _) = tokio::join!(send("revoke", token), send(beside, token));
        assert_eq!(one.0, 204);
        assert!(!ada.is_in().await, "{beside}");
        assert_eq!(send("revoke", token).await.0, 204);
    }
}

#[tokio::test]
async fn s4_a_cookie_is_for_our_own_pages() {
    let server = Server::start();
    let sign_in = json!({ "login": "admin", "password": PASSWORD, "cookie": true });
    let login = || server.request(POST, "/api/v1/auth/login").json(&sign_in);
    assert_problem(answer(login()).await, 403, "cross_site");
    assert_problem(answer(login().header("origin", "http://evil.example")).await, 403, "cross_site");

    let entered = login().header("origin", &server.url).send().await.unwrap();
    assert_eq!(entered.status(), 200);
    let set = entered.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        set.starts_with("medianest=") && set.contains("HttpOnly") && set.contains("SameSite=Strict"),
        "{set}"
    );
    assert!(!set.contains("Secure") && set.contains("Path=/"));
    let body: Value = entered.json().await.unwrap();
    assert!(body["access_token"].is_null() && body["refresh_token"].is_null());

    let cookie = set.split(';').next().unwrap().to_owned();
    let with = |method: Method, path: &str| server.request(method, path).header("cookie", &cookie);
    assert_eq!(with(Method::GET, "/api/v1/me").send().await.unwrap().status(), 200);
    let library = json!({ "name": "x" });
    let create = || with(POST, "/api/v1/libraries").json(&library);
    assert_problem(answer(create()).await, 403, "cross_site");
    assert_problem(answer(create().header("origin", "null")).await, 403, "cross_site");
    assert_problem(answer(create().header("sec-fetch-site", "cross-site")).await, 403, "cross_site");
    assert_eq!(answer(create().header("sec-fetch-site", "same-origin")).await.0, 201);
    assert_eq!(answer(create().header("origin", &server.url)).await.0, 201);

    // A cookie is no bearer token, and the other way round.
    let value = cookie.strip_prefix("medianest=").unwrap();
    let as_bearer = server.request(Method::GET, "/api/v1/me").bearer_auth(value);
    assert_problem(answer(as_bearer).await, 401, "invalid_token");
    let admin = server.admin().await;
    let as_cookie =
        server.request(Method::GET, "/api/v1/me").header("cookie", format!("medianest={}", admin.token));
    assert_problem(answer(as_cookie).await, 401, "invalid_token");

    // A new session each time, and signing out takes the cookie back.
    let second = login().header("origin", &server.url).send().await.unwrap();
    assert_ne!(second.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap(), cookie);
    let left = with(POST, "/api/v1/auth/logout").header("origin", &server.url).send().await.unwrap();
    assert_eq!(left.status(), 204);
    assert!(left.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(with(Method::GET, "/api/v1/me").send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn s4_behind_https_the_cookie_is_for_secure_connections_only() {
    let server = Server::start_with("public_url = \"https://media.example.org\"");
    let sign_in = json!({ "login": "admin", "password": PASSWORD, "cookie": true });
    let login =
        |origin: &str| server.request(POST, "/api/v1/auth/login").json(&sign_in).header("origin", origin);
    let refused = answer(login(&server.url)).await;
    assert!(refused.1["detail"].as_str().unwrap().contains("https://media.example.org"), "{}", refused.1);
    assert_problem(refused, 403, "cross_site");
    let entered = login("https://media.example.org").send().await.unwrap();
    let set = entered.headers()["set-cookie"].to_str().unwrap();
    assert!(set.starts_with("__Host-medianest=") && set.ends_with("; Secure"), "{set}");
    assert!(entered.headers().contains_key("strict-transport-security"));
}

#[tokio::test]
async fn s7_nobody_learns_who_exists() {
    let server = Server::start();
    server.user("ada").await;
    let mut answers = Vec::new();
    for (login, password) in [("ada", "wrong password"), ("nobody", "wrong password"), ("", ""), ("ada", "")]
    {
        let body = json!({ "login": login, "password": password });
        let (status, mut problem) = answer(server.request(POST, "/api/v1/auth/login").json(&body)).await;
        problem["request_id"] = Value::Null;
        answers.push((status, problem));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert_eq!(answers[0].1["code"], "invalid_credentials");
}

#[tokio::test]
async fn s9_nobody_makes_themselves_more_than_they_are() {
    let server = Server::start();
    let ada = server.user("ada").await;
    for body in [
        json!({ "name": "Ada", "role": "admin" }),
        json!({ "name": "Ada", "id": ada.id }),
        json!({ "name": "Ada", "must_change_password": false }),
    ] {
        assert_problem(ada.call(Method::PATCH, "/me", Some(body)).await, 400, "invalid_request");
    }
    let admin = server.admin().await;
    let (_, mine) = admin.get("/me/library").await;
    let body = json!({ "name": "x", "owner": ada.id, "version": 7 });
    let path = format!("/libraries/{}", mine["id"].as_str().unwrap());
    assert_problem(admin.call(Method::PATCH, &path, Some(body)).await, 400, "invalid_request");
    let role = json!({ "login": "eve", "password": PASSWORD, "role": "root" });
    assert_problem(admin.call(POST, "/users", Some(role)).await, 400, "invalid_role");
    let (_, me) = ada.call(Method::PATCH, "/me", Some(json!({ "name": " Ada " }))).await;
    assert_eq!(me["user"]["name"], "Ada");
}

#[tokio::test]
async fn j_tokens_that_are_not_ours_are_refused() {
    let server = Server::start();
    let ada = server.user("ada").await;
    let other = Server::start();
    let stranger = other.admin().await;
    let (message, signature) = ada.token.rsplit_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    let payload = message.split_once('.').unwrap().1;
    for (case, token) in [
        ("J1 none", format!("{none}.{payload}.")),
        ("J1 no signature", format!("{message}.")),
        ("J4 cut signature", format!("{message}.{}", &signature[..80])),
        ("J4 other key", stranger.token.clone()),
        ("J6 refresh token", ada.refresh_token.clone()),
        ("J7 nonsense", "a.b.c".into()),
        ("J7 long", "a".repeat(8_000)),
    ] {
        let request = server.request(Method::GET, "/api/v1/me").bearer_auth(&token);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401, "{case}");
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    }
    for authorization in ["Basic YWRtaW46YWRtaW4=", "Bearer", "Bearer ", ada.token.as_str()] {
        let request = server.request(Method::GET, "/api/v1/me").header("authorization", authorization);
        assert_eq!(request.send().await.unwrap().status(), 401, "{authorization}");
    }
    // Never in a query: it would be in logs.
    let request = server.request(Method::GET, &format!("/api/v1/me?access_token={}", ada.token));
    assert_eq!(request.send().await.unwrap().status(), 401);
    let keys: Value =
        server.request(Method::GET, "/.well-known/jwks.json").send().await.unwrap().json().await.unwrap();
    assert_eq!(keys["keys"][0]["crv"], "Ed25519");
    assert!(keys["keys"][0]["d"].is_null());
}

#[tokio::test]
async fn tokens_and_sessions_live_on_after_a_crash() {
    let server = Server::start();
    let (token, refresh) = {
        let ada = server.user("ada").await;
        (ada.token, ada.refresh_token)
    };
    let server = Server::start_in(server.kill());
    let me = server.request(Method::GET, "/api/v1/me").bearer_auth(&token).send().await.unwrap();
    assert_eq!(me.status(), 200);
    let body = json!({ "refresh_token": refresh });
    assert_eq!(answer(server.request(POST, "/api/v1/auth/refresh").json(&body)).await.0, 200);
}

#[tokio::test]
async fn a_one_time_password_is_good_for_changing_it() {
    let server = Server::start();
    let admin = server.admin().await;
    let eve = json!({ "login": "eve", "password": PASSWORD });
    assert_eq!(admin.call(POST, "/users", Some(eve)).await.0, 201);
    let signed_in = server.login("eve", PASSWORD).await;
    assert_eq!(signed_in["user"]["must_change_password"], true);
    let eve = User::new(&server, &signed_in);
    assert_problem(eve.get("/assets").await, 403, "password_change_required");
    assert_eq!(eve.get("/me").await.0, 200);
    let wrong = json!({ "current_password": "wrong password", "new_password": NEW });
    assert_problem(eve.call(POST, "/auth/password", Some(wrong)).await, 403, "wrong_password");
    for bad in ["short", PASSWORD] {
        let body = json!({ "current_password": PASSWORD, "new_password": bad });
        assert_problem(eve.call(POST, "/auth/password", Some(body)).await, 400, "invalid_password");
    }
    let change = json!({ "current_password": PASSWORD, "new_password": NEW });
    let (status, signed_in) = eve.call(POST, "/auth/password", Some(change)).await;
    assert_eq!(status, 200);
    assert_eq!(User::new(&server, &signed_in).get("/assets").await.0, 200);
}

#[tokio::test]
async fn registration_is_closed_unless_opened() {
    let body = json!({ "login": "ada", "password": PASSWORD });
    let closed = Server::start();
    let register = |server: &Server| server.request(POST, "/api/v1/auth/register").json(&body);
    assert_problem(answer(register(&closed)).await, 403, "registration_closed");

    let open = Server::start_with("");
    let dir = open.kill();
    let file = dir.path().join("medianest.toml");
    let text = std::fs::read_to_string(&file).unwrap() + "open_registration = true\n";
    std::fs::write(&file, text).unwrap();
    let open = Server::start_in(dir);
    assert_eq!(answer(register(&open)).await.0, 201);
    assert_problem(answer(register(&open)).await, 409, "user_exists");
    let twin = json!({ "login": "ADA", "password": PASSWORD });
    assert_problem(answer(open.request(POST, "/api/v1/auth/register").json(&twin)).await, 409, "user_exists");
    assert_eq!(open.login("Ada", PASSWORD).await["user"]["role"], "user");
}
