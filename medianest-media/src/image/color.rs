//! From any colour space to sRGB.

use super::{
    header::Header,
    raw::{Layout, Profile, Raw},
};
use crate::Picture;
use moxcms::{
    CicpColorPrimaries, CicpProfile, ColorProfile, DataColorSpace, MatrixCoefficients, ProfileText,
    RenderingIntent, TransferCharacteristics, Transform8BitExecutor, TransformOptions,
};
use std::sync::Arc;

/// Converts to sRGB. A profile that is damaged, or for other colours than the picture has, is passed
/// over, as browsers do: a wrong tint is better than no picture.
pub(super) fn to_srgb(raw: Raw) -> Picture {
    let alpha = matches!(raw.layout, Layout::GrayAlpha | Layout::Rgba);
    let transform = raw.profile.as_ref().and_then(|profile| transform(profile, raw.layout));
    let pixels = match transform {
        Some(transform) => apply(&*transform, &raw, alpha),
        None => expand(raw.pixels, raw.layout),
    };
    let mut picture = Picture { width: raw.width, height: raw.height, alpha, pixels };
    if alpha {
        drop_opaque_alpha(&mut picture);
    }
    picture
}

/// The name that an embedded profile gives itself.
pub(super) fn profile_name(header: &Header) -> Option<String> {
    let profile = ColorProfile::new_from_slice(header.icc.as_deref()?).ok()?;
    let name = match profile.description? {
        ProfileText::PlainString(text) => text,
        ProfileText::Localizable(texts) => texts.into_iter().next()?.value,
        ProfileText::Description(text) => text.ascii_string,
    };
    let name = name.trim_matches(|c: char| c.is_control() || c.is_whitespace());
    (!name.is_empty()).then(|| name.chars().take(200).collect())
}

fn transform(profile: &Profile, layout: Layout) -> Option<Arc<Transform8BitExecutor>> {
    let profile = match profile {
        Profile::Icc(bytes) => ColorProfile::new_from_slice(bytes).ok()?,
        Profile::CodePoints { primaries, transfer } => code_points(*primaries, *transfer)?,
    };
    let (space, from, to) = match layout {
        Layout::Gray => (DataColorSpace::Gray, moxcms::Layout::Gray, moxcms::Layout::Rgb),
        Layout::GrayAlpha => (DataColorSpace::Gray, moxcms::Layout::GrayAlpha, moxcms::Layout::Rgba),
        Layout::Rgb => (DataColorSpace::Rgb, moxcms::Layout::Rgb, moxcms::Layout::Rgb),
        Layout::Rgba => (DataColorSpace::Rgb, moxcms::Layout::Rgba, moxcms::Layout::Rgba),
        Layout::Cmyk => (DataColorSpace::Cmyk, moxcms::Layout::Rgba, moxcms::Layout::Rgb),
    };
    if profile.color_space != space {
        return None;
    }
    let options = TransformOptions { rendering_intent: RenderingIntent::Perceptual, ..Default::default() };
    let transform = profile.create_transform_8bit(from, &ColorProfile::new_srgb(), to, options).ok()?;
    (space != DataColorSpace::Rgb || !is_identity(&*transform, layout)).then_some(transform)
}

/// Whether a transform changes nothing that can be seen: most photos carry one of the many spellings
/// of sRGB.
fn is_identity(transform: &Transform8BitExecutor, layout: Layout) -> bool {
    let steps = [0u8, 32, 64, 96, 128, 160, 192, 224, 255];
    let mut colours = Vec::with_capacity(9 * 9 * 9 * layout.channels());
    for red in steps {
        for green in steps {
            for blue in steps {
                colours.extend_from_slice(&[red, green, blue, 255][..layout.channels()]);
            }
        }
    }
    let mut converted = vec![0; colours.len()];
    transform.transform(&colours, &mut converted).is_ok()
        && colours.iter().zip(&converted).all(|(before, after)| before.abs_diff(*after) <= 2)
}

fn code_points(primaries: u8, transfer: u8) -> Option<ColorProfile> {
    Some(ColorProfile::new_from_cicp(CicpProfile {
        color_primaries: CicpColorPrimaries::try_from(primaries).ok()?,
        transfer_characteristics: TransferCharacteristics::try_from(transfer).ok()?,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    }))
}

fn apply(transform: &Transform8BitExecutor, raw: &Raw, alpha: bool) -> Vec<u8> {
    let channels = if alpha { 4 } else { 3 };
    let width = raw.width as usize;
    let mut out = vec![0; width * raw.height as usize * channels];
    let rows = raw.pixels.chunks_exact(width * raw.layout.channels());
    for (from, to) in rows.zip(out.chunks_exact_mut(width * channels)) {
        if transform.transform(from, to).is_err() {
            return expand(raw.pixels.clone(), raw.layout);
        }
    }
    out
}

/// RGB or RGBA of pixels without a usable profile.
fn expand(pixels: Vec<u8>, layout: Layout) -> Vec<u8> {
    match layout {
        Layout::Rgb | Layout::Rgba => pixels,
        Layout::Gray => pixels.iter().flat_map(|&gray| [gray; 3]).collect(),
        Layout::GrayAlpha => {
            pixels.as_chunks().0.iter().flat_map(|&[gray, alpha]| [gray, gray, gray, alpha]).collect()
        }
        Layout::Cmyk => {
            let light = |ink: u8, key: u8| {
                ((255 - u32::from(ink)) * (255 - u32::from(key)) / 255).try_into().unwrap_or(u8::MAX)
            };
            let chunks = pixels.as_chunks().0.iter();
            chunks.flat_map(|&[c, m, y, k]| [light(c, k), light(m, k), light(y, k)]).collect()
        }
    }
}

/// Alpha that hides nothing only costs time and bytes.
fn drop_opaque_alpha(picture: &mut Picture) {
    let (pixels, _) = picture.pixels.as_chunks::<4>();
    if pixels.iter().all(|pixel| pixel[3] == 255) {
        picture.pixels = pixels.iter().flat_map(|&[red, green, blue, _]| [red, green, blue]).collect();
        picture.alpha = false;
    }
}
