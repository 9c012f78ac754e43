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
mod mdpm;
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

use ffmpeg_next::{Codec, encoder::find_by_name};
use medianest_core::{Error, ErrorKind, Result};

/// Whether the FFmpeg that this program is linked with can write what videos and songs become. Some
/// distributions leave libx264 out; everything else works without it.
///
/// # Errors
/// `encoder_missing`, which names the encoder.
pub fn check_encoders() -> Result<()> {
    [video::ENCODER, audio::ENCODER].into_iter().try_for_each(|name| encoder(name).map(drop))
}

fn encoder(name: &str) -> Result<Codec> {
    find_by_name(name).ok_or_else(|| {
        let message = format!("this build of FFmpeg has no {name}: install one that has it");
        Error::new(ErrorKind::Unsupported, "encoder_missing", message)
    })
}

/// Sets up what FFmpeg prepares on first use.
#[cfg(all(feature = "sandbox", target_os = "linux"))]
pub(crate) fn warm_up() {
    open::quiet();
    // Finding a codec has FFmpeg fill its static tables.
    let _ = check_encoders();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_that_is_missing_is_named() {
        check_encoders().unwrap();
        let Err(error) = encoder("libx999") else { panic!("there is no such encoder") };
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unsupported, "encoder_missing"));
        assert!(error.message().contains("libx999"), "{error}");
    }
}
