use libtest_mimic::Failed;
use medianest_core::{Facts, Limits, MediaKind, MediaProcessor};
use medianest_media::InProcess;
use medianest_testkit::corpus::CorpusFile;

/// Where we judge that the manifest is not the truth about a photo: start of the name, what, why.
const JUDGED: &[(&str, &str, &str)] = &[
    (
        "045",
        "orientation",
        "EXIF says 6, but in HEIF only irot and imir turn (ISO/IEC 23008-12, A.2): libheif, libvips and ImageMagick show it as stored",
    ),
    ("009", "description", "31 spaces are no description"),
];

fn judged(file: &CorpusFile, what: &str) -> bool {
    JUDGED.iter().any(|(name, field, _)| file.name.starts_with(name) && *field == what)
}

pub(crate) fn understand(file: &CorpusFile) -> medianest_core::Result<Facts> {
    InProcess.understand(&bytes::Bytes::from(file.read()), &Limits::default())
}

/// Compares all that both sides know, and reports every difference at once.
pub(crate) fn match_truth(file: &CorpusFile) -> Result<(), Failed> {
    let facts = understand(file)?;
    let truth = &file.truth;
    let mut differences = Vec::new();
    let mut check = |what: &str, ours: String, theirs: String| {
        if ours != theirs && !judged(file, what) {
            differences.push(format!("{what}: {ours} instead of {theirs}"));
        }
    };
    check("kind", format!("{:?}", facts.kind), format!("{:?}", MediaKind::Image));
    if let (Some(size), true) = (truth.display_size(), facts.width.is_some()) {
        check(
            "size",
            format!("{:?}x{:?}", facts.width, facts.height),
            format!("{:?}x{:?}", Some(size.width), Some(size.height)),
        );
    } else if file.family() == "photo" && !matches!(facts.format.as_str(), "svg" | "jxl" | "avif") {
        check("size", format!("{:?}", facts.width), String::from("known"));
    }
    let by_rotation = truth.heif_irot_degrees_ccw.map(|degrees| [1, 8, 3, 6][degrees as usize / 90 % 4]);
    check(
        "orientation",
        facts.orientation.to_string(),
        by_rotation.or(truth.orientation).unwrap_or(1).to_string(),
    );
    if let (Some(frames), true) = (truth.frames(), facts.frames.is_some()) {
        let shown = if facts.format == "tiff" { 1 } else { frames };
        check("frames", format!("{:?}", facts.frames), format!("{:?}", Some(shown)));
    }
    if facts.format != "cr3" {
        capture(file, &facts, &mut check);
        place(file, &facts, &mut check);
        camera(file, &facts, &mut check);
    }
    if let (Some(icc), true) = (&truth.icc, facts.width.is_some()) {
        check("icc", format!("{:?}", facts.color_profile), format!("{:?}", Some(icc)));
    }
    if let Some(description) = truth.other.get("description").and_then(|text| text.as_str()) {
        check(
            "description",
            format!("{:?}", facts.tags.description),
            format!("{:?}", Some(description.trim())),
        );
    }
    if let Some(keywords) = truth.other.get("keywords").and_then(|list| list.as_array()) {
        let keywords: Vec<_> = keywords.iter().filter_map(|word| word.as_str()).collect();
        check("keywords", format!("{:?}", facts.tags.keywords), format!("{keywords:?}"));
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n").into()) }
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The wall clock where it was taken, with the fraction of a second and the zone that the file gives.
fn capture(file: &CorpusFile, facts: &Facts, check: &mut impl FnMut(&str, String, String)) {
    let truth = &file.truth.capture;
    let Some(original) = &truth.date_time_original else { return };
    let offset = truth.offset_time_original.as_ref().or(truth.offset_time.as_ref());
    let shown = facts.captured.map(|captured| {
        let minutes = i64::from(captured.offset_minutes.unwrap_or(0));
        let local = medianest_core::Timestamp::from_micros(captured.at.as_micros() + minutes * 60_000_000);
        let text = local.to_string();
        (text[..19].replace('-', ":").replace('T', " "), captured.offset_minutes)
    });
    check(
        "capture",
        format!("{:?}", shown.as_ref().map(|(clock, _)| clock)),
        format!("{:?}", Some(text(original))),
    );
    let zone = offset.map(|zone| {
        let minutes = |at: std::ops::Range<usize>| zone[at].parse::<i16>().expect("digits");
        let east = minutes(1..3) * 60 + minutes(4..6);
        if zone.starts_with('-') { -east } else { east }
    });
    check("capture", format!("zone {:?}", shown.and_then(|(_, zone)| zone)), format!("zone {zone:?}"));
}

fn place(file: &CorpusFile, facts: &Facts, check: &mut impl FnMut(&str, String, String)) {
    let shown = |latitude: f64, longitude: f64| format!("{latitude:.4} {longitude:.4}");
    let ours = facts.location.map(|place| shown(place.latitude, place.longitude));
    let theirs = file.truth.gps.map(|gps| shown(gps.lat, gps.lon));
    check("place", format!("{ours:?}"), format!("{theirs:?}"));
    if let Some(altitude) = file.truth.gps.and_then(|gps| gps.alt) {
        let ours = facts.location.and_then(|place| place.altitude);
        check("altitude", format!("{:.1?}", ours), format!("{:.1?}", Some(altitude)));
    }
}

fn camera(file: &CorpusFile, facts: &Facts, check: &mut impl FnMut(&str, String, String)) {
    let (ours, truth) = (&facts.camera, &file.truth);
    let close = |one: Option<f64>| format!("{:.5?}", one);
    if let Some(make) = &truth.make {
        check("make", format!("{:?}", ours.make), format!("{:?}", Some(text(make))));
    }
    if truth.model.is_some() {
        check("model", format!("{:?}", ours.model), format!("{:?}", truth.model));
    }
    if truth.lens.is_some() && file.family() == "photo" {
        check("lens", format!("{:?}", ours.lens), format!("{:?}", truth.lens));
    }
    if let Some(iso) = truth.iso.as_ref().and_then(serde_json::Value::as_u64) {
        check("iso", format!("{:?}", ours.iso.map(u64::from)), format!("{:?}", Some(iso)));
    }
    for (what, ours, theirs) in [
        ("f_number", ours.f_number, truth.f_number),
        ("exposure", ours.exposure_seconds, truth.exposure_s),
        ("focal length", ours.focal_length_mm, truth.focal_mm),
    ] {
        if theirs.is_some() {
            check(what, close(ours), close(theirs));
        }
    }
}
