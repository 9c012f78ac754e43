//! ISO base media files by their brands (ISO/IEC 14496-12, 4.3), and QuickTime files without any.

use super::{image, sound, video};
use medianest_core::MediaType;

pub(super) fn sniff(head: &[u8]) -> Option<MediaType> {
    let (size, rest) = head.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let size = u32::from_be_bytes(*size);
    match kind {
        b"ftyp" => {
            let brands = rest.get(..(size as usize).saturating_sub(8).min(rest.len()))?;
            Some(by_brands(brands))
        }
        // Before brands were invented, files began with any of these.
        b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"pnot" if size >= 8 || size == 1 => {
            Some(video("video/quicktime", "mov"))
        }
        _ => None,
    }
}

/// The major brand decides; when it only names a structure, the compatible brands do.
fn by_brands(brands: &[u8]) -> MediaType {
    let mut all = brands.as_chunks::<4>().0.iter();
    let major = all.next().and_then(by_brand);
    let is_structural = |media_type: &MediaType| media_type.format == "heif";
    // The second word is the minor version.
    let compatible = || all.skip(1).take(64).filter_map(by_brand).find(|found| !is_structural(found));
    match major {
        Some(media_type) if !is_structural(&media_type) => media_type,
        structural => compatible().or(structural).unwrap_or(video("video/mp4", "mp4")),
    }
}

fn by_brand(brand: &[u8; 4]) -> Option<MediaType> {
    Some(match brand {
        b"avif" | b"avis" => image("image/avif", "avif"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => {
            image("image/heic", "heic")
        }
        b"mif1" | b"mif2" | b"msf1" => image("image/heif", "heif"),
        b"crx " => image("image/x-canon-cr3", "cr3"),
        b"qt  " => video("video/quicktime", "mov"),
        b"M4A " | b"M4B " | b"M4P " => sound("audio/mp4", "m4a"),
        b"M4V " | b"M4VH" | b"M4VP" => video("video/x-m4v", "m4v"),
        [b'3', b'g', b'p' | b'2' | b'r' | b's' | b'e' | b'g', _] => video("video/3gpp", "3gp"),
        b"isom" | b"iso2" | b"iso3" | b"iso4" | b"iso5" | b"iso6" | b"iso7" | b"iso8" | b"iso9" | b"mp41"
        | b"mp42" | b"avc1" | b"dash" | b"MSNV" | b"F4V " | b"XAVC" | b"mp71" | b"av01" => {
            video("video/mp4", "mp4")
        }
        _ => return None,
    })
}
