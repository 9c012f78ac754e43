//! Bad input to every route of the OpenAPI document: a typed problem, never a 500.

mod common;

use common::{GIF, Server, User, answer, assert_problem};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

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
async fn u8_names_become_harmless() {
    let server = Server::start();
    let ada = server.user("ada").await;
    for (sent, shown) in [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\x.gif", "x.gif"),
        ("nul\0byte.gif", "nulbyte.gif"),
        ("right\u{202e}fig.exe", "rightfig.exe"),
        ("line\r\nSet-Cookie: a=b.gif", "lineSet-Cookie: a=b.gif"),
        ("\"; rm -rf .gif", "\"; rm -rf .gif"),
        ("-dash.gif", "-dash.gif"),
        ("😀.gif", "😀.gif"),
        ("", "untitled"),
    ] {
        let (status, asset) = ada.upload(sent, GIF).await;
        assert_eq!((status.as_u16(), asset["name"].as_str()), (201, Some(shown)), "{sent:?}");
        let path = format!("/assets/{}/content?download=true", asset["id"].as_str().unwrap());
        let content = ada.request(Method::GET, &path).send().await.unwrap();
        let disposition = content.headers()["content-disposition"].to_str().unwrap();
        assert!(disposition.starts_with("attachment; filename=\""), "{disposition}");
        assert_eq!(disposition.contains("filename*=UTF-8''"), shown.contains(['"', '😀']), "{disposition}");
        assert_eq!(content.headers()["x-content-type-options"], "nosniff");
        assert_eq!(content.bytes().await.unwrap(), GIF);
    }
}

#[tokio::test]
async fn u9_forms_that_are_none_are_refused() {
    let server = Server::start();
    let ada = server.user("ada").await;
    let form = |content_type: &str, body: String| {
        answer(ada.request(Method::POST, "/assets").header("content-type", content_type).body(body))
    };
    let head = "Content-Disposition: form-data; name=\"file\"; filename=\"a.gif\"\r\n";
    let file = format!("--xx\r\n{head}\r\nGIF89a\r\n");
    for (content_type, body) in [
        ("multipart/form-data", file.clone() + "--xx--\r\n"),
        ("multipart/form-data; boundary=yy", file.clone() + "--xx--\r\n"),
        ("multipart/form-data; boundary=xx", file.clone()),
        ("multipart/form-data; boundary=xx", file.repeat(2) + "--xx--\r\n"),
        ("multipart/form-data; boundary=xx", file.repeat(10_000) + "--xx--\r\n"),
        (
            "multipart/form-data; boundary=xx",
            format!("--xx\r\nX: {}\r\n{head}\r\nx\r\n--xx--\r\n", "x".repeat(4 << 20)),
        ),
        ("multipart/mixed; boundary=xx", "--xx--\r\n".into()),
    ] {
        assert_problem(form(content_type, body).await, 400, "invalid_form");
    }
    let (_, page) = ada.get("/assets").await;
    assert_eq!(page["items"], json!([]), "nothing of it was stored");

    let part = reqwest::multipart::Part::bytes(GIF).file_name("über.gif");
    let form = reqwest::multipart::Form::new().text("taken_at", "2020-02-02T02:02:02Z").part("file", part);
    let (status, asset) = answer(ada.request(Method::POST, "/assets").multipart(form)).await;
    assert_eq!((status.as_u16(), asset["name"].as_str()), (201, Some("über.gif")), "{asset}");
    assert_eq!(asset["taken_at"], "2020-02-02T02:02:02Z");
}

#[tokio::test]
async fn u10_the_size_limit_holds_while_streaming() {
    let server = Server::start_with("[storage]\nmax_upload_bytes = 100000");
    let ada = server.user("ada").await;
    assert_problem(ada.upload("empty.gif", "").await, 400, "empty_upload");
    let mut exact = GIF.to_vec();
    exact.resize(100_000, 0);
    assert_eq!(ada.upload("one.gif", "G").await.0, 201);
    assert_eq!(ada.upload("exact.gif", exact.clone()).await.0, 201);
    exact.push(0);
    assert_problem(ada.upload("over.gif", exact.clone()).await, 413, "upload_too_large");
    // Without a declared length.
    let chunks = (0..50).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 10_000]));
    let body = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
    let sent =
        ada.request(Method::POST, "/assets").header("content-type", "image/gif").body(body).send().await;
    // The server may hang up on what it does not want to read.
    if let Ok(answer) = sent {
        assert_eq!(answer.status(), 413);
    }
    assert_eq!(ada.get("/assets").await.1["items"].as_array().unwrap().len(), 2);
}

async fn raw(server: &Server, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(request).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn u4_a_body_that_ends_early_leaves_nothing() {
    let server = Server::start();
    let ada: User<'_> = server.user("ada").await;
    let head = format!(
        "POST /api/v1/assets?name=x.gif HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: image/gif\r\nContent-Length: 1000\r\n\r\n",
        ada.token
    );
    raw(&server, &[head.as_bytes(), GIF].concat()).await;
    let (_, page) = ada.get("/assets").await;
    assert_eq!(page["items"], json!([]));
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
        let answer = raw(&server, request).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 505"), "{answer}");
    }
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let answer = raw(&server, long.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn u7_an_idempotency_key_makes_a_repetition_give_the_same() {
    let server = Server::start();
    let ada = server.user("ada").await;
    let upload = |bytes: &'static [u8]| {
        let request = ada.request(Method::POST, "/assets?name=a.gif").header("idempotency-key", "k1");
        answer(request.header("content-type", "image/gif").body(bytes))
    };
    let (first, second) = (upload(GIF).await, upload(GIF).await);
    assert_eq!((first.0.as_u16(), second.0.as_u16()), (201, 200));
    assert_eq!(first.1["id"], second.1["id"]);
    assert_problem(upload(b"GIF89a other").await, 409, "idempotency_key_reused");
    let empty = ada.request(Method::POST, "/assets").header("idempotency-key", "").body(GIF);
    assert_problem(answer(empty.header("content-type", "image/gif")).await, 400, "invalid_idempotency_key");

    let create = |name: &str| {
        let request = ada.request(Method::POST, "/libraries").header("idempotency-key", "k1");
        answer(request.json(&json!({ "name": name })))
    };
    let (first, second) = (create("Holidays").await, create("Holidays").await);
    assert_eq!((first.0.as_u16(), second.0.as_u16()), (201, 200));
    assert_eq!(first.1["id"], second.1["id"]);
    assert_problem(create("Work").await, 409, "idempotency_key_reused");
}
