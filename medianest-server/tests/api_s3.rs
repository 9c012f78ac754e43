//! A server whose media is in a bucket.

mod common;

use common::{GIF, Server, User, assert_problem, configured, medianest};
use futures::StreamExt;
use medianest_testkit::{
    faults::{Fault, FaultProxy},
    s3::{self, Bucket, bucket},
};
use reqwest::{Client, Method, StatusCode, redirect::Policy};
use serde_json::Value;
use tempfile::TempDir;

fn configuration(bucket: &Bucket, secrets: &TempDir, delivery: &str) -> String {
    configuration_at(&bucket.endpoint(), bucket, secrets, delivery)
}

/// As if the bucket were at another address.
fn configuration_at(endpoint: &str, bucket: &Bucket, secrets: &TempDir, delivery: &str) -> String {
    let secret = secrets.path().join("secret");
    std::fs::write(&secret, format!("{}\n", s3::SECRET_ACCESS_KEY)).unwrap();
    format!(
        "[stores.default]\nkind = \"s3\"\nbucket = {:?}\nendpoint = {:?}\nprefix = \"nest\"\n\
         access_key_id = {:?}\nsecret_key_file = {secret:?}\ndelivery = {delivery:?}\n",
        bucket.name(),
        endpoint,
        s3::ACCESS_KEY_ID,
    )
}

async fn ready(user: &User<'_>, name: &str, bytes: impl Into<reqwest::Body>) -> Value {
    let (status, asset) = user.upload(name, bytes).await;
    assert_eq!(status, 201, "{asset}");
    settled(user, asset["id"].as_str().unwrap(), "ready").await
}

