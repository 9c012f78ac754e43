//! HEIC, HEIF and AVIF by libheif, which turns and crops as the file declares.

use super::check_memory;
use crate::{
    image::{
        hdr::{self, Transfer},
        header::Header,
        orient::shown_size,
        raw::{Layout, Profile, Raw},
    },
    source::{corrupt, read_all, truncated, unsupported},
};
use libheif_rs::{ColorSpace, HeifContext, HeifError, HeifErrorCode, HeifErrorSubCode, LibHeif, RgbChroma};
use medianest_core::{ByteSource, Error, Limits, Result};

pub(super) fn decode(source: &dyn ByteSource, header: &mut Header, limits: &Limits) -> Result<Raw> {
    // YCbCr and RGB of 16 bits, what comes out, and a tile on its way.
    check_memory(header, 20, limits)?;
    let bytes = read_all(source, limits)?;
    let library = LibHeif::new_checked().map_err(error)?;
    let mut context = HeifContext::read_from_bytes(&bytes).map_err(error)?;
    // One job, one thread: how many jobs run is the caller's business.
    context.set_max_decoding_threads(0);
    let handle = context.primary_image_handle().map_err(error)?;
    limits.check_frame(handle.width(), handle.height())?;
    let alpha = handle.has_alpha_channel();
    let layout = if alpha { Layout::Rgba } else { Layout::Rgb };
    let points = handle.color_profile_nclx();
    let points = points.map(|nclx| (nclx.color_primaries() as u8, nclx.transfer_characteristics() as u8));
    let hdr = points
        .and_then(|(primaries, transfer)| Some((primaries, Transfer::from_code_point(transfer)?)))
        .filter(|_| handle.luma_bits_per_pixel() > 8);
    let chroma = match (hdr, alpha) {
        (None, false) => RgbChroma::Rgb,
        (None, true) => RgbChroma::Rgba,
        (Some(_), false) => RgbChroma::HdrRgbLe,
        (Some(_), true) => RgbChroma::HdrRgbaLe,
    };
    // No options: libheif-rs 0.20 frees them before libheif reads them.
    let image = library.decode(&handle, ColorSpace::Rgb(chroma), None).map_err(error)?;
    let plane = image.planes().interleaved.ok_or_else(|| corrupt("the HEIF has no pixels"))?;
    limits.check_frame(plane.width, plane.height)?;
    let channels = layout.channels();
    let row = plane.width as usize * channels * if hdr.is_some() { 2 } else { 1 };
    let mut pixels = Vec::with_capacity(row * plane.height as usize);
    for stored in plane.data.chunks(plane.stride).take(plane.height as usize) {
        pixels.extend_from_slice(stored.get(..row).ok_or_else(|| corrupt("the HEIF has no pixels"))?);
    }
    let profile = match (hdr, header.icc.take()) {
        (Some((primaries, transfer)), _) => {
            pixels = hdr::to_srgb(&pixels, channels, plane.bits_per_pixel, primaries, transfer);
            None
        }
        (None, Some(icc)) => Some(Profile::Icc(icc)),
        (None, None) => points.map(|(primaries, transfer)| Profile::CodePoints { primaries, transfer }),
    };
    if alpha && handle.is_premultiplied_alpha() {
        pixels.as_chunks_mut::<4>().0.iter_mut().for_each(straighten);
    }
    let shown = shown_size(header.width, header.height, header.orientation());
    if shown != (plane.width, plane.height) && !header.warnings.contains(&"size_mismatch") {
        header.warnings.push("size_mismatch");
    }
    Ok(Raw {
        width: plane.width,
        height: plane.height,
        layout,
        pixels,
        profile,
        orientation: 1,
        truncated: false,
    })
}

fn straighten(pixel: &mut [u8; 4]) {
    let alpha = u32::from(pixel[3]).max(1);
    for channel in &mut pixel[..3] {
        *channel = (u32::from(*channel) * 255 / alpha).min(255) as u8;
    }
}

fn error(cause: HeifError) -> Error {
    let error = match (cause.code, cause.sub_code) {
        (_, HeifErrorSubCode::EndOfData) => truncated(),
        (_, HeifErrorSubCode::SecurityLimitExceeded) => {
            Error::media("limit_exceeded", "the picture is over a limit of its decoder")
        }
        (HeifErrorCode::UnsupportedFeature | HeifErrorCode::UnsupportedFileType, _)
        | (_, HeifErrorSubCode::UnsupportedCodec) => {
            unsupported("the picture uses a codec that is not supported")
        }
        _ => corrupt("the picture is damaged"),
    };
    error.caused_by(cause)
}
