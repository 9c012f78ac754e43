//! What is put in: names, forms, limits, interruptions and repetitions. Names of tests are those of the
//! cases in the reliability notes.

mod common;

use common::{GIF, PASSWORD, Server, User, answer, assert_problem};
use reqwest::Method;
use serde_json::json;

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

#[tokio::test]
async fn u4_a_body_that_ends_early_leaves_nothing() {
    let server = Server::start();
    let ada: User<'_> = server.user("ada").await;
    let head = format!(
        "POST /api/v1/assets?name=x.gif HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: image/gif\r\nContent-Length: 1000\r\n\r\n",
        ada.token
    );
    server.raw(&[head.as_bytes(), GIF].concat()).await;
    let (_, page) = ada.get("/assets").await;
    assert_eq!(page["items"], json!([]));
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

    let admin = server.admin().await;
    let add = |login: &str, key: &str| {
        let request = admin.request(Method::POST, "/users").header("idempotency-key", key);
        answer(request.json(&json!({ "login": login, "password": PASSWORD })))
    };
    let (first, second) = (add("eve", "k1").await, add("eve", "k1").await);
    assert_eq!((first.0.as_u16(), second.0.as_u16()), (201, 200));
    assert_eq!(first.1, second.1);
    assert_problem(add("mallory", "k1").await, 409, "idempotency_key_reused");
    assert_problem(add("eve", "k2").await, 409, "user_exists");
    for key in [&b""[..], b"a b", b"\xe9", &[b'x'; 256]] {
        let key = reqwest::header::HeaderValue::from_bytes(key).unwrap();
        let request = admin.request(Method::POST, "/users").header("idempotency-key", key);
        let refused = answer(request.json(&json!({ "login": "trent", "password": PASSWORD }))).await;
        assert_problem(refused, 400, "invalid_idempotency_key");
    }
}
