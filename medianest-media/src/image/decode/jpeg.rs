//! JPEG by libjpeg-turbo, which shrinks while it decodes; what it does not know, and builds without
//! it, fall back to pure Rust.

use super::{TargetSize, check_memory, raster};
use crate::{
    image::{header::Header, raw::Raw},
    source::read_all,
};
use medianest_core::{ByteSource, Limits, Result};

pub(super) fn decode(
    source: &dyn ByteSource,
    header: &mut Header,
    limits: &Limits,
    target: TargetSize,
) -> Result<Raw> {
    // A progressive picture keeps all of its coefficients until the last pass.
    check_memory(header, if header.progressive { 6 + 4 } else { 4 }, limits)?;
    let bytes = read_all(source, limits)?;
    #[cfg(feature = "turbojpeg")]
    if let Some(outcome) = turbo::decode(&bytes, header, target) {
        return outcome;
    }
    let _ = target;
    plain(bytes, header, limits)
}

#[cfg(feature = "turbojpeg")]
mod turbo {
    use super::*;
    use crate::{
        image::raw::{Layout, Profile},
        source::corrupt,
    };
    use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat, ScalingFactor};

    /// No encoder makes more than some ten passes; thousands of empty ones are an attack.
    const MAX_SCANS: u32 = 200;

    /// None when the file is of a kind that libjpeg-turbo does not decode.
    pub(super) fn decode(bytes: &[u8], header: &mut Header, target: TargetSize) -> Option<Result<Raw>> {
        let mut decompressor = Decompressor::new().ok()?;
        decompressor.set_scan_limit(MAX_SCANS).ok()?;
        let found = decompressor.read_header(bytes).ok()?;
        if (found.width, found.height) != (header.width as usize, header.height as usize) {
            return Some(Err(corrupt("the JPEG declares two sizes")));
        }
        let (format, layout) = match found.colorspace {
            Colorspace::Gray => (PixelFormat::GRAY, Layout::Gray),
            Colorspace::CMYK | Colorspace::YCCK => (PixelFormat::CMYK, Layout::Cmyk),
            _ => (PixelFormat::RGB, Layout::Rgb),
        };
        let factor = if found.is_lossless { ScalingFactor::ONE } else { shrink(header, target) };
        decompressor.set_scaling_factor(factor).ok()?;
        let scaled = found.scaled(factor);
        let pitch = scaled.width * layout.channels();
        let mut pixels = vec![0; pitch * scaled.height];
        let image =
            Image { pixels: &mut pixels[..], width: scaled.width, pitch, height: scaled.height, format };
        let truncated = match decompressor.decompress(bytes, image) {
            Ok(()) => false,
            Err(turbojpeg::Error::TurboJpegError(message)) if is_warning(&message) => true,
            Err(error) => return Some(Err(corrupt("the JPEG is damaged").caused_by(error))),
        };
        if layout == Layout::Cmyk && header.inverted_ink {
            pixels.iter_mut().for_each(|ink| *ink = 255 - *ink);
        }
        Some(Ok(Raw {
            width: u32::try_from(scaled.width).ok()?,
            height: u32::try_from(scaled.height).ok()?,
            layout,
            pixels,
            profile: header.icc.take().map(Profile::Icc),
            orientation: header.orientation(),
            truncated,
        }))
    }

    /// The smallest of the sizes with a fast inverse transform that the target can be made of.
    fn shrink(header: &Header, target: TargetSize) -> ScalingFactor {
        let (width, height) =
            crate::image::orient::shown_size(target.width, target.height, header.orientation());
        let enough = |factor: &ScalingFactor| {
            factor.scale(header.width as usize) >= width as usize
                && factor.scale(header.height as usize) >= height as usize
        };
        [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF]
            .into_iter()
            .find(enough)
            .unwrap_or(ScalingFactor::ONE)
    }

    /// Whether libjpeg went on after what it complains of (`JWRN_…` of its jerror.h): the pixels are
    /// there, gray where nothing could be decoded.
    fn is_warning(message: &str) -> bool {
        [
            "Corrupt JPEG data",
            "Premature end of JPEG file",
            "Inconsistent progression sequence",
            "Invalid SOS parameters for sequential JPEG",
            "Unknown Adobe color transform code",
            "Warning: unknown JFIF revision",
        ]
        .iter()
        .any(|warning| message.contains(warning))
    }
}

/// The whole picture, in sRGB-like RGB whatever the file's colours are.
fn plain(bytes: Vec<u8>, header: &mut Header, limits: &Limits) -> Result<Raw> {
    let decoder =
        image::codecs::jpeg::JpegDecoder::new(std::io::Cursor::new(bytes)).map_err(raster::error)?;
    raster::read(Box::new(decoder), header, limits)
}