/// The asset, as soon as it is processed to this end.
async fn settled(user: &User<'_>, id: &str, state: &str) -> Value {
    let mut events = user.request(Method::GET, "/events").send().await.unwrap().bytes_stream();
    let path = format!("/assets/{id}?links=true");
    loop {
        let asset = user.get(&path).await.1;
        match asset["state"].as_str().unwrap() {
            now if now == state => return asset,
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
        let store = checks.as_array().unwrap().iter().find(|check| check["name"] == "store default").cloned();
        store.unwrap()
    };
    assert_eq!(doctor()["fine"], true, "{}", doctor());
    std::fs::write(secrets.path().join("secret"), "another one").unwrap();
    let refused = doctor();
    assert_eq!(refused["fine"], false);
    assert!(refused["detail"].as_str().unwrap().contains("does not accept our credentials"), "{refused}");
    assert!(!refused.to_string().contains("another one"));
}

/// Readiness, and what it says of the store.
async fn readiness(server: &Server) -> (StatusCode, Value) {
    common::answer(server.request(Method::GET, "/health/ready")).await
}

/// What came in before is processed afterwards; what comes in meanwhile is refused, and may come again.
#[tokio::test]
async fn d6_while_the_store_is_away_uploads_wait_and_nothing_is_lost() {
    let (bucket, secrets) = (bucket(), tempfile::tempdir().unwrap());
    let proxy = FaultProxy::start(bucket.address());
    let server = Server::start_with(&configuration_at(&proxy.endpoint(), &bucket, &secrets, "proxy"));
    let ada = server.user("ada").await;

    // Bytes go in, and then nothing comes out any more.
    proxy.always("GET", "nest/o/", Fault::CutAnswer(0));
    let (status, before) = ada.upload("before.gif", GIF).await;
    assert_eq!(status, 201, "{before}");
    proxy.always("", "", Fault::CutRequest(0));

    let upload = || {
        let request = ada.request(Method::POST, "/assets").query(&[("name", "meanwhile.gif")]);
        request.header("idempotency-key", "meanwhile").header("content-type", "image/gif")
    };
    let other = [GIF, b"other"].concat();
    let refused = upload().body(other.clone()).send().await.unwrap();
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(wait > 0);
    let status = refused.status();
    let problem: Value = refused.json().await.unwrap();
    let text = problem.to_string();
    assert!(!text.contains("127.0.0.1") && !text.contains(bucket.name()), "{text}");
    assert_problem((status, problem), 503, "storage_unavailable");
    let (status, told) = readiness(&server).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{told}");
    assert!(told["detail"].as_str().unwrap().contains("store default is away"), "{told}");
    let id = before["id"].as_str().unwrap();
    let waiting = ada.get(&format!("/assets/{id}")).await;
    assert_eq!((waiting.0.as_u16(), waiting.1["state"].as_str()), (200, Some("processing")));

    proxy.heal();
    while readiness(&server).await.0 != StatusCode::OK {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    settled(&ada, id, "ready").await;
    let (status, asset) = common::answer(upload().body(other.clone())).await;
    assert_eq!(status, 201, "{asset}");
    let asset = settled(&ada, asset["id"].as_str().unwrap(), "ready").await;
    let content = format!("/assets/{}/content", asset["id"].as_str().unwrap());
    assert_eq!(ada.request(Method::GET, &content).send().await.unwrap().bytes().await.unwrap(), other);
    assert_eq!(bucket.unfinished_uploads(), 0);
}

/// Whoever downloads the whole learns that it is not the whole.
#[tokio::test]
async fn d5_a_download_that_is_damaged_is_not_taken_for_whole() {
    let (bucket, secrets) = (bucket(), tempfile::tempdir().unwrap());
    let proxy = FaultProxy::start(bucket.address());
    let server = Server::start_with(&configuration_at(&proxy.endpoint(), &bucket, &secrets, "proxy"));
    let ada = server.user("ada").await;
    let asset = ready(&ada, "a.gif", GIF).await;
    let content = format!("/assets/{}/content", asset["id"].as_str().unwrap());
    let download = || async { ada.request(Method::GET, &content).send().await?.bytes().await };
    proxy.next("GET", "nest/o/", Fault::CorruptAnswer);
    assert!(download().await.is_err());
    assert_eq!((download().await.unwrap(), proxy.to_come()), (GIF.into(), 0));
}

/// A film of which little has to be read, and a server that can write no file of its size.
#[tokio::test]
async fn a_large_original_is_processed_without_a_copy_of_it() {
    const PADDING: usize = 96 << 20;
    let (bucket, secrets) = (bucket(), tempfile::tempdir().unwrap());
    let proxy = FaultProxy::start(bucket.address());
    let dir = configured(&configuration_at(&proxy.endpoint(), &bucket, &secrets, "proxy"));
    let program = medianest(dir.path());
    // A limit of 16 MiB for each file that it or its children write, in memory or on disk.
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", "ulimit -f 32768; exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let server = Server::start_by(limited, dir);
    let ada = server.user("ada").await;

    let film = ready(&ada, "film.mp4", padded_film(PADDING)).await;
    assert_eq!(
        (film["facts"]["kind"].as_str(), film["size"].as_u64()),
        (Some("video"), film["size"].as_u64())
    );
    assert!(film["size"].as_u64().unwrap() > PADDING as u64, "{film}");
    let read = proxy.answered();
    assert!(read < PADDING as u64 / 2, "{read} bytes were read");
}

/// Two seconds of film with its index at the end, and as much in between that nobody needs.
fn padded_film(padding: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=s=320x240:r=25:d=2", "-c:v", "libx264"])
        .args(["-pix_fmt", "yuv420p", "film.mp4"])
        .current_dir(folder.path())
        .status();
    assert!(made.expect("tests need ffmpeg: run script/setup --test").success());
    let film = std::fs::read(folder.path().join("film.mp4")).unwrap();
    // ffmpeg writes the index last, and what it points to stays where it is.
    let index = film.windows(4).rposition(|window| window == b"moov").unwrap() - 4;
    let mut padded = film[..index].to_vec();
    padded.extend_from_slice(&u32::try_from(padding).unwrap().to_be_bytes());
    padded.extend_from_slice(b"free");
    padded.resize(index + padding, 7);
    padded.extend_from_slice(&film[index..]);
    padded
}
