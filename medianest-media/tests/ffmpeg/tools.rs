//! ffprobe and ffmpeg as judges.

use std::{path::Path, process::Command};

/// What a tool prints on stdout. Whatever it warns of is a failure.
pub(crate) fn run(tool: &str, arguments: &[&str], folder: &Path) -> String {
    run_at("warning", tool, arguments, folder)
}

/// The same, of what is at least as grave as `level`.
pub(crate) fn run_at(level: &str, tool: &str, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(tool)
        .args(["-hide_banner", "-v", level])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("{tool} is needed: {error}"));
    let warnings = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {warnings}");
    assert_eq!(warnings.trim(), "", "{tool} {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The lines of ffprobe's CSV of these entries.
pub(crate) fn entries(file: &str, stream: &str, entries: &str, folder: &Path) -> Vec<Vec<String>> {
    let text = run(
        "ffprobe",
        &["-select_streams", stream, "-show_entries", entries, "-of", "csv=p=0", file],
        folder,
    );
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.trim().trim_end_matches(',').split(',').map(str::to_owned).collect())
        .collect()
}

/// The mean structural similarity that ffmpeg's `ssim` prints for a filter graph with it at the end.
pub(crate) fn ssim(arguments: &[&str], folder: &Path) -> f64 {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-nostats"])
        .args(arguments)
        .args(["-f", "null", "-"])
        .current_dir(folder)
        .output()
        .expect("ffmpeg is needed");
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().rev().find(|line| line.contains("All:")).unwrap_or_else(|| panic!("{text}"));
    let value = line.split("All:").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
    value.parse().unwrap()
}
