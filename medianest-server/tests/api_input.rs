//! Bad input to every route of the OpenAPI document: a typed problem, never a 500.

mod common;

use common::{Server, answer, assert_problem};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

struct Operation {
    method: Method,
    path: String,
    has_body: bool,
    is_open: bool,
}

async fn operations(server: &Server) -> Vec<Operation> {
    let document: Value =
        server.request(Method::GET, "/openapi.json").send().await.unwrap().json().await.unwrap();
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            all.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                has_body: operation["requestBody"].is_object(),
                is_open: !operation["security"].is_array(),
            });
        }
    }
    assert!(all.len() > 40);
    all
}

/// The path with all parameters replaced.
fn fill(path: &str, with: &str) -> String {
    path.split('/')
        .map(|segment| if segment.starts_with('{') { with } else { segment })
        .collect::<Vec<_>>()
        .join("/")
}

#[track_caller]
fn assert_refused(case: &str, (status, body): (StatusCode, Value)) {
    assert!(status.is_client_error() || status.is_success(), "{case}: {status} {body}");
    if !status.is_success() {
        assert!(body["code"].is_string() && body["request_id"].is_string(), "{case}: {status} {body}");
        assert!(!body.to_string().to_lowercase().contains("sqlite"), "{case}: {body}");
    }
}

#[tokio::test]
async fn every_route_refuses_strangers() {
    let server = Server::start();
    for operation in operations(&server).await.iter().filter(|operation| !operation.is_open) {
        let path = format!("/api/v1{}", fill(&operation.path, "0190b0c0-0000-7000-8000-000000000000"));
        let mut request = server.request(operation.method.clone(), &path);
        if operation.has_body {
            request = request.json(&json!({}));
        }
        assert_problem(answer(request).await, 401, "not_signed_in");
    }
}

