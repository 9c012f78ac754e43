//! A rendering that was interrupted goes on where it stopped.

use crate::{
    ladder::check_stream,
    rendering::{Made, render, rung, task, voice},
    tools::{entries, run},
    trial,
};
use libtest_mimic::Trial;

const MISSING: u32 = 5;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("resume::the_rest_fits_what_is_there", the_rest_fits),
        trial("resume::only_the_end_was_missing", only_the_end_was_missing),
    ]
}

fn the_rest_fits() {
    let folder = tempfile::tempdir().unwrap();
    let (_, whole) = render("058", &[task("rung", rung(240), 0), task("audio", voice(), 0)]);
    let (_, rest) = render("058", &[task("rung", rung(240), MISSING), task("audio", voice(), MISSING)]);
    let joined: Vec<Made> = whole.iter().zip(&rest).map(|(whole, rest)| join(whole, rest)).collect();
    for (joined, whole) in joined.iter().zip(&whole) {
        let durations = |made: &Made| made.parts.iter().map(|part| part.duration_us).collect::<Vec<_>>();
        assert_eq!(durations(joined), durations(whole));
        assert_eq!(joined.info().duration_ms, whole.info().duration_ms);
        assert_eq!(joined.info().codecs, whole.info().codecs);
    }
    joined[0].write("v", folder.path());
    check_stream(&joined[0], "v.m3u8", folder.path());
    assert_eq!(entries("v.m3u8", "v:0", "packet=pts_time", folder.path()).len(), 720);
    // Sound has no seam: it is the very same.
    assert_eq!(joined[1].parts, whole[1].parts);
    joined[1].write("a", folder.path());
    run("ffmpeg", &["-i", "a.m3u8", "-f", "null", "-"], folder.path());
}

fn only_the_end_was_missing() {
    let (_, whole) = render("063", &[task("rung", rung(240), 0)]);
    let parts = whole[0].parts.len() as u32;
    let (_, rest) = render("063", &[task("rung", rung(240), parts)]);
    assert!(rest[0].parts.is_empty());
    assert_eq!(rest[0].info().codecs, whole[0].info().codecs);
    assert_eq!(rest[0].info().duration_ms, whole[0].info().duration_ms);
}

fn join(whole: &Made, rest: &Made) -> Made {
    assert_eq!(rest.parts[0].ordinal, MISSING);
    let mut parts = whole.parts[..MISSING as usize].to_vec();
    parts.extend(rest.parts.iter().cloned());
    Made { parts, outcome: rest.outcome.clone() }
}
