//! Libraries in several stores, and on their way from one to another.

mod common;

use common::{GIF, Server, User, assert_problem, medianest};
use medianest_testkit::s3::{self, Bucket, bucket};
use reqwest::{Client, Method, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Longer than everything takes on a slow machine.
const HANGS: Duration = Duration::from_secs(300);

/// Files by default, and a bucket that people are sent to.
fn configuration(bucket: &Bucket, secrets: &TempDir) -> String {
    let secret = secrets.path().join("secret");
    std::fs::write(&secret, format!("{}\n", s3::SECRET_ACCESS_KEY)).unwrap();
    format!(
        "[stores.archive]\nkind = \"s3\"\nbucket = {:?}\nendpoint = {:?}\nprefix = \"nest\"\n\
         access_key_id = {:?}\nsecret_key_file = {secret:?}\ndelivery = \"redirect\"\n",
        bucket.name(),
        bucket.endpoint(),
        s3::ACCESS_KEY_ID,
    )
}

fn film() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=s=320x240:r=25:d=9"])
        .args(["-c:v", "libx264", "-pix_fmt", "yuv420p", "film.mp4"])
        .current_dir(folder.path())
        .status();
    assert!(made.expect("tests need ffmpeg: run script/setup --test").success());
    std::fs::read(folder.path().join("film.mp4")).unwrap()
}

