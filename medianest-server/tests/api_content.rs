//! Bytes out: ranges (H1), signed URLs, versions, and events.

mod common;

use common::{GIF, Server, User, answer, assert_problem};
use futures::StreamExt;
use reqwest::{Method, Response};
use serde_json::{Value, json};

/// Waits for an asset to be settled, by its events.
async fn settled(user: &User<'_>, id: &str) -> Value {
    let mut events = watch(user, "0").await;
    let path = format!("/assets/{id}?links=true");
    loop {
        let (_, asset) = user.get(&path).await;
        if asset["state"] != "processing" {
            return asset;
        }
        events.next().await.expect("the events go on").unwrap();
    }
}

async fn watch(
    user: &User<'_>,
    _: &str,
) -> impl futures::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin + use<> {
    let answer = user.request(Method::GET, "/events").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    Box::pin(answer.bytes_stream())
}

#[tokio::test]
async fn h1_ranges_are_those_of_rfc_9110() {
    let server = Server::start();
    let ada = server.user("ada").await;
    let bytes: Vec<u8> = GIF.iter().copied().cycle().take(1000).collect();
    let (_, asset) = ada.upload("a.gif", bytes.clone()).await;
    let path = format!("/assets/{}/content", asset["id"].as_str().unwrap());
    let get = async |range: &str, if_range: Option<&str>| -> Response {
        let mut request = ada.request(Method::GET, &path).header("range", range);
        if let Some(tag) = if_range {
            request = request.header("if-range", tag);
        }
        request.send().await.unwrap()
    };
    let whole = ada.request(Method::GET, &path).send().await.unwrap();
    assert_eq!((whole.status().as_u16(), whole.headers()["accept-ranges"].to_str().unwrap()), (200, "bytes"));
    assert_eq!(whole.headers()["content-length"], "1000");
    let tag = whole.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(whole.bytes().await.unwrap(), bytes);

    for (range, status, expected) in [
        ("bytes=0-", 206, 0..1000),
        ("bytes=0-0", 206, 0..1),
        ("bytes=999-", 206, 999..1000),
        ("bytes=-1", 206, 999..1000),
        ("bytes=-5000", 206, 0..1000),
        ("bytes=10-18446744073709551615", 206, 10..1000),
        ("bytes=5-2", 200, 0..1000),
        ("bytes=abc", 200, 0..1000),
    ] {
        let answer = get(range, None).await;
        assert_eq!(answer.status(), status, "{range}");
        if status == 206 {
            let shown = format!("bytes {}-{}/1000", expected.start, expected.end - 1);
            assert_eq!(answer.headers()["content-range"].to_str().unwrap(), shown);
        }
        assert_eq!(answer.bytes().await.unwrap(), bytes[expected], "{range}");
    }
    for range in ["bytes=1000-", "bytes=-0", "bytes=5000-6000"] {
        let answer = get(range, None).await;
        assert_eq!(answer.status(), 416, "{range}");
        assert_eq!(answer.headers()["content-range"], "bytes */1000");
    }
    let many = format!("bytes=0-0{}", ",2-2".repeat(1000));
    assert!(get(&many, None).await.bytes().await.unwrap().len() <= 1000);
    assert_eq!(get("bytes=0-0", Some(&tag)).await.status(), 206);
    assert_eq!(get("bytes=0-0", Some("\"stale\"")).await.status(), 200);
    let known = ada.request(Method::GET, &path).header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(known.status(), 304);
    let head = ada.request(Method::HEAD, &path).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()), (200, "1000"));
}

