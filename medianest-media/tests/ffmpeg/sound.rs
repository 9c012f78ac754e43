//! Songs as AAC and as waveforms.

use crate::{
    rendering::{render, rung, task, voice},
    tools::{entries, run},
    trial,
};
use libtest_mimic::Trial;
use medianest_core::{Variant, WaveformVariant};
use medianest_testkit::corpus;
use std::process::Command;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = corpus::files()
        .into_iter()
        .filter(|file| file.family() == "audio" || file.name.starts_with("069"))
        .map(|file| trial(format!("sound::{}", file.name), move || check(&file.name[..3])))
        .collect();
    trials.extend([
        trial("sound::a_waveform_has_the_peaks_of_the_song", peaks),
        trial("sound::a_rung_of_a_song_fails_alone", fails_alone),
        trial("sound::sound_and_pictures_stay_together", stay_together),
    ]);
    trials
}

fn waveform(points: u32) -> Variant {
    let mut waveform = WaveformVariant::default();
    waveform.points = points;
    Variant::Waveform(waveform)
}

fn check(name: &str) {
    let (facts, made) = render(name, &[task("audio", voice(), 0), task("waveform", waveform(500), 0)]);
    let folder = tempfile::tempdir().unwrap();
    let seconds = facts.duration_ms.unwrap() as f64 / 1000.0;

    // The parts in a row are a file that plays from the start.
    std::fs::write(folder.path().join("song.m4a"), made[0].bytes()).unwrap();
    run("ffmpeg", &["-i", "song.m4a", "-f", "null", "-"], folder.path());
    let packets = entries("song.m4a", "a:0", "packet=pts_time", folder.path());
    assert_eq!(packets[0][0].parse::<f64>().unwrap(), 0.0);
    let declared: f64 = entries("song.m4a", "a:0", "format=duration", folder.path())[0][0].parse().unwrap();
    assert!((declared - seconds).abs() < 0.1, "{declared} s of {seconds} s");
    let stream = entries("song.m4a", "a:0", "stream=codec_name,sample_rate,channels", folder.path());
    let channels = if facts.audio().unwrap().channels == Some(1) { "1" } else { "2" };
    assert_eq!(stream[0], ["aac", "48000", channels]);
    assert_eq!(made[0].info().codecs.as_deref(), Some("mp4a.40.2"));
    assert_eq!(made[0].info().content_type, "audio/mp4");
    // What is decoded: MP3 declares the padding of its encoder, which decoders leave out.
    let made_seconds = made[0].info().duration_ms.unwrap() as f64 / 1000.0;
    assert!((made_seconds - seconds).abs() < 0.1, "{made_seconds} s of {seconds} s");

    assert_eq!(made[1].parts.len(), 1);
    assert_eq!(made[1].info().content_type, "application/json");
    let document: serde_json::Value = serde_json::from_slice(&made[1].parts[0].bytes).unwrap();
    assert_eq!((&document["version"], &document["channels"]), (&1.into(), &1.into()));
    assert_eq!(document["points"].as_array().unwrap().len(), 500);
}

fn peaks() {
    let (_, made) = render("081", &[task("waveform", waveform(1000), 0)]);
    let document: serde_json::Value = serde_json::from_slice(&made[0].parts[0].bytes).unwrap();
    let points: Vec<[i64; 2]> = serde_json::from_value(document["points"].clone()).unwrap();
    let reference = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(corpus::file("081").path)
        .args(["-ac", "1", "-ar", "48000", "-f", "f32le", "-"])
        .output()
        .unwrap()
        .stdout;
    let samples: Vec<f32> =
        reference.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    // Points end where the nearest of at least 16 buckets of a point does.
    let total = samples.len() as f64 / 1000.0;
    let range = |from: f64, to: f64| {
        let part = &samples
            [((from * total) as usize).min(samples.len() - 1)..((to * total) as usize).min(samples.len())];
        part.iter().fold((0.0_f32, 0.0_f32), |(low, high), &sample| (low.min(sample), high.max(sample)))
    };
    let byte = |sample: f32| (sample * 128.0).round().clamp(-128.0, 127.0) as i64;
    assert_eq!(points.len(), 1000);
    for (index, [min, max]) in points.into_iter().enumerate() {
        let wide = range((index as f64 - 0.2).max(0.0), index as f64 + 1.2);
        let narrow = range(index as f64 + 0.2, index as f64 + 0.8);
        assert!((byte(wide.0) - 1..=byte(narrow.0) + 1).contains(&min), "{index}: {min} {wide:?} {narrow:?}");
        assert!((byte(narrow.1) - 1..=byte(wide.1) + 1).contains(&max), "{index}: {max} {wide:?} {narrow:?}");
    }
}

fn fails_alone() {
    let (_, made) = render("083", &[task("rung", rung(240), 0), task("audio", voice(), 0)]);
    assert_eq!(made[0].failure().code, "unsupported_media_type");
    assert_eq!(made[1].info().content_type, "audio/mp4");
}

/// A beep that comes with a flash: both are where they were.
fn stay_together() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("flash.mkv");
    run(
        "ffmpeg",
        &[
            "-f",
            "lavfi",
            "-i",
            "color=black:s=320x240:r=25:d=6,drawbox=c=white:t=fill:enable='between(t,3,3.2)'",
            "-f",
            "lavfi",
            "-i",
            "sine=f=1000:r=44100:d=6,volume='between(t,3,3.2)':eval=frame",
            "-c:v",
            "libx264",
            "-c:a",
            "libmp3lame",
            "flash.mkv",
        ],
        folder.path(),
    );
    let bytes = medianest_core::bytes::Bytes::from(std::fs::read(source).unwrap());
    let made =
        crate::rendering::render_bytes(&bytes, &[task("rung", rung(240), 0), task("audio", voice(), 0)]).1;
    for (made, name) in made.iter().zip(["v", "a"]) {
        std::fs::write(folder.path().join(format!("{name}.mp4")), made.bytes()).unwrap();
    }
    let graph = "[0:v]blackdetect=d=0.1[v];[1:a]silencedetect=n=-30dB:d=0.1[a]";
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-nostats", "-copyts", "-i", "v.mp4", "-i", "a.mp4", "-lavfi", graph])
        .args(["-map", "[v]", "-map", "[a]", "-f", "null", "-"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let after = |name: &str, from: usize| -> f64 {
        let rest =
            text.match_indices(name).nth(from).unwrap_or_else(|| panic!("{name}: {text}")).0 + name.len();
        text[rest..].split_whitespace().next().unwrap().parse().unwrap()
    };
    let (flash, beep) = (after("black_end:", 0), after("silence_end: ", 0));
    assert!((flash - 13.0).abs() < 0.05 && (flash - beep).abs() < 0.05, "flash {flash}, beep {beep}");
}
