//! What files say of their content: EXIF, XMP and IPTC of pictures, tags and covers of songs.
//!
//! A damaged block never fails a file: what can be read of it is taken, the rest is passed over.

mod audio;
#[cfg(feature = "image")]
mod date;
#[cfg(feature = "image")]
mod exif;
#[cfg(feature = "image")]
mod iptc;
#[cfg(feature = "image")]
mod xmp;

pub(crate) use audio::{audio, cover};

#[cfg(feature = "image")]
use medianest_core::{Facts, Result};

/// The blocks of a picture as its container holds them.
#[cfg(feature = "image")]
#[derive(Default)]
pub(crate) struct Blocks<'a> {
    /// TIFF structures.
    pub(crate) exif: Option<crate::tiff::Exif<'a>>,
    /// An XML packet.
    pub(crate) xmp: Option<&'a [u8]>,
    /// A Photoshop image resource block, or IPTC-IIM records.
    pub(crate) iptc: Option<&'a [u8]>,
    /// Plain texts by lowercase keyword.
    pub(crate) texts: &'a [(String, String)],
}

/// Adds what the blocks say to the facts of a picture. For when and where, the camera's own EXIF is
/// asked first; for words, what people wrote later: XMP, then IPTC, then EXIF.
///
/// # Errors
/// `source_unreadable`.
#[cfg(feature = "image")]
pub(crate) fn image(blocks: &Blocks<'_>, facts: &mut Facts) -> Result<()> {
    let exif = blocks.exif.map(exif::Exif::read).transpose()?.unwrap_or_default();
    let xmp = blocks.xmp.map(xmp::Xmp::read).unwrap_or_default();
    let iptc = blocks.iptc.map(iptc::Iptc::read).unwrap_or_default();
    facts.captured =
        exif.taken().or_else(|| xmp.taken()).or_else(|| iptc.taken()).or_else(|| exif.satellite_time());
    facts.location = exif.location().or_else(|| xmp.location());
    facts.camera = exif.camera();
    facts.camera.lens = facts.camera.lens.take().or_else(|| xmp.one("aux:Lens"));
    let text = |keyword: &str| {
        let found = blocks.texts.iter().find(|(name, _)| name == keyword);
        found.and_then(|(_, text)| cleaned(text))
    };
    let tags = &mut facts.tags;
    tags.title =
        xmp.one("dc:title").or_else(|| iptc.one(5)).or_else(|| exif.title()).or_else(|| text("title"));
    tags.artist =
        xmp.one("dc:creator").or_else(|| iptc.one(80)).or_else(|| exif.artist()).or_else(|| text("author"));
    tags.description = xmp
        .one("dc:description")
        .or_else(|| iptc.one(120))
        .or_else(|| exif.description())
        .or_else(|| text("description"));
    for keyword in xmp.all("dc:subject").into_iter().chain(iptc.all(25)).chain(exif.keywords()) {
        if !tags.keywords.contains(&keyword) && tags.keywords.len() < 256 {
            tags.keywords.push(keyword);
        }
    }
    let copyright = xmp.one("dc:rights").or_else(|| iptc.one(116)).or_else(|| exif.copyright());
    tags.other.extend(copyright.map(|text| (String::from("copyright"), text)));
    Ok(())
}

/// A text worth showing: without control characters and surrounding space, at most 10,000 characters;
/// None when nothing is left.
fn cleaned(text: &str) -> Option<String> {
    let shown = text.chars().filter(|c| !c.is_control() || *c == '\n' || *c == '\t').take(10_000);
    let shown: String = shown.collect();
    let shown = shown.trim();
    (!shown.is_empty()).then(|| shown.to_owned())
}

/// Bytes as UTF-8, or as Latin-1 when they are not.
fn decoded(bytes: &[u8]) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => cleaned(text),
        Err(_) => cleaned(&bytes.iter().map(|byte| char::from(*byte)).collect::<String>()),
    }
}
