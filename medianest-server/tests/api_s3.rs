//! A server whose media is in a bucket.

mod common;

use common::{GIF, Server, User, medianest};
use futures::StreamExt;
use medianest_testkit::s3::{self, Bucket, bucket};
use reqwest::{Client, Method, StatusCode, redirect::Policy};
use serde_json::Value;
use tempfile::TempDir;

fn configuration(bucket: &Bucket, secrets: &TempDir, delivery: &str) -> String {
    let secret = secrets.path().join("secret");
    std::fs::write(&secret, format!("{}\n", s3::SECRET_ACCESS_KEY)).unwrap();
    format!(
        "[stores.default]\nkind = \"s3\"\nbucket = {:?}\nendpoint = {:?}\nprefix = \"nest\"\n\
         access_key_id = {:?}\nsecret_key_file = {secret:?}\ndelivery = {delivery:?}\n",
        bucket.name(),
        bucket.endpoint(),
        s3::ACCESS_KEY_ID,
    )
}

async fn ready(user: &User<'_>, name: &str, bytes: &'static [u8]) -> Value {
    let mut events = user.request(Method::GET, "/events").send().await.unwrap().bytes_stream();
    let (status, asset) = user.upload(name, bytes).await;
    assert_eq!(status, 201, "{asset}");
    let path = format!("/assets/{}?links=true", asset["id"].as_str().unwrap());
    loop {
        let asset = user.get(&path).await.1;
        match asset["state"].as_str().unwrap() {
            "ready" => return asset,
            "processing" => drop(events.next().await.expect("the events go on").unwrap()),
            other => panic!("{other}: {asset}"),
        }
    }
}

#[tokio::test]
async fn bytes_come_from_the_store_itself() {
    let (bucket, secrets) = (bucket(), tempfile::tempdir().unwrap());
    let server = Server::start_with(&configuration(&bucket, &secrets, "redirect"));
    let ada = server.user("ada").await;
    let asset = ready(&ada, "é.gif", GIF).await;
    assert!(std::fs::read_dir(bucket.folder().join("nest/o")).unwrap().next().is_some(), "originals");
    assert!(std::fs::read_dir(bucket.folder().join("nest/r")).unwrap().next().is_some(), "renditions");

    let path = format!("/assets/{}/content", asset["id"].as_str().unwrap());
    let stay = Client::builder().redirect(Policy::none()).build().unwrap();
    let ask = |method: Method, path: &str| {
        stay.request(method, format!("{}/api/v1{path}", server.url)).bearer_auth(&ada.token)
    };
    let sent_on = ask(Method::GET, &path).send().await.unwrap();
    assert_eq!(sent_on.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(sent_on.headers()["cache-control"], "private, no-cache");
    let location = sent_on.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.starts_with(&bucket.endpoint()) && location.contains("X-Amz-Expires=900"), "{location}");

    let stored = Client::new().get(&location).header("range", "bytes=0-5").send().await.unwrap();
    assert_eq!(stored.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(stored.headers()["content-type"], "image/gif");
    assert_eq!(
        stored.headers()["content-disposition"],
        "inline; filename=\"_.gif\"; filename*=UTF-8''%C3%A9.gif"
    );
    assert_eq!(stored.bytes().await.unwrap(), &GIF[..6]);

    // What asks for no bytes is answered here.
    let head = ask(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(
        (head.status(), &head.headers()["content-length"]),
        (StatusCode::OK, &GIF.len().to_string().parse().unwrap())
    );
    let tag = head.headers()["etag"].clone();
    let known = ask(Method::GET, &path).header("if-none-match", tag).send().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);

    // A signed URL leads there too, and a client that follows gets all of it.
    let link = asset["links"]["original"].as_str().unwrap();
    let signed = stay.get(format!("{}{link}", server.url)).send().await.unwrap();
    assert_eq!(signed.headers()["cache-control"], "private, max-age=300");
    let followed = server.http.get(format!("{}{link}", server.url)).send().await.unwrap();
    assert_eq!(followed.bytes().await.unwrap(), GIF);

    // Who may not see it is not sent anywhere, and the page may show what it is sent to.
    let eve = server.user("eve").await;
    let refused =
        stay.get(format!("{}/api/v1{path}", server.url)).bearer_auth(&eve.token).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    let page = server.http.get(&server.url).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains(&format!("img-src 'self' blob: data: {};", bucket.endpoint())), "{policy}");
}

#[tokio::test]
async fn bytes_come_through_the_server() {
    let (bucket, secrets) = (bucket(), tempfile::tempdir().unwrap());
    let server = Server::start_with(&configuration(&bucket, &secrets, "proxy"));
    let ada = server.user("ada").await;
    let asset = ready(&ada, "a.gif", GIF).await;
    let path = format!("/assets/{}/content", asset["id"].as_str().unwrap());
    let part = ada.request(Method::GET, &path).header("range", "bytes=3-5").send().await.unwrap();
    assert_eq!(
        (part.status(), &part.headers()["content-range"]),
        (StatusCode::PARTIAL_CONTENT, &format!("bytes 3-5/{}", GIF.len()).parse().unwrap())
    );
    assert_eq!(part.bytes().await.unwrap(), &GIF[3..6]);
    let page = server.http.get(&server.url).send().await.unwrap();
    assert!(!page.headers()["content-security-policy"].to_str().unwrap().contains("http://"));
}

#[tokio::test]
async fn what_the_store_loses_comes_back_from_its_mirror() {
    let (bucket, secrets, copy) = (bucket(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mirror = format!("[stores.default.mirror]\nkind = \"local\"\ndir = {:?}\n", copy.path());
    let server = Server::start_with(&(configuration(&bucket, &secrets, "proxy") + &mirror));
    let ada = server.user("ada").await;
    let asset = ready(&ada, "a.gif", GIF).await;
    std::fs::remove_dir_all(bucket.folder().join("nest")).unwrap();
    let path = format!("/assets/{}/content", asset["id"].as_str().unwrap());
    assert_eq!(ada.request(Method::GET, &path).send().await.unwrap().bytes().await.unwrap(), GIF);
    let healed = medianest(server.dir.path()).args(["store", "heal"]).output().unwrap();
    assert!(healed.status.success(), "{}", String::from_utf8_lossy(&healed.stderr));
    assert!(std::fs::read_dir(bucket.folder().join("nest/o")).unwrap().next().is_some());
    assert!(std::fs::read_dir(bucket.folder().join("nest/r")).unwrap().next().is_some());
    let again = medianest(server.dir.path()).args(["store", "heal"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&again.stdout), "nothing was lost\n");
}

#[test]
fn the_doctor_tries_the_store() {
    let (bucket, secrets) = (bucket(), tempfile::tempdir().unwrap());
    let dir = common::configured(&configuration(&bucket, &secrets, "redirect"));
    let doctor = || {
        let output = medianest(dir.path()).args(["doctor", "--json"]).output().unwrap();
        let checks: Value = serde_json::from_slice(&output.stdout).unwrap();
        let store = checks.as_array().unwrap().iter().find(|check| check["name"] == "store").cloned();
        store.unwrap()
    };
    assert_eq!(doctor()["fine"], true, "{}", doctor());
    std::fs::write(secrets.path().join("secret"), "another one").unwrap();
    let refused = doctor();
    assert_eq!(refused["fine"], false);
    assert!(refused["detail"].as_str().unwrap().contains("does not accept our credentials"), "{refused}");
    assert!(!refused.to_string().contains("another one"));
}
