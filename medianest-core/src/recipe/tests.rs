use super::*;
use crate::{Facts, MediaKind, Stream, StreamKind};

fn video(width: u32, height: u32) -> Facts {
    let mut facts = Facts::new(MediaKind::Video, "video/mp4", "mp4");
    (facts.width, facts.height) = (Some(width), Some(height));
    facts.streams = vec![Stream { kind: StreamKind::Audio, ..Stream::default() }];
    facts
}

fn names(facts: &Facts) -> Vec<String> {
    let recipe = Recipe::standard();
    recipe.applicable(facts).into_iter().map(|(name, _)| name.to_string()).collect()
}

/// These values are in the catalogs of everybody who runs the engine: a change makes all of their
/// renditions stale.
#[test]
fn fingerprints_never_change() {
    let golden: Vec<_> = Recipe::standard()
        .variants()
        .map(|(name, variant)| format!("{name} {}", variant.fingerprint("renderer/1").as_str()))
        .collect();
    insta::assert_snapshot!(golden.join("\n"));
}

#[test]
fn a_fingerprint_is_of_what_comes_out() {
    let base = Resize::fit(320, 320).webp(80);
    let print = |image: &ImageVariant| Variant::Image(image.clone()).fingerprint("image/1");
    assert_eq!(print(&base), print(&base.clone().required().only([MediaKind::Video])));
    assert_ne!(print(&base), print(&Resize::fit(320, 320).webp(81)));
    assert_ne!(print(&base), print(&Resize::fill(320, 320).webp(80)));
    assert_ne!(print(&base), Variant::Image(base.clone()).fingerprint("image/2"));
}

#[test]
fn rungs_never_enlarge() {
    assert_eq!(
        names(&video(1920, 1080)),
        ["1080p", "480p", "720p", "audio", "large", "medium", "poster", "small"]
    );
    assert_eq!(names(&video(720, 1280)), ["480p", "720p", "audio", "large", "medium", "poster", "small"]);
    assert_eq!(names(&video(320, 240)), ["480p", "audio", "large", "medium", "poster", "small"]);
}

#[test]
fn each_kind_has_its_variants() {
    let photo = Facts::new(MediaKind::Image, "image/jpeg", "jpeg");
    assert_eq!(names(&photo), ["large", "medium", "small"]);
    let mut song = Facts::new(MediaKind::Audio, "audio/flac", "flac");
    song.streams = vec![Stream { kind: StreamKind::Audio, ..Stream::default() }];
    assert_eq!(names(&song), ["audio", "waveform"]);
    song.has_cover = true;
    assert_eq!(names(&song), ["audio", "large", "medium", "small", "waveform"]);
}

#[test]
fn a_recipe_survives_json_and_refuses_nonsense() {
    let recipe = Recipe::standard();
    let json = serde_json::to_string(&recipe).unwrap();
    assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe);
    assert!(Recipe::empty().image("Bad Name", Resize::fit(1, 1).webp(80)).is_err());
    assert!(Recipe::empty().image("a", Resize::fit(0, 1).webp(80)).is_err());
    assert!(Recipe::empty().image("a", Resize::fit(1, 1).webp(0)).is_err());
    assert!(
        serde_json::from_str::<Recipe>(r#"{"a":{"type":"image","resize":{"width":1,"height":1},"x":1}}"#)
            .is_err()
    );
}
