//! What we say of a file, against what the manifest of the corpus says.

use crate::corpus::{CorpusFile, Gps};
use medianest_core::{Captured, Facts, MediaKind, Stream, StreamKind, Timestamp};
use serde_json::Value;
use std::fmt::Debug;

/// Where we judge that the manifest is not the truth: start of the name, what, why.
const JUDGED: &[(&str, &str, &str)] = &[
    (
        "045",
        "orientation",
        "EXIF says 6, but in HEIF only irot and imir turn (ISO/IEC 23008-12, A.2): libheif, libvips and ImageMagick show it as stored",
    ),
    ("009", "description", "31 spaces are no description"),
    ("070", "duration", "the header declares 40 hours, the file holds a second"),
    ("h03", "frames", "the manifest has all frames; we look at a thousand and say so"),
    ("104", "duration", "the header declares 40 hours, the file holds a second"),
];

/// All that both sides know and do not agree on; empty when they agree.
pub fn disagreements(file: &CorpusFile, facts: &Facts) -> Vec<String> {
    let mut check = Check { file, found: Vec::new() };
    let streams = !file.truth.video.is_empty() || !file.truth.audio.is_empty();
    if streams && facts.kind != MediaKind::Image {
        of_container(&mut check, facts);
    } else {
        of_picture(&mut check, facts);
    }
    check.found
}

struct Check<'a> {
    file: &'a CorpusFile,
    found: Vec<String>,
}

impl Check<'_> {
    fn same<T: Debug + PartialEq>(&mut self, what: &str, ours: T, theirs: T) {
        self.that(what, ours == theirs, || format!("{ours:?} instead of {theirs:?}"));
    }

    fn close(&mut self, what: &str, ours: Option<f64>, theirs: f64, tolerance: f64) {
        let is_close = ours.is_some_and(|ours| (ours - theirs).abs() <= tolerance);
        self.that(what, is_close, || format!("{ours:?} instead of {theirs:?}"));
    }

    fn that(&mut self, what: &str, holds: bool, otherwise: impl FnOnce() -> String) {
        let judged =
            || JUDGED.iter().any(|(name, field, _)| self.file.name.starts_with(name) && *field == what);
        if !holds && !judged() {
            self.found.push(format!("{what}: {}", otherwise()));
        }
    }
}

fn of_picture(check: &mut Check<'_>, facts: &Facts) {
    let truth = &check.file.truth;
    check.same("kind", facts.kind, MediaKind::Image);
    if let (Some(size), true) = (truth.display_size(), facts.width.is_some()) {
        check.same("size", (facts.width, facts.height), (Some(size.width), Some(size.height)));
    } else if check.file.family() == "photo" && !matches!(facts.format.as_str(), "svg" | "jxl" | "avif") {
        check.same("size is known", facts.width.is_some(), true);
    }
    let by_rotation = truth.heif_irot_degrees_ccw.map(|degrees| [1, 8, 3, 6][degrees as usize / 90 % 4]);
    check.same("orientation", facts.orientation, by_rotation.or(truth.orientation).unwrap_or(1));
    if let (Some(frames), Some(ours)) = (truth.frames(), facts.frames) {
        let shown = if facts.format == "tiff" { 1 } else { frames };
        check.same("frames", u64::from(ours), shown);
    }
    if let (Some(icc), true) = (&truth.icc, facts.width.is_some()) {
        check.same("icc", facts.color_profile.as_ref(), Some(icc));
    }
    of_capture(check, facts);
    of_place(check, facts, truth.gps);
    of_camera(check, facts);
    if let Some(description) = truth.other.get("description").and_then(Value::as_str) {
        check.same("description", facts.tags.description.as_deref(), Some(description.trim()));
    }
    if let Some(keywords) = truth.other.get("keywords").and_then(Value::as_array) {
        let keywords: Vec<_> = keywords.iter().filter_map(Value::as_str).collect();
        check.same("keywords", facts.tags.keywords.iter().map(String::as_str).collect(), keywords);
    }
}

/// The wall clock where it was taken (`2019:03:21 11:04:22`), and the zone in minutes.
fn clock(captured: &Captured) -> (String, Option<i16>) {
    let minutes = i64::from(captured.offset_minutes.unwrap_or(0));
    let local = Timestamp::from_micros(captured.at.as_micros() + minutes * 60_000_000).to_string();
    (local[..19].replace('-', ":").replace('T', " "), captured.offset_minutes)
}

/// Minutes of `-06:00`.
fn minutes(zone: &str) -> i16 {
    let number = |at: std::ops::Range<usize>| zone[at].parse::<i16>().expect("digits");
    let east = number(1..3) * 60 + number(4..6);
    if zone.starts_with('-') { -east } else { east }
}

fn of_capture(check: &mut Check<'_>, facts: &Facts) {
    let truth = &check.file.truth.capture;
    let Some(original) = &truth.date_time_original else { return };
    let (ours, zone) = facts.captured.as_ref().map(clock).unzip();
    let original = original.as_str().map_or_else(|| original.to_string(), str::to_owned);
    check.same("capture", ours, Some(original));
    let offset = truth.offset_time_original.as_ref().or(truth.offset_time.as_ref());
    check.same("zone", zone.flatten(), offset.map(|zone| minutes(zone)));
    check.same("is UTC", facts.captured.map(|captured| captured.is_utc), Some(offset.is_some()));
}

fn of_place(check: &mut Check<'_>, facts: &Facts, gps: Option<Gps>) {
    check.same("has a place", facts.location.is_some(), gps.is_some());
    let (Some(ours), Some(gps)) = (facts.location, gps) else { return };
    check.close("latitude", Some(ours.latitude), gps.lat, 5e-5);
    check.close("longitude", Some(ours.longitude), gps.lon, 5e-5);
    if let Some(altitude) = gps.alt {
        check.close("altitude", ours.altitude, altitude, 0.05);
    }
}

