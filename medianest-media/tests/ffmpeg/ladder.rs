//! Ladders of real files, read back by ffprobe and ffmpeg.

use crate::{
    rendering::{Made, memory, render, rung, task, voice},
    tools::{entries, run, ssim},
    trial,
};
use libtest_mimic::Trial;
use medianest_core::{ErrorKind, Limits, MediaProcessor, RenderTask, Variant, VideoVariant, bytes::Bytes};
use medianest_media::InProcess;
use medianest_testkit::corpus;
use std::path::Path;

/// File, size of its 360p rung, frames that it must have (none where the rate varies).
const LADDERS: [(&str, (u32, u32), Option<usize>); 12] = [
    ("058", (640, 360), Some(720)),
    ("060", (640, 360), Some(280)),
    ("063", (640, 360), Some(150)),
    ("064", (360, 640), None),
    ("065", (320, 568), Some(120)),
    ("066", (786, 360), None),
    ("067", (360, 640), Some(127)),
    ("068", (640, 360), Some(9)),
    ("071", (1280, 360), Some(150)),
    ("073", (540, 360), Some(30)),
    ("077", (640, 360), None),
    ("080", (504, 288), Some(166)),
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = LADDERS
        .into_iter()
        .map(|(name, size, frames)| trial(format!("ladder::{name}"), move || check(name, size, frames)))
        .collect();
    trials.extend([
        trial("ladder::rungs_align", rungs_align),
        trial("ladder::a_rung_looks_like_ffmpegs_own", looks_like_ffmpegs_own),
        trial("ladder::half_the_frame_rate", half_the_frame_rate),
        trial("ladder::what_is_left_of_a_damaged_file_is_kept", damaged),
        trial("ladder::cancelled_at_once", cancelled),
        trial("ladder::output_over_the_limit_ends_it", over_the_limit),
        trial("ladder::decoded_time_over_the_limit_ends_it", decoded_over_the_limit),
    ]);
    trials
}

fn check(name: &str, size: (u32, u32), frames: Option<usize>) {
    let has_sound = corpus::file(name).truth.video_has_audio.unwrap();
    let mut tasks = vec![task("360p", rung(360), 0)];
    tasks.extend(has_sound.then(|| task("audio", voice(), 0)));
    let (facts, made) = render(name, &tasks);
    let folder = tempfile::tempdir().unwrap();
    let video = &made[0];
    let info = video.info();
    assert_eq!((info.width.unwrap(), info.height.unwrap()), size);
    assert_eq!(info.content_type, "video/mp4");
    assert!(info.codecs.as_ref().unwrap().starts_with("avc1.64"), "{info:?}");
    assert!(info.peak_bit_rate >= info.average_bit_rate && info.average_bit_rate.is_some());
    video.write("v", folder.path());
    check_stream(video, "v.m3u8", folder.path());

    let shown = entries("v.m3u8", "v:0", "packet=pts_time", folder.path()).len();
    if let Some(frames) = frames {
        assert_eq!(shown, frames);
    }
    let length = shown as f64 / info.frame_rate.unwrap();
    assert!((length - info.duration_ms.unwrap() as f64 / 1000.0).abs() < 0.002);
    let declared = facts.duration_ms.unwrap() as f64 / 1000.0;
    assert!((length - declared).abs() < 0.25, "{length} s of {declared} s");
    let colors =
        entries("v.m3u8", "v:0", "stream=pix_fmt,sample_aspect_ratio,color_space,color_range", folder.path());
    assert_eq!(colors[0], ["1:1", "yuv420p", "tv", "bt709"]);

    if has_sound {
        let sound = &made[1];
        assert_eq!(sound.info().codecs.as_deref(), Some("mp4a.40.2"));
        sound.write("a", folder.path());
        run("ffmpeg", &["-i", "a.m3u8", "-f", "null", "-"], folder.path());
        let start = |file: &str, stream| {
            entries(file, stream, "packet=pts_time", folder.path())[0][0].parse::<f64>().unwrap()
        };
        // Sound begins one frame of priming earlier.
        assert!((start("v.m3u8", "v:0") - start("a.m3u8", "a:0") - 1024.0 / 48_000.0).abs() < 0.001);
        let heard = sound.duration_us() as f64 / 1e6;
        assert!((heard - declared).abs() < 0.25, "{heard} s of {declared} s");
    }
}

