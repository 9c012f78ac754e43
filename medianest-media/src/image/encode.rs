//! From pixels to files. Nothing but the picture is written: no EXIF, no profile, no comment.

use crate::Picture;
use bytes::Bytes;
use medianest_core::{Error, ImageFormat, ImageVariant, Result};
use std::borrow::Cow;

/// The encoded picture and the media type it is served as.
pub(super) fn encode(picture: &Picture, variant: &ImageVariant) -> Result<(Bytes, &'static str)> {
    match variant.format {
        ImageFormat::Webp => Ok((webp(picture, variant)?, "image/webp")),
        ImageFormat::Jpeg => Ok((jpeg(picture, variant.quality)?, "image/jpeg")),
        other => Err(crate::source::unsupported(format!("this build cannot write {other:?}"))),
    }
}

#[cfg(feature = "webp")]
fn webp(picture: &Picture, variant: &ImageVariant) -> Result<Bytes> {
    const MAX_SIDE: u32 = 16_383;
    if picture.width.max(picture.height) > MAX_SIDE {
        return Err(Error::media("limit_exceeded", "a side of a WebP picture has at most 16383 pixels"));
    }
    let failed = || Error::internal("the WebP encoder failed");
    let mut config = webp::WebPConfig::new().map_err(|()| failed())?;
    config.quality = f32::from(variant.quality);
    config.method = i32::from(variant.effort);
    let encoder = if picture.alpha {
        webp::Encoder::from_rgba(&picture.pixels, picture.width, picture.height)
    } else {
        webp::Encoder::from_rgb(&picture.pixels, picture.width, picture.height)
    };
    let memory = encoder
        .encode_advanced(&config)
        .map_err(|cause| failed().caused_by(format!("libwebp answers {cause:?}")))?;
    Ok(Bytes::copy_from_slice(&memory))
}

#[cfg(not(feature = "webp"))]
fn webp(_picture: &Picture, _variant: &ImageVariant) -> Result<Bytes> {
    Err(crate::source::unsupported("this build cannot write WebP: turn on the feature webp"))
}

#[cfg(feature = "turbojpeg")]
fn jpeg(picture: &Picture, quality: u8) -> Result<Bytes> {
    let failed = |cause: turbojpeg::Error| Error::internal("the JPEG encoder failed").caused_by(cause);
    let pixels = on_white(picture);
    let mut compressor = turbojpeg::Compressor::new().map_err(failed)?;
    compressor.set_quality(i32::from(quality)).map_err(failed)?;
    // What libvips does: from 90 on, colour is worth its bytes.
    let subsamp = if quality < 90 { turbojpeg::Subsamp::Sub2x2 } else { turbojpeg::Subsamp::None };
    compressor.set_subsamp(subsamp).map_err(failed)?;
    compressor.set_optimize(true).map_err(failed)?;
    let image = turbojpeg::Image {
        pixels: &pixels[..],
        width: picture.width as usize,
        pitch: picture.width as usize * 3,
        height: picture.height as usize,
        format: turbojpeg::PixelFormat::RGB,
    };
    Ok(Bytes::from(compressor.compress_to_vec(image).map_err(failed)?))
}

#[cfg(not(feature = "turbojpeg"))]
fn jpeg(picture: &Picture, quality: u8) -> Result<Bytes> {
    let mut out = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, quality)
        .encode(&on_white(picture), picture.width, picture.height, image::ExtendedColorType::Rgb8)
        .map_err(|cause| Error::internal("the JPEG encoder failed").caused_by(cause))?;
    Ok(Bytes::from(out))
}

fn on_white(picture: &Picture) -> Cow<'_, [u8]> {
    if !picture.alpha {
        return Cow::Borrowed(&picture.pixels);
    }
    let over_white = |channel: u8, alpha: u8| {
        let (channel, alpha) = (u32::from(channel), u32::from(alpha));
        u8::try_from((channel * alpha + 255 * (255 - alpha) + 127) / 255).unwrap_or(u8::MAX)
    };
    let (pixels, _) = picture.pixels.as_chunks::<4>();
    let flat = pixels.iter().flat_map(|&[red, green, blue, alpha]| {
        [over_white(red, alpha), over_white(green, alpha), over_white(blue, alpha)]
    });
    Cow::Owned(flat.collect())
}