async fn ready(user: &User<'_>, name: &str, bytes: Vec<u8>) -> Value {
    let (status, asset) = user.upload(name, bytes).await;
    assert_eq!(status, 201, "{asset}");
    let (path, begun) = (format!("/assets/{}?links=true", asset["id"].as_str().unwrap()), Instant::now());
    loop {
        let asset = user.get(&path).await.1;
        // A film can be played later than it is ready.
        if asset["state"] == "ready" && (asset["kind"] == "image" || !asset["links"]["hls"].is_null()) {
            return asset;
        }
        assert!(begun.elapsed() < HANGS && asset["state"] != "failed", "{asset}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn run(dir: &Path, args: &[&str]) -> Output {
    medianest(dir).args(args).output().unwrap()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A player without an account: it has a signed URL, follows where it is sent, and gives up at the first error.
#[derive(Clone)]
struct Player {
    http: Client,
    server: String,
}

impl Player {
    async fn get(&self, path: &str) -> Vec<u8> {
        let answer = self.http.get(format!("{}{path}", self.server)).send().await.unwrap();
        let status = answer.status();
        let bytes = answer.bytes().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&bytes));
        bytes.to_vec()
    }

    /// The path of a rung's playlist, and the playlist.
    async fn playlist(&self, index: &str) -> (String, String) {
        let text = String::from_utf8(self.get(index).await).unwrap();
        let rung = text.lines().find(|line| line.ends_with("index.m3u8")).unwrap();
        let path = index.replace("index.m3u8", rung);
        let playlist = String::from_utf8(self.get(&path).await).unwrap();
        (path, playlist)
    }

    /// All bytes that a playlist names.
    async fn play(&self, (path, playlist): &(String, String)) -> Vec<u8> {
        let named = playlist.lines().filter_map(|line| match line.split_once("URI=\"") {
            Some((_, rest)) => rest.split('"').next(),
            None => (!line.starts_with('#') && !line.is_empty()).then_some(line),
        });
        let mut film = Vec::new();
        for part in named {
            film.extend(self.get(&path.replace("index.m3u8", part)).await);
        }
        film
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_moves_to_a_bucket_while_it_is_played() {
    let (bucket, secrets) = (bucket(), tempfile::tempdir().unwrap());
    let mut server = Server::start_with(&configuration(&bucket, &secrets));
    let ada = server.user("ada").await;
    let film = film();
    let (picture, video) =
        (ready(&ada, "a.gif", GIF.to_vec()).await, ready(&ada, "film.mp4", film.clone()).await);
    let library = picture["library_id"].as_str().unwrap().to_owned();
    let place = format!("/libraries/{library}/store");
    let link = |asset: &Value, name: &str| asset["links"][name].as_str().unwrap().to_owned();

    // For administrators, and to stores that there are.
    assert_problem(ada.get(&place).await, 403, "forbidden");
    let named = |store: &str| Some(json!({ "store": store }));
    assert_problem(ada.call(Method::PUT, &place, named("archive")).await, 403, "forbidden");
    let admin = server.admin().await;
    let here = json!({ "store": "default", "complete": true });
    assert_eq!(admin.get(&place).await, (StatusCode::OK, here.clone()));
    assert_problem(admin.call(Method::PUT, &place, named("nowhere")).await, 409, "no_such_store");
    assert_problem(admin.call(Method::PUT, &place, named("../x")).await, 400, "invalid_request");
    let nothing = "/libraries/00000000-0000-7000-8000-000000000000/store";
    assert_problem(admin.call(Method::PUT, nothing, named("archive")).await, 404, "library_not_found");
    assert_eq!(admin.call(Method::PUT, &place, named("default")).await, (StatusCode::OK, here));

    // Somebody plays without a pause, by the playlists of before and by those of now.
    let player = Player { http: server.http.clone(), server: server.url.clone() };
    let hls = link(&video, "hls");
    let before = player.playlist(&hls).await;
    let played = player.play(&before).await;
    assert!(played.len() > 1000 && before.1.matches(".mp4").count() > 2, "{}", before.1);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let playing = tokio::spawn({
        let (player, before, played) = (player.clone(), before.clone(), played.clone());
        let (original, picture) = (link(&video, "original"), link(&picture, "original"));
        let film = film.clone();
        async move {
            let (mut stopped, mut rounds) = (stopped, 0);
            while stopped.try_recv().is_err() {
                assert!(player.play(&before).await == played, "other bytes");
                assert!(player.play(&player.playlist(&hls).await).await == played, "other bytes");
                assert!(player.get(&original).await == film, "another film");
                assert_eq!(player.get(&picture).await, GIF);
                rounds += 1;
            }
            rounds
        }
    });
    let moved = {
        let (dir, library) = (server.dir.path().to_owned(), library.clone());
        let moving = move || run(&dir, &["store", "move", &library, "archive", "--json"]);
        tokio::task::spawn_blocking(moving).await.unwrap()
    };
    assert!(moved.status.success(), "{}", told(&moved));
    let moved: Value = serde_json::from_slice(&moved.stdout).unwrap();
    assert_eq!((&moved["store"], &moved["complete"]), (&json!("archive"), &json!(true)), "{moved}");
    assert_eq!(
        (&moved["job"]["kind"], &moved["job"]["state"], &moved["job"]["library_id"]),
        (&json!("move"), &json!("done"), &json!(library))
    );
    stop.send(()).unwrap();
    assert!(playing.await.unwrap() > 0);

    // It is there, and people are sent there by the same URLs.
    for folder in ["nest/o", "nest/r"] {
        assert!(std::fs::read_dir(bucket.folder().join(folder)).unwrap().next().is_some(), "{folder}");
    }
    let stay = Client::builder().redirect(Policy::none()).build().unwrap();
    for path in [link(&picture, "original"), link(&video, "original")] {
        let sent_on = stay.get(format!("{}{path}", server.url)).send().await.unwrap();
        assert_eq!(sent_on.status(), StatusCode::TEMPORARY_REDIRECT);
        assert!(sent_on.headers()["location"].to_str().unwrap().starts_with(&bucket.endpoint()));
    }
    let after = player.playlist(&link(&video, "hls")).await;
    assert_ne!(after.1, before.1);
    assert!(player.play(&after).await == played && player.play(&before).await == played);
    let policy =
        server.http.get(&server.url).send().await.unwrap().headers()["content-security-policy"].clone();
    assert!(policy.to_str().unwrap().contains(&bucket.endpoint()), "{policy:?}");
    let another = ready(&ada, "b.gif", [GIF, b"b"].concat()).await;
    let sent_on = stay.get(format!("{}{}", server.url, link(&another, "original"))).send().await.unwrap();
    assert_eq!(sent_on.status(), StatusCode::TEMPORARY_REDIRECT, "what comes in is there at once");

    // Each store is told of by its name.
    let health = common::answer(server.request(Method::GET, "/health/ready")).await.1;
    let up = json!({ "default": health["dependencies"]["store default"], "archive": health["dependencies"]["store archive"] });
    assert_eq!(up, json!({ "default": "up", "archive": "up" }), "{health}");
    let checked = run(server.dir.path(), &["store", "check", "archive"]);
    assert!(checked.status.success() && told(&checked).contains("ok   store archive"), "{}", told(&checked));
    let refused = run(server.dir.path(), &["store", "move", &library, "nowhere"]);
    assert!(
        !refused.status.success() && told(&refused).contains("no store of this name"),
        "{}",
        told(&refused)
    );

    // Back, by the command alone, as no server runs.
    assert!(server.stop());
    let dir = server.dir.path().to_owned();
    let back = tokio::task::spawn_blocking(move || run(&dir, &["store", "move", &library, "default"]));
    let back = back.await.unwrap();
    assert!(back.status.success() && told(&back).contains("is in default"), "{}", told(&back));
    let server = Server::start_in(server.kill());
    let player = Player { server: server.url.clone(), ..player };
    let home = stay.get(format!("{}{}", server.url, link(&video, "original"))).send().await.unwrap();
    assert_eq!(home.status(), StatusCode::OK);
    assert!(home.bytes().await.unwrap() == film);
    assert!(player.play(&player.playlist(&link(&video, "hls")).await).await == played);
}
