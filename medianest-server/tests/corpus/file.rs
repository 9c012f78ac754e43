//! One file through the server.

use crate::{
    common::User,
    expected::{self, Outcome},
    nest::{Shared, settled},
    playback,
};
use libtest_mimic::Failed;
use medianest_core::Facts;
use medianest_testkit::{
    corpus::{CorpusFile, Size},
    picture::{Rgb, looks_like_imagemagick},
    truth,
};
use reqwest::Method;
use serde_json::Value;

/// Everything that is wrong with what comes of a file, at once.
pub(crate) fn check(nest: &Shared, file: &CorpusFile) -> Result<(), Failed> {
    let nest = nest.get();
    let wrong = nest.run(async |admin| {
        let (status, asset) = nest.upload(admin, file).await;
        if let Outcome::Refused(code) = expected::outcome(file) {
            return if status.is_client_error() && asset["code"] == code {
                Vec::new()
            } else {
                vec![format!("{status} {asset} instead of {code}")]
            };
        }
        assert_eq!(status, 201, "{asset}");
        let asset = settled(admin, asset["id"].as_str().unwrap()).await;
        let mut wrong = outcome(file, &asset);
        original(admin, file, &asset, &mut wrong).await;
        if let Some(facts) = asset.get("facts") {
            let facts: Facts = serde_json::from_value(facts.clone()).unwrap();
            wrong.extend(truth::disagreements(file, &facts));
            if asset["state"] == "ready" {
                pictures(admin, file, &asset, &facts, &mut wrong).await;
                playback::check(admin, &asset, &facts, &mut wrong).await;
            }
        }
        wrong.extend(warnings(admin, file, &asset).await);
        wrong
    });
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

pub(crate) fn outcome(file: &CorpusFile, asset: &Value) -> Vec<String> {
    let (state, code) = match expected::outcome(file) {
        Outcome::Ready => ("ready", None),
        Outcome::Failed(code) => ("failed", Some(code)),
        Outcome::Quarantined(code) => ("quarantined", Some(code)),
        Outcome::Refused(code) => ("refused", Some(code)),
    };
    let is_so = asset["state"] == state && asset["failure"]["code"].as_str() == code;
    let facts_missing = state == "ready" && asset.get("facts").is_none();
    if is_so && !facts_missing {
        Vec::new()
    } else {
        vec![format!("{} {} instead of {state} {code:?}", asset["state"], asset["failure"])]
    }
}

/// Bit for bit, with a header and by a signed URL; and as what it is, whatever its name says.
async fn original(admin: &User<'_>, file: &CorpusFile, asset: &Value, wrong: &mut Vec<String>) {
    let path = format!("/assets/{}/content", asset["id"].as_str().unwrap());
    let signed = admin.server.request(Method::GET, asset["links"]["original"].as_str().unwrap());
    for (way, request) in [("content", admin.request(Method::GET, &path)), ("signed content", signed)] {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if status != 200 || header("x-content-type-options") != "nosniff" {
            wrong.push(format!("{way}: {status}, {headers:?}"));
        }
        // What a browser would run is not served as what it is.
        let served_as = header("content-type");
        if served_as != asset["content_type"] && served_as != "application/octet-stream" {
            wrong.push(format!("{way}: served as {served_as} instead of {}", asset["content_type"]));
        }
        if answer.bytes().await.unwrap() != file.read() {
            wrong.push(format!("{way}: other bytes than were put in"));
        }
    }
    if asset["sha256"] != file.sha256 || asset["size"] != file.bytes {
        wrong.push(format!("sha256 {} and size {}", asset["sha256"], asset["size"]));
    }
}

/// Every picture has the shape of the upright original; the small one of a photo is like ImageMagick's.
async fn pictures(
    admin: &User<'_>,
    file: &CorpusFile,
    asset: &Value,
    facts: &Facts,
    wrong: &mut Vec<String>,
) {
    let links = asset["links"]["renditions"].as_object().unwrap();
    let expects_pictures = facts.width.is_some() || facts.has_cover;
    for (variant, side) in [("small", 320), ("medium", 800), ("large", 1600)] {
        let Some(link) = links.get(variant) else {
            if expects_pictures {
                wrong.push(format!("{variant} is missing"));
            }
            continue;
        };
        let answer = admin.server.request(Method::GET, link.as_str().unwrap()).send().await.unwrap();
        let (status, kind) = (answer.status(), answer.headers()["content-type"].clone());
        if status != 200 || kind != "image/webp" {
            wrong.push(format!("{variant}: {status}, {kind:?}"));
            continue;
        }
        let picture = Rgb::decode(&answer.bytes().await.unwrap());
        // What is shown of the DNG is its preview, of 1024 x 683.
        let side = if facts.format == "dng" { side.min(1024) } else { side };
        if let (Some(width), Some(height)) = (facts.width, facts.height)
            && !has_shape(&picture, Size { width, height }, side)
        {
            wrong.push(format!("{variant}: {}x{} of {width}x{height}", picture.width, picture.height));
        }
        let is_still = matches!(file.family(), "photo" | "raw") && file.truth.video.is_empty();
        if variant == "small" && (is_still || facts.format == "jpeg") {
            let file = file.clone();
            let compared = tokio::task::spawn_blocking(move || looks_like_imagemagick(&file, &picture));
            wrong.extend(compared.await.unwrap().err().map(|why| format!("{variant}: {why}")));
        }
    }
}

/// Fitted into a square of this side without being enlarged, give or take the rounding.
fn has_shape(picture: &Rgb, original: Size, side: u32) -> bool {
    let (width, height) = (f64::from(original.width), f64::from(original.height));
    let scale = (f64::from(side) / width.max(height)).min(1.0);
    let close = |pixels: usize, exact: f64| (pixels as f64 - exact.max(1.0)).abs() <= 1.0;
    close(picture.width, width * scale) && close(picture.height, height * scale)
}

async fn warnings(admin: &User<'_>, file: &CorpusFile, asset: &Value) -> Option<String> {
    let path = format!("/assets/{}/renditions", asset["id"].as_str().unwrap());
    let (_, renditions) = admin.get(&path).await;
    let of = |warned: &Value| warned["warnings"].as_array().cloned().unwrap_or_default();
    let infos = renditions["items"].as_array().unwrap().iter().map(|rendition| &rendition["info"]);
    let mut found: Vec<Value> = std::iter::once(&asset["facts"]).chain(infos).flat_map(of).collect();
    found.sort_by_key(Value::to_string);
    found.dedup();
    let expected = expected::warnings(file);
    (found != expected).then(|| format!("warnings {found:?} instead of {expected:?}"))
}