fn of_camera(check: &mut Check<'_>, facts: &Facts) {
    let (ours, truth) = (&facts.camera, &check.file.truth);
    if let Some(make) = &truth.make {
        let make = make.as_str().map_or_else(|| make.to_string(), str::to_owned);
        check.same("make", ours.make.as_ref(), Some(&make));
    }
    if truth.model.is_some() {
        check.same("model", &ours.model, &truth.model);
    }
    if truth.lens.is_some() && check.file.family() == "photo" {
        check.same("lens", &ours.lens, &truth.lens);
    }
    if let Some(iso) = truth.iso.as_ref().and_then(Value::as_u64) {
        check.same("iso", ours.iso.map(u64::from), Some(iso));
    }
    for (what, ours, theirs) in [
        ("f_number", ours.f_number, truth.f_number),
        ("exposure", ours.exposure_seconds, truth.exposure_s),
        ("focal length", ours.focal_length_mm, truth.focal_mm),
    ] {
        if let Some(theirs) = theirs {
            check.close(what, ours, theirs, 5e-6);
        }
    }
}

fn of_container(check: &mut Check<'_>, facts: &Facts) {
    let truth = &check.file.truth;
    check.same("kind", facts.kind, if truth.video.is_empty() { MediaKind::Audio } else { MediaKind::Video });
    let size = truth.display.map(|size| (size.width, size.height));
    check.same("size", facts.width.zip(facts.height), size);
    if let Some(seconds) = truth.duration_s {
        check.close("duration", facts.duration_ms.map(|ms| ms as f64 / 1000.0), seconds, 0.05);
    }
    of_streams(check, facts);
    if let Some(gps) = truth.gps {
        of_place(check, facts, Some(gps));
    }
    if let Some(make) = truth.make.as_ref().and_then(Value::as_str) {
        check.same("make", facts.camera.make.as_deref(), Some(make));
    }
    if facts.kind == MediaKind::Video {
        of_recording(check, facts);
    } else {
        check.same("has a cover", facts.has_cover, !truth.cover_art.is_empty());
        let tags = &facts.tags;
        for (name, ours) in [("title", &tags.title), ("artist", &tags.artist), ("album", &tags.album)] {
            check.same(name, ours.as_ref(), truth.tags.get(name));
        }
    }
}

/// When a video was recorded: local with zone, UTC (QuickTime's, or with a Z), or local.
fn of_recording(check: &mut Check<'_>, facts: &Facts) {
    let truth = &check.file.truth.capture;
    let original = truth.date_time_original.as_ref().and_then(Value::as_str);
    let (written, zone, is_utc) = match (&truth.creation_date, &truth.media_create_date, original) {
        (Some(local), ..) => (local.as_str(), Some(minutes(&local[19..])), true),
        (None, Some(utc), _) => (utc.as_str(), None, true),
        (None, None, Some(text)) if text.len() > 20 => (text, Some(minutes(&text[19..])), true),
        (None, None, Some(text)) => (text, None, text.ends_with('Z')),
        (None, None, None) => return,
    };
    let (ours, our_zone) = facts.captured.as_ref().map(clock).unzip();
    check.same("capture", ours.as_deref(), Some(&written[..19]));
    check.same("zone", our_zone.flatten(), zone);
    check.same("is UTC", facts.captured.map(|captured| captured.is_utc), Some(is_utc));
}

fn of_streams(check: &mut Check<'_>, facts: &Facts) {
    let truth = &check.file.truth;
    let of = |kind| facts.streams.iter().filter(|stream| stream.kind == kind).collect::<Vec<&Stream>>();
    let (videos, audios) = (of(StreamKind::Video), of(StreamKind::Audio));
    let counts = (videos.len(), audios.len(), of(StreamKind::Subtitle).len());
    check.same("streams", counts, (truth.video.len(), truth.audio.len(), truth.subtitles.len()));
    for (ours, theirs) in videos.into_iter().zip(&truth.video) {
        // A profile without a name is a number in the manifest.
        let profile = theirs.profile.as_ref().filter(|name| name.parse::<u32>().is_err());
        check.same("video codec", (&ours.codec, ours.profile.as_ref()), (&theirs.codec, profile));
        check.same("coded size", ours.width.zip(ours.height), Some((theirs.width, theirs.height)));
        let clockwise = theirs.rotation_ffprobe.map(|degrees| (360 - degrees).rem_euclid(360) as u16);
        check.same("rotation", ours.rotation, clockwise.filter(|degrees| *degrees != 0));
        check.close("frame rate", ours.frame_rate, fraction(&theirs.avg_frame_rate, '/'), 1e-6);
        let aspect = theirs.sample_aspect_ratio.as_deref().map_or(1.0, |text| fraction(text, ':'));
        check.close("pixel aspect", ours.pixel_aspect.or(Some(1.0)), aspect, 1e-6);
    }
    for (ours, theirs) in audios.into_iter().zip(&truth.audio) {
        check.same("audio codec", (&ours.codec, &ours.profile), (&theirs.codec, &theirs.profile));
        let sound = (ours.channels, ours.sample_rate);
        check.same("sound", sound, (Some(theirs.channels), Some(theirs.sample_rate)));
        let language = theirs.language.as_ref().filter(|language| *language != "und");
        check.same("language", ours.language.as_ref(), language);
    }
}

fn fraction(text: &str, by: char) -> f64 {
    let (numerator, denominator) = text.split_once(by).expect("a fraction");
    numerator.parse::<f64>().expect("a number") / denominator.parse::<f64>().expect("a number")
}
