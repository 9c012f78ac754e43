//! From bytes to pixels, one module per decoder.

#[cfg(feature = "heif")]
mod heif;
mod jpeg;
#[cfg(feature = "jxl")]
pub(super) mod jxl;
pub(super) mod raster;
#[cfg(feature = "svg")]
pub(super) mod svg;

use super::{header::Header, raw::Raw, resize::Plan};
use crate::source::{Window, unsupported};
use medianest_core::{ByteSource, Facts, ImageVariant, Limits, Result};

/// How large a decoded picture has to be at least, upright: a decoder may deliver less than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TargetSize {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl TargetSize {
    /// All there is.
    pub(crate) const FULL: Self = Self { width: u32::MAX, height: u32::MAX };

    /// What all of `variants` can be made of without enlarging; the whole picture when its size is not
    /// known.
    pub(crate) fn of<'a>(facts: &Facts, variants: impl IntoIterator<Item = &'a ImageVariant>) -> Self {
        let Some((width, height)) = facts.width.zip(facts.height) else { return Self::FULL };
        let scales = variants.into_iter().map(|variant| Plan::new(width, height, &variant.resize).scale());
        let scale = scales.fold(0.0, f64::max);
        let scaled = |side: u32| (f64::from(side) * scale).ceil() as u32;
        Self { width: scaled(width), height: scaled(height) }
    }
}

/// Decodes with the header at hand. `target` is the size before turning.
pub(super) fn decode(
    source: &dyn ByteSource,
    format: &str,
    header: &mut Header,
    limits: &Limits,
    target: TargetSize,
) -> Result<Raw> {
    match format {
        "jpeg" => jpeg::decode(source, header, limits, target),
        "png" | "gif" | "webp" | "tiff" | "bmp" => raster::decode(source, format, header, limits),
        #[cfg(feature = "heif")]
        "avif" | "heic" | "heif" => heif::decode(source, header, limits),
        #[cfg(not(feature = "heif"))]
        "avif" | "heic" | "heif" => {
            Err(unsupported("this build cannot decode HEIF and AVIF: turn on the feature heif"))
        }
        #[cfg(feature = "jxl")]
        "jxl" => jxl::decode(source, header, limits),
        #[cfg(feature = "svg")]
        "svg" => svg::decode(source, limits, target),
        "dng" | "cr2" | "nef" | "cr3" => preview(source, header, limits, target),
        _ => Err(unsupported(format!("pictures of the format {format} cannot be decoded"))),
    }
}

/// What a camera has put in beside what its sensor saw.
fn preview(source: &dyn ByteSource, header: &mut Header, limits: &Limits, target: TargetSize) -> Result<Raw> {
    let orientation = header.orientation;
    let preview =
        header.preview.as_mut().ok_or_else(|| unsupported("it has no preview, and is not developed"))?;
    // Turned as the whole: previews that say so themselves say the same.
    preview.header.orientation = orientation;
    jpeg::decode(&Window::new(source, preview.offset, preview.length), &mut preview.header, limits, target)
}

/// Refuses what would need more memory than the job may use: `bytes` for each pixel of the picture.
fn check_memory(header: &Header, bytes_per_pixel: u64, limits: &Limits) -> Result<()> {
    let needed = u64::from(header.width) * u64::from(header.height) * bytes_per_pixel;
    if needed > limits.max_memory {
        return Err(Limits::exceeded("max_memory", limits.max_memory)
            .with("size", format!("{}x{}", header.width, header.height)));
    }
    Ok(())
}
