//! Whether a video or a song can be played by its signed URL alone.

use crate::common::User;
use medianest_core::{Facts, MediaKind};
use serde_json::Value;
use std::process::Command;

/// ffmpeg, which knows nothing of us, decodes all of it without a complaint; ffprobe finds the right
/// codecs and the right length.
pub(crate) async fn check(admin: &User<'_>, asset: &Value, facts: &Facts, wrong: &mut Vec<String>) {
    if facts.kind == MediaKind::Image {
        return;
    }
    let Some(link) = asset["links"]["hls"].as_str() else {
        wrong.push("nothing to play".into());
        return;
    };
    let url = format!("{}{link}", admin.server.url);
    let facts = facts.clone();
    let played = tokio::task::spawn_blocking(move || play(&url, &facts));
    wrong.extend(played.await.unwrap());
}

fn play(url: &str, facts: &Facts) -> Vec<String> {
    let mut wrong = Vec::new();
    let shown = ["-show_entries", "stream=codec_name:format=duration", "-of", "json", url];
    let (found, _) = run("ffprobe", &shown);
    let found: Value = serde_json::from_str(&found).unwrap_or_default();
    let codecs: Vec<_> =
        found["streams"].as_array().into_iter().flatten().map(|it| &it["codec_name"]).collect();
    let has = |codec: &str| codecs.iter().any(|found| *found == codec);
    if has("h264") != facts.video().is_some() || has("aac") != facts.audio().is_some() {
        wrong.push(format!("plays as {codecs:?}"));
    }
    let seconds = found["format"]["duration"].as_str().and_then(|text| text.parse::<f64>().ok());
    let expected = facts.duration_ms.unwrap_or_default() as f64 / 1000.0;
    let is_cut_off = facts.warnings.iter().any(|warning| warning == "truncated");
    let least = if is_cut_off { 0.0 } else { expected - 0.5 };
    if seconds.is_none_or(|seconds| seconds <= least || seconds > expected + 0.5) {
        wrong.push(format!("plays for {seconds:?} s instead of {expected} s"));
    }
    let (_, complaint) = run("ffmpeg", &["-i", url, "-f", "null", "-"]);
    if !complaint.is_empty() {
        wrong.push(format!("ffmpeg complains: {complaint}"));
    }
    wrong
}

fn run(tool: &str, arguments: &[&str]) -> (String, String) {
    let output = Command::new(tool).args(["-hide_banner", "-v", "error"]).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{tool} is needed: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (text(&output.stdout), text(&output.stderr))
}
