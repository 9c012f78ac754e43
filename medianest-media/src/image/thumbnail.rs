use super::{
    TargetSize, decode_with_warnings,
    encode::encode,
    resize::{Cascade, Plan},
    understand,
};
use crate::sniff;
use medianest_core::{Error, ImageVariant, Limits, MediaKind, Result};

/// Makes one picture of an image that is in memory, on the calling thread: upright, in sRGB, without
/// metadata.
///
/// ```no_run
/// use medianest_media::{Limits, Resize, thumbnail};
///
/// let photo = std::fs::read("photo.jpg")?;
/// let small = thumbnail(&photo, &Resize::fit(300, 300).jpeg(80), &Limits::default())?;
/// std::fs::write("small.jpg", small)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Of kind [`Media`](medianest_core::ErrorKind::Media): `unsupported_media_type` when it is no image,
/// `unsupported_codec` when this build cannot decode or write it, `corrupt`, `truncated`,
/// `limit_exceeded`.
pub fn thumbnail(bytes: &[u8], variant: &ImageVariant, limits: &Limits) -> Result<Vec<u8>> {
    let media_type = sniff(&bytes[..bytes.len().min(4096)])
        .filter(|media_type| media_type.kind == MediaKind::Image)
        .ok_or_else(|| Error::media("unsupported_media_type", "the bytes are not an image"))?;
    let source = bytes::Bytes::copy_from_slice(bytes);
    let facts = understand(&source, &media_type, limits)?;
    let target = TargetSize::of(&facts, [variant]);
    let (picture, _) = decode_with_warnings(&source, &facts, limits, target)?;
    let plan = Plan::new(picture.width, picture.height, &variant.resize);
    let small = Cascade::new(&picture).make(&plan)?;
    encode(&small, variant).map(|(bytes, _)| bytes.into())
}
