//! Video and audio by FFmpeg: what a file says of itself, a poster, and the parts of an HLS ladder.
//!
//! Every file is opened through [`open::Input`], which is the guard: bytes come from a
//! [`ByteSource`](medianest_core::ByteSource) only, the demuxers are the ones we support, and a
//! file that names other files or addresses gets none of them.
//!
//! ```text
//! understand   open → probe → tags
//! frame        open → decode → filter → tonemap → Picture
//! render       open → decode → filter → cadence ─┬─ video (x264) ─┐
//!                          └→ filter ────────────┼─ audio (AAC) ──┴─ track → segment → PartSink
//!                                                └─ waveform
//! ```

mod audio;
mod cadence;
mod color;
mod decode;
mod error;
mod filter;
mod frame;
#[cfg(test)]
mod guard;
mod io;
mod open;
mod orient;
mod probe;
mod render;
mod segment;
mod sink;
mod stream;
mod tags;
mod timeline;
mod tonemap;
mod track;
mod video;
mod waveform;

pub(crate) use frame::frame;
pub(crate) use probe::understand;
pub(crate) use render::render;

/// Sets up what FFmpeg prepares on first use.
#[cfg(all(feature = "sandbox", target_os = "linux"))]
pub(crate) fn warm_up() {
    open::quiet();
    // Finding a codec has FFmpeg fill its static tables.
    let _ = (ffmpeg_next::encoder::find_by_name("libx264"), ffmpeg_next::encoder::find_by_name("aac"));
}