#[tokio::test]
async fn signed_urls_work_without_headers_until_the_session_ends() {
    let server = Server::start();
    let ada = server.user("ada").await;
    let (_, asset) = ada.upload("a.gif", GIF).await;
    let asset = settled(&ada, asset["id"].as_str().unwrap()).await;
    assert_eq!(asset["state"], "ready", "{asset}");
    let original = asset["links"]["original"].as_str().unwrap();
    let small = asset["links"]["renditions"]["small"].as_str().unwrap();
    let get = async |path: &str| server.request(Method::GET, path).send().await.unwrap();
    assert_eq!(get(original).await.bytes().await.unwrap(), GIF);
    let head = server.request(Method::HEAD, original).send().await.unwrap();
    assert_eq!(head.headers()["content-length"].to_str().unwrap(), GIF.len().to_string());
    let picture = get(small).await;
    assert_eq!(picture.headers()["content-type"], "image/webp");
    assert_eq!(picture.headers()["x-content-type-options"], "nosniff");

    let (signature, rest) = original.strip_prefix("/media/").unwrap().split_once('/').unwrap();
    let flipped = if signature.ends_with('A') { "B" } else { "A" };
    let forged = format!("/media/{}{flipped}/{rest}", &signature[..signature.len() - 1]);
    assert_problem(answer(server.request(Method::GET, &forged)).await, 403, "invalid_signature");
    let other = original.replace("/content", "/renditions/small");
    assert_problem(answer(server.request(Method::GET, &other)).await, 403, "invalid_signature");

    assert_eq!(ada.call(Method::POST, "/auth/logout", None).await.0, 204);
    assert_problem(answer(server.request(Method::GET, original)).await, 401, "session_ended");
}

#[tokio::test]
async fn a_picture_that_is_made_again_has_another_url() {
    let server = Server::start();
    let ada = server.user("ada").await;
    let (_, asset) = ada.upload("a.gif", GIF).await;
    let id = asset["id"].as_str().unwrap();
    let asset = settled(&ada, id).await;
    let get = async |path: &str| server.request(Method::GET, path).send().await.unwrap();
    let small = asset["links"]["renditions"]["small"].as_str().unwrap();
    let first = get(small).await;
    assert_eq!(first.headers()["cache-control"], "private, max-age=3600, immutable");
    let tag = first.headers()["etag"].clone();

    let mut events = watch(&ada, "0").await;
    assert_eq!(ada.call(Method::POST, &format!("/assets/{id}/reprocess"), None).await.0, 200);
    let second = loop {
        let (_, asset) = ada.get(&format!("/assets/{id}?links=true")).await;
        let url = asset["links"]["renditions"]["small"].as_str().unwrap();
        if url != small {
            break get(url).await;
        }
        events.next().await.expect("the events go on").unwrap();
    };
    assert_eq!(second.status(), 200);
    assert_ne!(second.headers()["etag"], tag);
    let again = get(small).await;
    assert_eq!(
        (again.status().as_u16(), &again.headers()["etag"]),
        (200, &tag),
        "the old URL is the old picture"
    );
}

#[tokio::test]
async fn versions_guard_against_lost_changes() {
    let server = Server::start();
    let ada = server.user("ada").await;
    let (_, asset) = ada.upload("a.gif", GIF).await;
    let asset = settled(&ada, asset["id"].as_str().unwrap()).await;
    let path = format!("/assets/{}", asset["id"].as_str().unwrap());
    let tag =
        ada.request(Method::GET, &path).send().await.unwrap().headers()["etag"].to_str().unwrap().to_owned();
    let rename = |name: &str, tag: &str| {
        let request =
            ada.request(Method::PATCH, &path).header("if-match", tag).json(&json!({ "name": name }));
        answer(request)
    };
    let (status, renamed) = rename("b.gif", &tag).await;
    assert_eq!((status.as_u16(), renamed["name"].as_str()), (200, Some("b.gif")));
    assert_problem(rename("c.gif", &tag).await, 412, "version_mismatch");
    assert_problem(rename("c.gif", "nonsense").await, 412, "version_mismatch");
    assert_eq!(rename("d.gif", "*").await.0, 200);
    let (_, found) = ada.get("/search?q=d.gif").await;
    assert_eq!(found["items"][0]["id"], asset["id"]);
}

#[tokio::test]
async fn what_is_in_the_trash_comes_back_or_goes_for_good() {
    let server = Server::start();
    let ada = server.user("ada").await;
    let (_, asset) = ada.upload("a.gif", GIF).await;
    let path = format!("/assets/{}", asset["id"].as_str().unwrap());
    let forever = format!("{path}?permanent=true");
    assert_problem(ada.call(Method::DELETE, &forever, None).await, 409, "asset_not_trashed");
    assert_eq!(ada.call(Method::DELETE, &path, None).await.0, 204);
    assert_problem(ada.get(&format!("{path}/content")).await, 410, "asset_trashed");
    assert_eq!(ada.get("/assets").await.1["items"], json!([]));
    assert_eq!(ada.get("/assets?trashed=true").await.1["items"][0]["id"], asset["id"]);
    assert_eq!(ada.call(Method::POST, &format!("{path}/restore"), None).await.0, 200);
    assert_eq!(ada.get(&format!("{path}/content")).await.0, 200);
    assert_eq!(ada.call(Method::DELETE, &path, None).await.0, 204);
    assert_eq!(ada.call(Method::DELETE, &forever, None).await.0, 204);
    assert_problem(ada.get(&path).await, 404, "asset_not_found");
}

