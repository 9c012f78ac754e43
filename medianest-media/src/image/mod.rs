//! Pictures: what they are, and what is made of them.

mod color;
mod decode;
mod encode;
#[cfg(feature = "heif")]
mod hdr;
mod header;
mod orient;
mod raw;
mod resize;
mod thumbnail;
mod variants;

pub(crate) use decode::TargetSize;
pub use thumbnail::thumbnail;
pub(crate) use variants::write_variants;

use crate::{Picture, source::unsupported};
use header::Header;
#[cfg(all(feature = "sandbox", target_os = "linux"))]
use medianest_core::Resize;
use medianest_core::{ByteSource, Facts, ImageVariant, Limits, MediaType, PartSink, Result};

/// Reads what a picture says of itself, without decoding it.
///
/// # Errors
/// `corrupt`, `truncated`, `limit_exceeded`, `unsupported_codec`; `source_unreadable`.
pub(crate) fn understand(source: &dyn ByteSource, media_type: &MediaType, limits: &Limits) -> Result<Facts> {
    let header = Header::read(source, media_type.format, limits)?;
    let mut facts = Facts::of_type(media_type);
    facts.orientation = header.orientation();
    let (width, height) = orient::shown_size(header.width, header.height, facts.orientation);
    (facts.width, facts.height) =
        (Some(width).filter(|side| *side > 0), Some(height).filter(|side| *side > 0));
    facts.frames = header.frames;
    facts.duration_ms = header.duration_ms;
    facts.color_profile = color::profile_name(&header);
    facts.warnings = header.warnings.iter().map(ToString::to_string).collect();
    #[cfg(feature = "metadata")]
    crate::metadata::image(
        &crate::metadata::Blocks {
            exif: header.exif(source),
            xmp: header.xmp.as_deref(),
            iptc: header.iptc.as_deref(),
            texts: &header.texts,
        },
        &mut facts,
    )?;
    Ok(facts)
}

/// Makes small pictures of a gray one, so that tables that are filled on first use are.
#[cfg(all(feature = "sandbox", target_os = "linux"))]
pub(crate) fn warm_up() {
    let gray = Picture { width: 64, height: 64, alpha: false, pixels: vec![128; 64 * 64 * 3] };
    for variant in [Resize::fit(64, 64).jpeg(80), Resize::fit(64, 64).webp(80)] {
        // A format that this build cannot write needs no tables.
        if let Ok((bytes, _)) = encode::encode(&gray, &variant) {
            let _ = thumbnail(&bytes, &Resize { width: 32, ..variant.resize }.jpeg(80), &Limits::default());
        }
    }
}

/// Decodes a picture: upright, in sRGB, at least as large as `target` (or as it is).
///
/// # Errors
/// `corrupt`, `truncated`, `limit_exceeded`, `unsupported_codec`; `source_unreadable`.
#[cfg(feature = "metadata")]
pub(crate) fn decode(
    source: &dyn ByteSource,
    facts: &Facts,
    limits: &Limits,
    target: TargetSize,
) -> Result<Picture> {
    decode_with_warnings(source, facts, limits, target).map(|(picture, _)| picture)
}

fn decode_with_warnings(
    source: &dyn ByteSource,
    facts: &Facts,
    limits: &Limits,
    target: TargetSize,
) -> Result<(Picture, Vec<&'static str>)> {
    let mut header = Header::read(source, &facts.format, limits)?;
    if header.width == 0 {
        return Err(unsupported(format!("this build cannot decode {}", facts.format)));
    }
    let raw = decode::decode(source, &facts.format, &mut header, limits, target)?;
    let orientation = raw.orientation;
    let truncated = raw.truncated || header.warnings.contains(&"truncated");
    let warnings = if truncated { vec!["truncated"] } else { Vec::new() };
    Ok((orient::upright(color::to_srgb(raw), orientation), warnings))
}

/// Makes all of `tasks` with one decode.
///
/// # Errors
/// As [`decode`], and what the sink answers.
pub(crate) fn render(
    source: &dyn ByteSource,
    facts: &Facts,
    tasks: &[(usize, &ImageVariant)],
    limits: &Limits,
    sink: &mut dyn PartSink,
) -> Result<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    sink.progress(0.0)?;
    let target = TargetSize::of(facts, tasks.iter().map(|(_, variant)| *variant));
    let (picture, warnings) = decode_with_warnings(source, facts, limits, target)?;
    variants::write_with_warnings(&picture, tasks, &warnings, sink)
}
