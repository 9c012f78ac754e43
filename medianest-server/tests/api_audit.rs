//! The audit trail over HTTP: what is in it, what is not, and who may read it.

mod common;

use common::{GIF, PASSWORD, Server, User, answer, assert_problem};
use reqwest::Method;
use serde_json::{Value, json};

/// Entries, newest first.
async fn trail(admin: &User<'_>, query: &str) -> Vec<Value> {
    let (status, page) = admin.get(&format!("/admin/audit?limit=200&{query}")).await;
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().unwrap().clone()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key}: {value}"))
}

/// Each thing that is done is there, with who, whom and from where; no secret is, and no name of a file.
#[tokio::test]
async fn who_did_what_is_told() {
    let server = Server::start();
    let admin = server.admin().await;
    let (new_password, file) = ("another horse battery", "what-ada-did-last-summer.gif");

    let ada = server.user("ada").await;
    let wrong = json!({ "login": "ada", "password": "not the right one" });
    let mistaken = json!({ "login": PASSWORD, "password": "x" });
    for body in [wrong, mistaken] {
        let refused = answer(server.request(Method::POST, "/api/v1/auth/login").json(&body)).await;
        assert_problem(refused, 401, "invalid_credentials");
    }
    let guess = json!({ "current_password": "not the right one", "new_password": new_password });
    assert_problem(ada.call(Method::POST, "/auth/password", Some(guess)).await, 403, "wrong_password");
    // Signed out in each way there is.
    let mut ended = Vec::new();
    for way in ["logout", "revoke", "end"] {
        let signed_in = server.login("ada", PASSWORD).await;
        let elsewhere = User::new(&server, &signed_in);
        let token = json!({ "refresh_token": elsewhere.refresh_token });
        let left = match way {
            "logout" => elsewhere.call(Method::POST, "/auth/logout", None).await,
            "revoke" => elsewhere.call(Method::POST, "/auth/revoke", Some(token)).await,
            _ => ada.call(Method::DELETE, &format!("/auth/sessions/{}", elsewhere.session), None).await,
        };
        assert_eq!(left.0, 204, "{way}: {}", left.1);
        ended.push(elsewhere.session);
    }
    let (_, library) = ada.call(Method::POST, "/libraries", Some(json!({ "name": "holidays" }))).await;
    let library = text(&library, "id").to_owned();
    let member = format!("/libraries/{library}/members/{}", admin.id);
    ada.call(Method::PUT, &member, Some(json!({ "role": "viewer" }))).await;
    ada.call(Method::DELETE, &member, None).await;
    let (_, asset) = ada.upload(file, GIF).await;
    let asset = text(&asset, "id").to_owned();
    ada.call(Method::DELETE, &format!("/assets/{asset}"), None).await;
    let (status, gone) = ada.call(Method::DELETE, &format!("/assets/{asset}?permanent=true"), None).await;
    assert!(status.is_success(), "{gone}");

    let user = format!("/users/{}", ada.id);
    admin.call(Method::POST, &format!("{user}/password"), Some(json!({ "password": new_password }))).await;
    admin.call(Method::PATCH, &user, Some(json!({ "role": "admin" }))).await;
    let change = admin.request(Method::PATCH, &user).json(&json!({ "disabled": true })).send().await.unwrap();
    let request_id = change.headers()["x-request-id"].to_str().unwrap().to_owned();
    admin.call(Method::POST, "/queues/render/pause", None).await;
    admin.call(Method::POST, "/queues/render/resume", None).await;

    let entries = trail(&admin, "").await;
    let of_ada = format!("user:{}", ada.id);
    let of_library = format!("library:{library}");
    for (action, actor, target) in [
        ("user.registered", admin.id.as_str(), of_ada.as_str()),
        ("session.opened", &ada.id, &of_ada),
        ("session.refused", "anonymous", &of_ada),
        ("session.refused", "anonymous", "login"),
        ("user.password_refused", &ada.id, &of_ada),
        ("library.created", &ada.id, &of_library),
        ("member.added", &ada.id, &of_library),
        ("member.removed", &ada.id, &of_library),
        ("asset.deleted", &ada.id, &format!("asset:{asset}")),
        ("user.password_changed", &admin.id, &of_ada),
        ("user.changed", &admin.id, &of_ada),
        ("queue.paused", &admin.id, "queue:render"),
        ("queue.resumed", &admin.id, "queue:render"),
    ] {
        let entry = entries
            .iter()
            .find(|entry| entry["action"] == action && entry["actor"] == actor && entry["target"] == target);
        let entry = entry.unwrap_or_else(|| panic!("no {action} of {target} by {actor}: {entries:#?}"));
        assert!(!text(entry, "request_id").is_empty() && !text(entry, "at").is_empty(), "{entry}");
        assert_eq!(text(entry, "address"), "127.0.0.1", "{entry}");
    }
    for session in &ended {
        let entry = entries.iter().find(|entry| {
            entry["data"]["session_id"] == session.as_str() && entry["action"] == "sessions.ended"
        });
        let entry = entry.unwrap_or_else(|| panic!("the end of {session} is not told: {entries:#?}"));
        assert_eq!((text(entry, "actor"), text(entry, "address")), (ada.id.as_str(), "127.0.0.1"));
    }
    let disabled = entries.iter().find(|entry| entry["data"]["disabled"] == true).unwrap();
    assert_eq!(text(disabled, "request_id"), request_id);

    let all = serde_json::to_string(&entries).unwrap();
    for secret in [PASSWORD, new_password, "not the right one", file, &ada.refresh_token, "argon2"] {
        assert!(!all.contains(secret), "{secret} is in the audit trail");
    }
}

/// By actor, action and time, page by page; by nobody who is no administrator.
#[tokio::test]
async fn the_trail_is_for_administrators_and_can_be_narrowed() {
    let server = Server::start();
    let admin = server.admin().await;
    let ada = server.user("ada").await;
    assert_problem(ada.get("/admin/audit").await, 403, "forbidden");
    let nobody = answer(server.request(Method::GET, "/api/v1/admin/audit")).await;
    assert_problem(nobody, 401, "not_signed_in");

    let everything = trail(&admin, "").await;
    assert!(everything.len() >= 3, "{everything:#?}");
    assert!(everything.windows(2).all(|two| text(&two[0], "at") >= text(&two[1], "at")));
    let own = trail(&admin, &format!("actor={}", ada.id)).await;
    assert!(!own.is_empty() && own.iter().all(|entry| entry["actor"] == ada.id.as_str()));
    let opened = trail(&admin, "action=session.opened").await;
    assert!(!opened.is_empty() && opened.iter().all(|entry| entry["action"] == "session.opened"));
    let first = text(everything.last().unwrap(), "at");
    assert!(trail(&admin, &format!("before={first}")).await.is_empty());
    assert_eq!(trail(&admin, &format!("from={first}")).await.len(), everything.len());

    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = admin.get(&format!("/admin/audit?limit=1{cursor}")).await;
        paged.extend(page["items"].as_array().unwrap().iter().map(|entry| entry["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, everything.iter().map(|entry| entry["id"].clone()).collect::<Vec<_>>());
    assert_problem(admin.get("/admin/audit?cursor=AAAA").await, 400, "invalid_cursor");
}
