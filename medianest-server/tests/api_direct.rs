//! Uploads whose bytes go to the store itself.

mod common;

use common::{GIF, Server, User, assert_problem};
use medianest_testkit::s3::{self, Bucket, bucket};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

fn server_over(bucket: &Bucket) -> (Server, TempDir) {
    let secrets = tempfile::tempdir().unwrap();
    let secret = secrets.path().join("secret");
    std::fs::write(&secret, s3::SECRET_ACCESS_KEY).unwrap();
    let configuration = format!(
        "[stores.default]\nkind = \"s3\"\nbucket = {:?}\nendpoint = {:?}\nprefix = \"nest\"\n\
         access_key_id = {:?}\nsecret_key_file = {secret:?}\n",
        bucket.name(),
        bucket.endpoint(),
        s3::ACCESS_KEY_ID,
    );
    (Server::start_with(&configuration), secrets)
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A picture with so much behind it that it is a little more than one part.
fn long_gif() -> Vec<u8> {
    let mut bytes = GIF.to_vec();
    bytes.extend((0_u32..4 << 20).flat_map(u32::to_le_bytes));
    bytes
}

async fn begin(user: &User<'_>, name: &str, size: usize) -> Value {
    let body = json!({ "name": name, "size": size });
    let (status, upload) = user.call(Method::POST, "/direct-uploads", Some(body)).await;
    assert_eq!(status, 201, "{upload}");
    upload
}

fn path(upload: &Value, rest: &str) -> String {
    format!("/direct-uploads/{}{rest}", upload["id"].as_str().unwrap())
}

/// A part as the page of a host would send it, and what is told of it at the end.
async fn send(user: &User<'_>, upload: &Value, number: u32, bytes: &[u8]) -> (StatusCode, Value) {
    let asked = json!({ "number": number, "sha256": digest(bytes) });
    let (status, url) = user.call(Method::POST, &path(upload, "/parts"), Some(asked)).await;
    assert_eq!(status, 200, "{url}");
    send_to(&url, number, bytes).await
}

async fn send_to(url: &Value, number: u32, bytes: &[u8]) -> (StatusCode, Value) {
    let mut request = Client::new().put(url["url"].as_str().unwrap()).body(bytes.to_vec());
    for (name, value) in url["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    let answer = request.send().await.unwrap();
    let etag = answer.headers().get("etag").map(|etag| etag.to_str().unwrap().to_owned());
    (answer.status(), json!({ "number": number, "etag": etag, "sha256": digest(bytes) }))
}

#[tokio::test]
async fn a_file_goes_to_the_store_and_becomes_an_asset() {
    let bucket = bucket();
    let (server, _secrets) = server_over(&bucket);
    let ada = server.user("ada").await;
    let bytes = long_gif();
    let upload = begin(&ada, "../é.mp4", bytes.len()).await;
    let size = usize::try_from(upload["part_size"].as_u64().unwrap()).unwrap();
    assert_eq!((upload["parts"].as_u64(), upload["sha256"].as_bool()), (Some(2), Some(true)));

    let mut parts = Vec::new();
    for (number, part) in (1..).zip(bytes.chunks(size)) {
        let (status, sent) = send(&ada, &upload, number, part).await;
        assert_eq!(status, 200);
        parts.push(sent);
    }
    let (_, listed) = ada.get(&path(&upload, "/parts")).await;
    let sizes: Vec<_> = listed["items"].as_array().unwrap().iter().map(|part| part["size"].clone()).collect();
    assert_eq!(sizes, [json!(size), json!(bytes.len() - size)]);
    assert_eq!(ada.get("/assets").await.1["items"], json!([]), "nothing is there yet");

    // The one URL that is still good when all is over.
    let again = json!({ "number": 2, "sha256": digest(&bytes[size..]) });
    let (_, open) = ada.call(Method::POST, &path(&upload, "/parts"), Some(again)).await;
    let completion = path(&upload, "/complete");
    let complete = || ada.call(Method::POST, &completion, Some(json!({ "parts": &parts })));
    let (status, asset) = complete().await;
    assert_eq!(status, 201, "{asset}");
    // What it is was read from it, whatever its sender said.
    assert_eq!(asset["sha256"], digest(&bytes));
    assert_eq!((asset["size"].as_u64(), asset["kind"].as_str()), (Some(bytes.len() as u64), Some("image")));
    assert_eq!((asset["content_type"].as_str(), asset["name"].as_str()), (Some("image/gif"), Some("é.mp4")));
    let (status, same) = complete().await;
    assert_eq!((status.as_u16(), &same["id"]), (200, &asset["id"]));
    assert!(send_to(&open, 2, &bytes[size..]).await.0.is_client_error(), "written after completion");

    let content = format!("/assets/{}/content", asset["id"].as_str().unwrap());
    let stored = ada.request(Method::GET, &content).send().await.unwrap().bytes().await.unwrap();
    assert!(stored == bytes, "other bytes came back");
    // An end that comes too late ends nothing.
    assert_eq!(ada.call(Method::DELETE, &path(&upload, ""), None).await.0, 204);
    assert_eq!(ada.request(Method::HEAD, &content).send().await.unwrap().status(), 200);
    assert_eq!(bucket.unfinished_uploads(), 0);
}

#[tokio::test]
async fn the_same_bytes_stand_on_one_blob() {
    let bucket = bucket();
    let (server, _secrets) = server_over(&bucket);
    let ada = server.user("ada").await;
    let (_, first) = ada.upload("a.gif", GIF).await;
    let upload = begin(&ada, "b.gif", GIF.len()).await;
    let (_, sent) = send(&ada, &upload, 1, GIF).await;
    for expected in [201, 200] {
        let body = json!({ "parts": [&sent] });
        let (status, asset) = ada.call(Method::POST, &path(&upload, "/complete"), Some(body)).await;
        assert_eq!(status, expected, "{asset}");
        assert_ne!(asset["id"], first["id"]);
    }
    let originals = walk(&bucket.folder().join("nest/o"));
    assert_eq!(originals, 1, "the second copy is gone");
}

fn walk(folder: &std::path::Path) -> usize {
    let count = |path: std::path::PathBuf| if path.is_dir() { walk(&path) } else { 1 };
    std::fs::read_dir(folder).unwrap().map(|entry| count(entry.unwrap().path())).sum()
}

#[tokio::test]
async fn what_is_missing_or_against_the_rules_is_refused() {
    let bucket = bucket();
    let (server, _secrets) = server_over(&bucket);
    let ada = server.user("ada").await;
    let bytes = long_gif();
    let upload = begin(&ada, "a.gif", bytes.len()).await;
    let parts = path(&upload, "/parts");
    let ask = |body: Value| ada.call(Method::POST, &parts, Some(body));
    assert_problem(ask(json!({ "number": 1 })).await, 400, "invalid_part");
    assert_problem(ask(json!({ "number": 3, "sha256": digest(b"") })).await, 400, "invalid_part");

    // A part has the size that was agreed on, and no other.
    let (status, _) = send(&ada, &upload, 1, &bytes[..1000]).await;
    assert!(status.is_client_error(), "{status}");
    let size = usize::try_from(upload["part_size"].as_u64().unwrap()).unwrap();
    let (status, sent) = send(&ada, &upload, 1, &bytes[..size]).await;
    assert_eq!(status, 200);
    let second = json!({ "number": 2, "etag": "\"x\"", "sha256": digest(b"") });
    for parts in [json!([]), json!([&sent]), json!([&sent, second])] {
        let completed =
            ada.call(Method::POST, &path(&upload, "/complete"), Some(json!({ "parts": parts }))).await;
        assert_problem(completed, 409, "parts_differ");
    }
    assert_eq!(ada.call(Method::DELETE, &path(&upload, ""), None).await.0, 204);
    assert_problem(ada.get(&path(&upload, "/parts")).await, 404, "upload_not_found");
    assert_eq!((ada.get("/assets").await.1["items"].clone(), bucket.unfinished_uploads()), (json!([]), 0));

    let body = json!({ "name": "a", "size": 1_u64 << 50 });
    assert_problem(ada.call(Method::POST, "/direct-uploads", Some(body)).await, 413, "upload_too_large");
}

#[tokio::test]
async fn an_upload_is_only_for_who_began_it_as_long_as_they_may() {
    let bucket = bucket();
    let (server, _secrets) = server_over(&bucket);
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let (_, library) = bob.call(Method::POST, "/libraries", Some(json!({ "name": "Shared" }))).await;
    let member = format!("/libraries/{}/members/{}", library["id"].as_str().unwrap(), ada.id);
    bob.call(Method::PUT, &member, Some(json!({ "role": "contributor" }))).await;
    let body = json!({ "name": "a.gif", "size": GIF.len(), "library_id": library["id"] });
    let (status, upload) = ada.call(Method::POST, "/direct-uploads", Some(body)).await;
    assert_eq!(status, 201, "{upload}");
    let (_, sent) = send(&ada, &upload, 1, GIF).await;

    let part = json!({ "number": 1, "sha256": digest(GIF) });
    let complete = json!({ "parts": [sent] });
    let steps = [
        (Method::GET, "/parts", None),
        (Method::POST, "/parts", Some(part)),
        (Method::POST, "/complete", Some(complete)),
        (Method::DELETE, "", None),
    ];
    let mut forged = upload.clone();
    let id = upload["id"].as_str().unwrap();
    forged["id"] = json!(format!("{}{}", &id[..id.len() - 1], if id.ends_with('A') { 'Q' } else { 'A' }));
    for (method, rest, body) in &steps {
        let theirs = bob.call(method.clone(), &path(&upload, rest), body.clone()).await;
        assert_problem(theirs, 404, "upload_not_found");
        let forged = ada.call(method.clone(), &path(&forged, rest), body.clone()).await;
        assert_problem(forged, 404, "upload_not_found");
    }
    assert_eq!(bob.call(Method::DELETE, &member, None).await.0, 204);
    for (method, rest, body) in &steps[..3] {
        let removed = ada.call(method.clone(), &path(&upload, rest), body.clone()).await;
        assert_problem(removed, 404, "library_not_found");
    }
    assert_eq!(ada.call(Method::DELETE, &path(&upload, ""), None).await.0, 204);
    assert_eq!(bucket.unfinished_uploads(), 0);
}

#[tokio::test]
async fn a_store_that_takes_none_says_so() {
    let server = Server::start();
    let ada = server.user("ada").await;
    let body = json!({ "name": "a.gif", "size": GIF.len() });
    let refused = ada.call(Method::POST, "/direct-uploads", Some(body)).await;
    assert_problem(refused, 409, "presign_unsupported");
}
