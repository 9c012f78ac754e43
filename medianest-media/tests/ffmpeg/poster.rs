//! Posters, against the frames that ffmpeg gives.

use crate::{
    rendering::{render_bytes, task},
    tools::{run, run_at, ssim},
    trial,
};
use libtest_mimic::Trial;
use medianest_core::{Resize, Variant, bytes::Bytes};
use medianest_testkit::corpus::{self, CorpusFile};
use std::{path::Path, process::Command};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = corpus::files()
        .into_iter()
        .filter(|file| file.family() == "video" && !file.truth.video.is_empty())
        .map(|file| trial(format!("poster::{}", file.name), move || check(&file)))
        .collect();
    trials.extend([
        trial("poster::high_dynamic_range_is_not_washed_out", || {
            ["067", "068"].into_iter().for_each(tone_mapped)
        }),
        trial("poster::not_the_black_at_the_beginning", not_black),
        trial("poster::a_black_video_has_a_black_poster", all_black),
    ]);
    trials
}

fn poster(bytes: Vec<u8>, folder: &Path) {
    let poster = Variant::Image(Resize::fit(16_384, 16_384).jpeg(95));
    let (_, made) = render_bytes(&Bytes::from(bytes), &[task("poster", poster, 0)]);
    assert_eq!(made[0].info().content_type, "image/jpeg");
    std::fs::write(folder.join("poster.jpg"), made[0].bytes()).unwrap();
}

fn check(file: &CorpusFile) {
    let folder = tempfile::tempdir().unwrap();
    poster(file.read(), folder.path());
    let shown = file.truth.display_size().unwrap();
    // ffprobe warns of the end of every small dark JPEG.
    let arguments = ["-show_entries", "stream=width,height", "-of", "csv=p=0", "poster.jpg"];
    let size = run_at("error", "ffprobe", &arguments, folder.path());
    assert_eq!(size.trim(), format!("{},{}", shown.width, shown.height));
    if file.truth.video[0]
        .color_transfer
        .as_deref()
        .is_some_and(|transfer| transfer != "bt709" && transfer != "smpte170m")
    {
        return;
    }
    // The same as some frame near the place that it should be from.
    let seconds = file.truth.duration_s.filter(|seconds| *seconds < 1000.0).unwrap_or(1.0);
    let from = ((seconds / 10.0).min(10.0) - 0.1).max(0.0);
    let graph = format!(
        "[0:v]scale={}:{}:flags=bicubic,format=yuv444p,setsar=1[a];[1:v]format=yuv444p,setsar=1[b];\
         [a][b]ssim=stats_file=all.txt",
        shown.width, shown.height
    );
    let source = file.path.to_str().unwrap();
    ssim(
        &[
            "-ss",
            &from.to_string(),
            "-i",
            source,
            "-loop",
            "1",
            "-i",
            "poster.jpg",
            "-lavfi",
            &graph,
            "-frames:v",
            "40",
        ],
        folder.path(),
    );
    let stats = std::fs::read_to_string(folder.path().join("all.txt")).unwrap();
    let best = stats
        .lines()
        .filter_map(|line| line.split("Y:").nth(1)?.split_whitespace().next()?.parse::<f64>().ok())
        .fold(0.0, f64::max);
    assert!(best > 0.93, "{best}: {stats}");
}

/// Compares with zimg's conversion by BT.2100 and the reference white of 203 cd/m², whose curve differs.
fn tone_mapped(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = corpus::file(name);
    poster(file.read(), folder.path());
    let at = (file.truth.duration_s.unwrap() / 10.0).min(10.0).to_string();
    let graph = "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=mobius:desat=0,\
                 zscale=t=iec61966-2-1:m=bt709:r=full,format=rgb24";
    run(
        "ffmpeg",
        &[
            "-ss",
            &at,
            "-i",
            file.path.to_str().unwrap(),
            "-vf",
            graph,
            "-frames:v",
            "1",
            "-update",
            "1",
            "reference.png",
        ],
        folder.path(),
    );
    let similarity = ssim(
        &[
            "-i",
            "poster.jpg",
            "-i",
            "reference.png",
            "-lavfi",
            "[0:v]format=gbrp[a];[1:v]format=gbrp[b];[a][b]ssim",
        ],
        folder.path(),
    );
    assert!(similarity > 0.85, "{name}: {similarity}");
}

/// The mean of the picture's bytes as grey.
fn average_luma(folder: &Path) -> f64 {
    let grey = Command::new("ffmpeg")
        .args(["-v", "error", "-i", "poster.jpg", "-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .current_dir(folder)
        .output()
        .unwrap()
        .stdout;
    grey.iter().map(|byte| f64::from(*byte)).sum::<f64>() / grey.len() as f64
}

fn not_black() {
    let folder = tempfile::tempdir().unwrap();
    let graph = "color=black:s=320x240:r=25:d=3[a];testsrc=s=320x240:r=25:d=3[b];[a][b]concat";
    run(
        "ffmpeg",
        &["-filter_complex", graph, "-pix_fmt", "yuv420p", "-c:v", "libx264", "dark.mp4"],
        folder.path(),
    );
    poster(std::fs::read(folder.path().join("dark.mp4")).unwrap(), folder.path());
    assert!(average_luma(folder.path()) > 60.0);
}

fn all_black() {
    let folder = tempfile::tempdir().unwrap();
    run(
        "ffmpeg",
        &["-f", "lavfi", "-i", "color=black:s=320x240:r=25:d=3", "-c:v", "libx264", "dark.mp4"],
        folder.path(),
    );
    poster(std::fs::read(folder.path().join("dark.mp4")).unwrap(), folder.path());
    assert!(average_luma(folder.path()) < 20.0);
}