#[tokio::test]
async fn pictures_in_the_trash_are_for_who_may_restore_them() {
    let server = Server::start();
    let (ada, bob) = (server.user("ada").await, server.user("bob").await);
    let (_, library) = ada.get("/me/library").await;
    let member = format!("/libraries/{}/members/{}", library["id"].as_str().unwrap(), bob.id);
    assert_eq!(ada.call(Method::PUT, &member, Some(json!({ "role": "viewer" }))).await.0, 200);
    let (_, asset) = ada.upload("a.gif", GIF).await;
    let path = format!("/assets/{}", asset["id"].as_str().unwrap());
    let signed = settled(&ada, asset["id"].as_str().unwrap()).await["links"]["renditions"]["small"].clone();
    let signed = || answer(server.request(Method::GET, signed.as_str().unwrap()));
    assert_eq!(signed().await.0, 200);
    assert_eq!(ada.call(Method::DELETE, &path, None).await.0, 204);
    assert_problem(signed().await, 410, "asset_trashed");

    let (_, trashed) = ada.get(&format!("{path}?links=true")).await;
    let small = trashed["links"]["renditions"]["small"].as_str().unwrap().strip_prefix("/api/v1").unwrap();
    let picture = ada.request(Method::GET, small).send().await.unwrap();
    assert_eq!(
        (picture.status().as_u16(), &picture.headers()["content-type"]),
        (200, &"image/webp".parse().unwrap())
    );
    assert_eq!(picture.headers()["cache-control"], "private, no-cache");
    assert_problem(ada.get(&format!("{path}/content")).await, 410, "asset_trashed");

    // It does not work like a signed URL, nor for who may not take it out again.
    assert_problem(
        answer(server.request(Method::GET, &format!("/api/v1{small}"))).await,
        401,
        "not_signed_in",
    );
    assert_problem(bob.get(small).await, 410, "asset_trashed");
    assert_eq!(bob.get(&format!("{path}?links=true")).await.1["links"]["renditions"], json!({}));
}

#[tokio::test]
async fn an_event_stream_resumes_and_ends_with_its_session() {
    let server = Server::start();
    let ada = server.user("ada").await;
    let mut events = watch(&ada, "0").await;
    let begin = String::from_utf8(events.next().await.unwrap().unwrap().to_vec()).unwrap();
    let cursor = begin.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    let (_, asset) = ada.upload("a.gif", GIF).await;
    let mut seen = String::new();
    while !seen.contains("event: asset.created") {
        seen += std::str::from_utf8(&events.next().await.unwrap().unwrap()).unwrap();
    }
    assert!(seen.contains(asset["id"].as_str().unwrap()));

    // Another reader from the same place sees the same.
    let again = ada.request(Method::GET, "/events").header("last-event-id", &cursor).send().await.unwrap();
    let mut again = again.bytes_stream();
    let mut seen = String::new();
    while !seen.contains("event: asset.created") {
        seen += std::str::from_utf8(&again.next().await.unwrap().unwrap()).unwrap();
    }
    let gone = ada.request(Method::GET, "/events").header("last-event-id", "99:1");
    assert_problem(answer(gone).await, 410, "cursor_expired");
    let odd = ada.request(Method::GET, "/events").header("last-event-id", "x");
    assert_problem(answer(odd).await, 400, "invalid_cursor");

    // Whoever was signed out hears nothing more: the next event ends the stream instead.
    let bob = User::new(&server, &server.login("ada", common::PASSWORD).await);
    assert_eq!(ada.call(Method::POST, "/auth/logout", None).await.0, 204);
    bob.upload("secret.gif", GIF).await;
    let mut rest = String::new();
    while let Some(Ok(chunk)) = events.next().await {
        rest += std::str::from_utf8(&chunk).unwrap();
    }
    assert!(!rest.contains("secret.gif"), "{rest}");
}
