//! P1: kill -9 of a worker in the middle of a transcode. Another takes over within the lease and two looks, what
//! comes out is whole, and nobody sees half of it before.

use super::nest::{Nest, RUNG};
use crate::{
    common::{Server, configured, medianest},
    until,
};
use medianest_testkit::{corpus, faults::Fault};
use reqwest::Method;
use serde_json::Value;
use std::{path::Path, process::Command};

/// A clip of 85 seconds.
const CLIP: &str = "061";

fn killed_at(percent: u64) {
    let nest = Nest::start();
    let mut first = nest.worker("first");
    // What it is like when nothing happens.
    let calm = nest.put(CLIP);
    nest.until_is(&calm, "ready");
    let parts = parts(&nest, &calm);
    assert!(parts > 10, "{parts} parts are too few to be killed at {percent} % of them");

    let at = (parts * percent / 100).max(1);
    nest.proxy.next("PUT", format!("/{at}-1"), Fault::Hold);
    let clip = nest.put(CLIP);
    nest.until_held(1);
    nobody_sees_half(&nest, &clip);
    let job = nest.transcode(&clip);
    assert_eq!((job["state"].as_str(), job["attempt"].as_u64()), (Some("running"), Some(1)));
    let _second = nest.worker("second");
    first.kill();
    nobody_sees_half(&nest, &clip);
    nest.until_is(&clip, "ready");
    until("the transcode is done", || (nest.transcode(&clip)["state"] == "done").then_some(()));

    let job = nest.transcode(&clip);
    assert_eq!(
        (job["attempt"].as_u64(), job["failure_code"].as_str()),
        (Some(2), Some("worker_lost")),
        "{job}"
    );
    assert_eq!(nest.told(&clip, "rendition.ready", RUNG), 1);
    assert_eq!(self::parts(&nest, &clip), parts);
    let content = |id: &str| nest.bytes(&format!("/assets/{id}/renditions/{RUNG}")).1;
    assert_eq!(frames(&content(&clip)), frames(&content(&calm)), "it is whole");
    assert_eq!(playlist(&nest, &clip), playlist(&nest, &calm), "and so is its playlist");
    nest.until_nothing_is_left_over();
}

#[test]
fn p1_a_worker_is_killed_at_10_percent_of_a_transcode() {
    killed_at(10);
}

#[test]
fn p1_a_worker_is_killed_at_50_percent_of_a_transcode() {
    killed_at(50);
}

#[test]
fn p1_a_worker_is_killed_at_95_percent_of_a_transcode() {
    killed_at(95);
}

fn parts(nest: &Nest, id: &str) -> u64 {
    let query = format!(
        "SELECT count(*) FROM medianest_parts p JOIN medianest_renditions r ON r.id = p.rendition_id \
         WHERE r.asset_id = '{id}' AND r.variant = '{RUNG}'"
    );
    nest.row(&query)["count"].as_u64().unwrap()
}

fn nobody_sees_half(nest: &Nest, id: &str) {
    for path in ["hls/index.m3u8", &format!("hls/{RUNG}/index.m3u8"), &format!("renditions/{RUNG}")] {
        let (status, answer) = nest.get(&format!("/assets/{id}/{path}"));
        assert_eq!(status, 404, "{path}: {answer}");
    }
}

/// The durations of all segments, each of which is there.
fn playlist(nest: &Nest, id: &str) -> Vec<String> {
    let folder = format!("/assets/{id}/hls/{RUNG}/");
    let (status, text) = nest.bytes(&format!("{folder}index.m3u8"));
    let text = String::from_utf8(text).unwrap();
    assert!(status == 200 && text.trim_end().ends_with("#EXT-X-ENDLIST"), "{status} {text}");
    for part in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (status, bytes) = nest.bytes(&format!("{folder}{part}"));
        assert!(status == 200 && !bytes.is_empty(), "{part}: {status}");
    }
    text.lines().filter(|line| line.starts_with("#EXTINF")).map(str::to_owned).collect()
}

/// The pictures of a video, all of which can be decoded.
fn frames(video: &[u8]) -> u64 {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), video).unwrap();
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-select_streams", "v:0", "-of", "csv=p=0"])
        .args(["-show_entries", "stream=nb_read_frames"])
        .arg(file.path())
        .output()
        .expect("tests need ffprobe: run script/setup --test");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
}

/// The same on one machine: the only process, with SQLite and local files, is killed and started again.
#[tokio::test]
async fn p1_the_only_process_is_killed_in_a_transcode() {
    let mut dir = configured("[workers]\nlease_seconds = 5\n");
    // A kill that comes too late proves nothing.
    for _ in 0..10 {
        let server = Server::start_by(medianest(dir.path()), dir);
        let admin = server.admin().await;
        let (status, asset) = admin.upload("clip.m4v", corpus::file(CLIP).read()).await;
        assert_eq!(status, 201, "{asset}");
        let renditions = server.dir.path().join("media/r");
        until("some parts are there", || (files(&renditions) > 6).then_some(()));
        dir = server.kill();
        let server = Server::start_by(medianest(dir.path()), dir);
        let admin = server.admin().await;
        let path = format!("/assets/{}", asset["id"].as_str().unwrap());
        while admin.get(&path).await.1["state"] == "processing" {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let jobs = async || {
            let path = format!("/jobs?asset_id={}", asset["id"].as_str().unwrap());
            admin.get(&path).await.1["items"].as_array().unwrap().clone()
        };
        while jobs().await.iter().any(|job| job["state"] != "done") {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let whole = admin.request(Method::GET, &format!("{path}/hls/480p/index.m3u8")).send().await.unwrap();
        assert_eq!(whole.status(), 200);
        let video = admin.request(Method::GET, &format!("{path}/renditions/480p")).send().await.unwrap();
        let frames = frames(&video.bytes().await.unwrap());
        assert!(frames > 800, "{frames} frames of 85 seconds");
        if jobs().await.iter().any(|job: &Value| job["attempt"].as_u64() > Some(1)) {
            return;
        }
        let (status, answer) = admin.call(Method::DELETE, &path, None).await;
        assert!(status.is_success(), "{answer}");
        dir = server.kill();
    }
    panic!("each kill came too late");
}

fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}