#[tokio::test]
async fn every_route_refuses_nonsense() {
    let server = Server::start();
    let admin = server.admin().await;
    let long = "9".repeat(4_000);
    for operation in operations(&server).await {
        // This one waits for what happens.
        if operation.path == "/events" {
            continue;
        }
        let case = |what: &str| format!("{} {} with {what}", operation.method, operation.path);
        let request = |path: &str| admin.request(operation.method.clone(), path);
        for with in ["x", "%00", "%ff", "..%2f..", "0", "-1", "' or 1=1 --", "𝔘", &long] {
            let path = fill(&operation.path, &with.replace(' ', "%20").replace('𝔘', "%F0%9D%94%98"));
            if path.ends_with("/logout") || path.ends_with("/sessions") {
                continue;
            }
            let mut sent = request(&path);
            if operation.has_body {
                sent = sent.header("content-type", "application/json").body("{");
            }
            assert_refused(&case(with), answer(sent).await);
        }
        let real = fill(&operation.path, "0190b0c0-0000-7000-8000-000000000000");
        for query in [
            "limit=0",
            "limit=-1",
            "limit=201",
            "limit=99999999999999999999",
            "limit=x",
            "cursor=x",
            "cursor=%00",
            "kind=x",
            "state=x",
            "sort=x",
            "taken_from=yesterday",
            "links=maybe",
            "library_id=x",
            "size=-1",
            "q=%00%ff",
            "prefix=%27",
            "trashed=2",
            "owner=%00",
        ] {
            if operation.method == Method::GET {
                assert_refused(&case(query), answer(request(&format!("{real}?{query}"))).await);
            }
        }
        if operation.has_body && operation.path != "/assets" {
            let deep = "[".repeat(100_000);
            for body in [
                "",
                "{",
                "null",
                "[]",
                "\"x\"",
                "{}",
                "{\"a\":1,\"a\":2}",
                "\u{feff}{}",
                deep.as_str(),
                "{\"name\":\"\\ud800\"}",
            ] {
                let sent = request(&real).header("content-type", "application/json").body(body.to_owned());
                let case = case(&body.chars().take(20).collect::<String>());
                assert_refused(&case, answer(sent).await);
            }
            let (status, problem) =
                answer(request(&real).header("content-type", "text/plain").body("{}")).await;
            assert_problem((status, problem), 415, "unsupported_media_type");
            let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(2 << 20));
            let sent = request(&real).header("content-type", "application/json").body(huge);
            assert_problem(answer(sent).await, 413, "body_too_large");
            let packed =
                request(&real).header("content-type", "application/json").header("content-encoding", "gzip");
            assert_problem(answer(packed.body("{}")).await, 415, "unsupported_media_type");
        }
        let wrong = answer(admin.request(Method::TRACE, &real)).await;
        assert_eq!(wrong.0, 405, "{}", wrong.1);
    }
    assert!(admin.is_in().await);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let server = Server::start();
    for path in
        ["/nothing", "/api/v1/nothing", "/api/v2", "/media/x", "/media/x/y/z", "/.git/config", "/..%2f"]
    {
        let answer = server.request(Method::GET, path).send().await.unwrap();
        let status = answer.status().as_u16();
        assert!(status == 404 || status == 403, "{path}: {status}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
    let refused = server.request(Method::PUT, "/api/v1/assets").send().await.unwrap();
    assert_eq!(refused.status(), 405);
    assert_eq!(refused.headers()["allow"], "GET, HEAD, POST");
}

#[tokio::test]
async fn h4_ambiguous_requests_are_refused() {
    let server = Server::start();
    for request in [
        &b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"[..],
        b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let answer = server.raw(request).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 505"), "{answer}");
    }
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let answer = server.raw(long.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_parameter_that_comes_twice_is_refused() {
    let server = Server::start();
    let admin = server.admin().await;
    for query in ["limit=1&limit=2", "links=true&limit=1&links=true", "limit=1&%6cimit=1"] {
        assert_problem(admin.get(&format!("/assets?{query}")).await, 400, "repeated_parameter");
    }
    assert_eq!(admin.get("/assets?limit=1&utm_source=x").await.0, 200, "unknown ones are ignored");
}

#[tokio::test]
async fn bounds_are_told_by_their_own_codes() {
    let server = Server::start();
    let admin = server.admin().await;
    let long = "é".repeat(1001);
    for (path, code) in [
        ("/libraries?limit=201", "invalid_limit"),
        ("/users?login=admin&limit=0", "invalid_limit"),
        ("/search/suggestions?prefix=a&limit=0", "invalid_limit"),
        ("/search/suggestions?prefix=a&limit=21", "invalid_limit"),
        (&format!("/search?q={long}"), "query_too_long"),
        (&format!("/search/suggestions?prefix={long}"), "query_too_long"),
        (&format!("/jobs?cursor={}", "A".repeat(513)), "invalid_cursor"),
        ("/users?login=admin&cursor=%C3%A9", "invalid_cursor"),
        ("/users?cursor=AAAA", "invalid_cursor"),
    ] {
        assert_problem(admin.get(path).await, 400, code);
    }
    assert_eq!(admin.get(&format!("/search?q={}", "é".repeat(1000))).await.0, 200);
    for name in ["", " ", "a\nb", "trailing\n", &"x".repeat(201)] {
        let named = admin.call(Method::POST, "/libraries", Some(json!({ "name": name }))).await;
        assert_problem(named, 400, "invalid_name");
    }
}

#[tokio::test]
async fn a_version_that_is_not_plain_text_is_not_the_present_one() {
    let server = Server::start();
    let admin = server.admin().await;
    let (_, library) = admin.get("/me/library").await;
    let rename = |tag: &[u8]| {
        let path = format!("/libraries/{}", library["id"].as_str().unwrap());
        let tag = reqwest::header::HeaderValue::from_bytes(tag).unwrap();
        answer(admin.request(Method::PATCH, &path).header("if-match", tag).json(&json!({ "name": "x" })))
    };
    for stale in [&b"\"\xe9\""[..], b"\"99\"", b"1", b""] {
        assert_problem(rename(stale).await, 412, "version_mismatch");
    }
    assert_eq!(rename(format!("\"{}\"", library["version"]).as_bytes()).await.0, 200);
}
