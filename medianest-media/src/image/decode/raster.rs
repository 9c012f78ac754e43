//! What the pure Rust decoders of the `image` crate read. Of an animation or a document with several
//! pages, the first picture.

use super::check_memory;
use crate::{
    image::{
        header::Header,
        raw::{Layout, Profile, Raw},
    },
    source::{SourceReader, corrupt, io_error, is_unreadable, truncated, unreadable, unsupported},
};
use image::{ColorType, ImageDecoder, ImageError};
use medianest_core::{ByteSource, Error, Limits, Result};

/// TIFF and BMP have no chunks to walk: their decoders read the header.
pub(in crate::image) fn header(source: &dyn ByteSource, format: &str, limits: &Limits) -> Result<Header> {
    let mut decoder = open(source, format, limits)?;
    let (width, height) = decoder.dimensions();
    let mut header = Header { width, height, frames: Some(1), ..Header::default() };
    if format == "tiff" {
        header.is_tiff = true;
        header.xmp = decoder.xmp_metadata().ok().flatten();
        header.icc = decoder.icc_profile().ok().flatten();
    }
    Ok(header)
}

/// The embedded profile, where its decoder has to be asked: PNG compresses it.
pub(in crate::image) fn profile(source: &dyn ByteSource, format: &str, limits: &Limits) -> Option<Vec<u8>> {
    let mut limits = limits.clone();
    limits.max_memory = limits.max_memory.min(limits.max_metadata_bytes);
    open(source, format, &limits).ok()?.icc_profile().ok().flatten()
}

pub(super) fn decode(
    source: &dyn ByteSource,
    format: &str,
    header: &mut Header,
    limits: &Limits,
) -> Result<Raw> {
    // Four channels of 16 bits, once more as 8 bits, and as much again inside of the decoder.
    check_memory(header, 16, limits)?;
    let mut decoder = open(source, format, limits)?;
    if header.icc.is_none() {
        header.icc = decoder.icc_profile().ok().flatten();
    }
    read(decoder, header, limits)
}

fn open<'a>(source: &'a dyn ByteSource, format: &str, limits: &Limits) -> Result<Box<dyn ImageDecoder + 'a>> {
    use image::codecs::{
        bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder,
    };
    let reader = SourceReader::buffered(source);
    Ok(match format {
        "png" => Box::new(PngDecoder::with_limits(reader, to_image(limits)).map_err(error)?),
        "gif" => Box::new(GifDecoder::new(reader).map_err(error)?),
        "webp" => Box::new(WebPDecoder::new(reader).map_err(error)?),
        "tiff" => Box::new(TiffDecoder::new(reader).map_err(error)?),
        "bmp" => Box::new(BmpDecoder::new(reader).map_err(error)?),
        _ => return Err(unsupported(format!("pictures of the format {format} cannot be decoded"))),
    })
}

/// Reads all pixels of what a decoder opened. What is missing at the end stays black or transparent.
pub(super) fn read<'a>(
    mut decoder: Box<dyn ImageDecoder + 'a>,
    header: &mut Header,
    limits: &Limits,
) -> Result<Raw> {
    decoder.set_limits(to_image(limits)).map_err(error)?;
    let (width, height) = decoder.dimensions();
    if (width, height) != (header.width, header.height) {
        return Err(corrupt("the picture declares two sizes"));
    }
    let color = decoder.color_type();
    let (layout, wide) = match color {
        ColorType::L8 => (Layout::Gray, false),
        ColorType::La8 => (Layout::GrayAlpha, false),
        ColorType::Rgb8 => (Layout::Rgb, false),
        ColorType::Rgba8 => (Layout::Rgba, false),
        ColorType::L16 => (Layout::Gray, true),
        ColorType::La16 => (Layout::GrayAlpha, true),
        ColorType::Rgb16 => (Layout::Rgb, true),
        ColorType::Rgba16 => (Layout::Rgba, true),
        other => return Err(unsupported(format!("pixels of the type {other:?} are not supported"))),
    };
    let bytes = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
    if bytes as u64 > limits.max_memory {
        return Err(Limits::exceeded("max_memory", limits.max_memory));
    }
    let mut pixels = vec![0; bytes];
    let mut cut = false;
    if let Err(cause) = decoder.read_image_boxed(&mut pixels) {
        let ended = header.warnings.contains(&"truncated") || error_is_end(&cause);
        if is_unreadable(&cause) || !ended {
            return Err(error(cause));
        }
        if pixels.iter().all(|byte| *byte == 0) {
            return Err(truncated().caused_by(cause));
        }
        cut = true;
    }
    if wide {
        pixels = to_8_bits(&pixels);
    }
    Ok(Raw {
        width,
        height,
        layout,
        pixels,
        profile: header.icc.take().map(Profile::Icc),
        orientation: header.orientation(),
        truncated: cut,
    })
}

fn to_8_bits(pixels: &[u8]) -> Vec<u8> {
    let rounded = |wide: u16| ((u32::from(wide) * 255 + 32_767) / 65_535) as u8;
    pixels.as_chunks().0.iter().map(|pair| rounded(u16::from_ne_bytes(*pair))).collect()
}

fn to_image(limits: &Limits) -> image::Limits {
    let mut to = image::Limits::no_limits();
    to.max_image_width = Some(limits.max_side);
    to.max_image_height = Some(limits.max_side);
    to.max_alloc = Some(limits.max_memory);
    to
}

fn error_is_end(error: &ImageError) -> bool {
    matches!(error, ImageError::IoError(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof)
}

/// What the error of a decoder means.
pub(super) fn error(error: ImageError) -> Error {
    if is_unreadable(&error) {
        return unreadable(error);
    }
    match error {
        ImageError::IoError(cause) => io_error(cause),
        ImageError::Limits(_) => {
            Error::media("limit_exceeded", "the picture needs more memory than allowed").caused_by(error)
        }
        ImageError::Unsupported(_) => {
            unsupported("the picture uses a feature that is not supported").caused_by(error)
        }
        _ => corrupt("the picture is damaged").caused_by(error),
    }
}