/// No warning, times that only grow, parts that last as long as their playlist says and begin with a
/// key frame.
pub(crate) fn check_stream(made: &Made, playlist: &str, folder: &Path) {
    run("ffmpeg", &["-i", playlist, "-f", "null", "-"], folder);
    let packets = entries(playlist, "v:0", "packet=pts_time,dts_time,flags", folder);
    let number = |text: &String| text.parse::<f64>().unwrap();
    assert!(packets.windows(2).all(|pair| number(&pair[0][1]) < number(&pair[1][1])), "dts grow");
    let keys: Vec<f64> =
        packets.iter().filter(|packet| packet[2].starts_with('K')).map(|packet| number(&packet[0])).collect();
    let mut start = 10.0;
    let starts: Vec<f64> = made.parts[1..]
        .iter()
        .map(|part| {
            start += part.duration_us as f64 / 1e6;
            start - part.duration_us as f64 / 1e6
        })
        .collect();
    assert_eq!(keys.len(), starts.len(), "key frames are where parts begin: {keys:?} {starts:?}");
    assert!(keys.iter().zip(&starts).all(|(key, start)| (key - start).abs() < 0.001), "{keys:?} {starts:?}");
}

fn rungs_align() {
    let tasks = [480, 360, 240].map(|lines| task("rung", rung(lines), 0));
    let (_, made) = render("058", &tasks);
    let durations = |made: &Made| made.parts.iter().map(|part| part.duration_us).collect::<Vec<_>>();
    assert_eq!(durations(&made[0]).len(), 16);
    assert_eq!(durations(&made[0]), durations(&made[1]));
    assert_eq!(durations(&made[1]), durations(&made[2]));
    assert_eq!(made[2].info().height, Some(240));
}

fn looks_like_ffmpegs_own() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = [480, 360].map(|lines| task("rung", rung(lines), 0));
    for name in ["063", "064", "071"] {
        let (_, made) = render(name, &tasks);
        std::fs::write(folder.path().join("ours.mp4"), made[1].bytes()).unwrap();
        let (width, height) = (made[1].info().width.unwrap(), made[1].info().height.unwrap());
        let graph = format!(
            "[0:v]setpts=PTS-STARTPTS[a];[1:v]scale={width}:{height}:out_color_matrix=bt709:out_range=tv,\
             format=yuv420p,setsar=1,setpts=PTS-STARTPTS[b];[a][b]ssim"
        );
        let source = corpus::file(name).path;
        let similarity =
            ssim(&["-i", "ours.mp4", "-i", source.to_str().unwrap(), "-lavfi", &graph], folder.path());
        assert!(similarity > 0.95, "{name}: {similarity}");
    }
}

fn half_the_frame_rate() {
    let mut video = VideoVariant::h264(240);
    video.max_frame_rate = 15;
    let (_, made) = render("071", &[task("slow", Variant::Video(video), 0), task("full", rung(240), 0)]);
    assert_eq!(made[0].info().frame_rate, Some(15.0));
    assert_eq!(made[1].info().frame_rate, Some(30.0));
    assert_eq!(made[0].duration_us(), 5_000_000);
}

fn damaged() {
    let tasks = [task("rung", rung(360), 0), task("audio", voice(), 0)];
    let (_, made) = render("h11", &tasks);
    for made in &made {
        assert!(made.info().warnings.iter().any(|warning| warning == "truncated"), "{:?}", made.info());
        assert!((2_000..5_000).contains(&made.info().duration_ms.unwrap()), "{:?}", made.info());
    }
    let (_, made) = render("098", &tasks);
    match made[0].outcome.as_ref().unwrap() {
        Ok(info) => assert!(info.warnings.iter().any(|warning| warning == "damaged"), "{info:?}"),
        Err(failure) => assert_eq!(failure.code, "corrupt"),
    }
    assert_eq!(made[1].failure().code, "unsupported_media_type");
}

fn cancelled() {
    let bytes = Bytes::from(corpus::file("058").read());
    let facts = InProcess.understand(&bytes, &Limits::default()).unwrap();
    let mut memory = memory(1);
    memory.cancel_after = Some(2);
    let tasks = [task("rung", rung(240), 0)];
    let error = InProcess.render(&bytes, &facts, &tasks, &Limits::default(), &mut memory).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(memory.made[0].parts.len(), 3);
    assert!(memory.made[0].outcome.is_none());
}

fn over_the_limit() {
    let mut limits = Limits::default();
    limits.max_output_bytes = 50_000;
    fails_with("limit_exceeded", &limits, &[task("rung", rung(240), 0)]);
}

fn decoded_over_the_limit() {
    let mut limits = Limits::default();
    limits.max_decoded_seconds = 3;
    fails_with("limit_exceeded", &limits, &[task("rung", rung(240), 0)]);
    fails_with("limit_exceeded", &limits, &[task("audio", voice(), 0)]);
}

fn fails_with(code: &str, limits: &Limits, tasks: &[RenderTask]) {
    let bytes = Bytes::from(corpus::file("058").read());
    let facts = InProcess.understand(&bytes, &Limits::default()).unwrap();
    let mut memory = memory(tasks.len());
    let error = InProcess.render(&bytes, &facts, tasks, limits, &mut memory).unwrap_err();
    assert_eq!(error.code(), code);
}
