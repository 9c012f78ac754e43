//! HEIC, HEIF and AVIF by libheif, which turns and crops as the file declares.

use super::check_memory;
use crate::{
    image::{
        header::Header,
        orient::shown_size,
        raw::{Layout, Profile, Raw},
    },
    source::{corrupt, read_all, truncated, unsupported},
};
use libheif_rs::{ColorSpace, HeifContext, HeifError, HeifErrorCode, HeifErrorSubCode, LibHeif, RgbChroma};
use medianest_core::{ByteSource, Error, Limits, Result};

pub(super) fn decode(source: &dyn ByteSource, header: &mut Header, limits: &Limits) -> Result<Raw> {
    // YCbCr of 16 bits, RGB, and a tile on its way.
    check_memory(header, 12, limits)?;
    let bytes = read_all(source, limits)?;
    let library = LibHeif::new_checked().map_err(error)?;
    let mut context = HeifContext::read_from_bytes(&bytes).map_err(error)?;
    // One job, one thread: how many jobs run is the caller's business.
    context.set_max_decoding_threads(0);
    let handle = context.primary_image_handle().map_err(error)?;
    limits.check_frame(handle.width(), handle.height())?;
    let alpha = handle.has_alpha_channel();
    let (layout, chroma) = if alpha { (Layout::Rgba, RgbChroma::Rgba) } else { (Layout::Rgb, RgbChroma::Rgb) };
    let profile = match header.icc.take() {
        Some(icc) => Some(Profile::Icc(icc)),
        None => handle.color_profile_nclx().map(|nclx| Profile::CodePoints {
            primaries: nclx.color_primaries() as u8,
            transfer: nclx.transfer_characteristics() as u8,
        }),
    };
    let image = library.decode(&handle, ColorSpace::Rgb(chroma), None).map_err(error)?;
    let plane = image.planes().interleaved.ok_or_else(|| corrupt("the HEIF has no pixels"))?;
    limits.check_frame(plane.width, plane.height)?;
    let row = plane.width as usize * layout.channels();
    if plane.bits_per_pixel != 8 * layout.channels() as u8 && plane.bits_per_pixel != 8 {
        return Err(unsupported(format!("{} bits a pixel are not supported", plane.bits_per_pixel)));
    }
    let rows = plane.data.chunks(plane.stride).take(plane.height as usize);
    let mut pixels = Vec::with_capacity(row * plane.height as usize);
    for stored in rows {
        pixels.extend_from_slice(stored.get(..row).ok_or_else(|| corrupt("the HEIF has no pixels"))?);
    }
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
