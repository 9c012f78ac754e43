//! What a file says of its picture before any of it is decoded.

mod camera;
mod gif;
mod heif;
mod jpeg;
mod png;
mod webp;

use super::decode;
use crate::{
    source::unsupported,
    tiff::{Exif, ORIENTATION},
};
use bytes::Bytes;
use medianest_core::{ByteSource, Limits, Result};

/// What was read from the header: sizes were checked against the limits, nothing was allocated for
/// pixels.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Stored size; 0 when it is not known, which is only so of what cannot be decoded.
    pub(super) width: u32,
    pub(super) height: u32,
    /// The turn that the container itself declares, which beats EXIF's.
    pub(super) orientation: Option<u8>,
    /// EXIF as a TIFF structure, without what precedes it in the container.
    pub(super) exif: Option<Bytes>,
    /// Whether the file itself is such a structure.
    pub(super) is_tiff: bool,
    pub(super) xmp: Option<Vec<u8>>,
    /// A Photoshop image resource block or bare IPTC-IIM records.
    pub(super) iptc: Option<Vec<u8>>,
    pub(super) icc: Option<Vec<u8>>,
    pub(super) frames: Option<u32>,
    pub(super) duration_ms: Option<u64>,
    /// Short plain texts of the container, by lowercase keyword.
    pub(super) texts: Vec<(String, String)>,
    pub(super) warnings: Vec<&'static str>,
    /// Whether all of the picture has to be kept until its last pass is read.
    pub(super) progressive: bool,
    /// Whether it is of the lossless kind of JPEG.
    pub(super) lossless: bool,
    /// EXIF of Canon's: three structures, of which the second and the third are what, in a whole one,
    /// directories are for.
    pub(super) exif_parts: Option<[Bytes; 3]>,
    /// What is shown instead of what the file is about.
    pub(super) preview: Option<Box<camera::Preview>>,
    /// Whether a picture in CMYK stores light instead of ink, as Adobe's programs do.
    pub(super) inverted_ink: bool,
}

impl Header {
    pub(super) fn read(source: &dyn ByteSource, format: &str, limits: &Limits) -> Result<Self> {
        let mut header = match format {
            "jpeg" => jpeg::read(source, limits)?,
            "png" => {
                let mut header = png::read(source, limits)?;
                limits.check_frame(header.width, header.height)?;
                header.icc = decode::raster::profile(source, format, limits);
                header
            }
            "gif" => gif::read(source, limits)?,
            "webp" => webp::read(source, limits)?,
            "avif" | "heic" | "heif" => heif::read(source, limits)?,
            "tiff" | "bmp" => decode::raster::header(source, format, limits)?,
            // The size is that of what the sensor saw, which is not decoded.
            "dng" | "cr2" | "nef" => return camera::read_tiff(source, limits)?.turned(source),
            "cr3" => return camera::read_cr3(source, limits)?.turned(source),
            #[cfg(feature = "jxl")]
            "jxl" => decode::jxl::header(source)?,
            #[cfg(feature = "svg")]
            "svg" => decode::svg::header(source, limits)?,
            // Known, but not compiled in: they have facts, and fail when they are to be rendered.
            #[cfg(not(feature = "jxl"))]
            "jxl" => return Ok(Self::default()),
            #[cfg(not(feature = "svg"))]
            "svg" => return Ok(Self::default()),
            _ => return Err(unsupported(format!("pictures of the format {format} cannot be decoded"))),
        };
        limits.check_frame(header.width, header.height)?;
        header.warnings.dedup();
        header.turned(source)
    }

    /// With the turn of EXIF, unless the container declares one.
    fn turned(mut self, source: &dyn ByteSource) -> Result<Self> {
        if let (None, Some(exif)) = (self.orientation, self.exif(source)) {
            let orientation = exif.read(&[ORIENTATION])?.number(ORIENTATION);
            self.orientation = orientation
                .and_then(|number| u8::try_from(number).ok())
                .filter(|turn| (1..=8).contains(turn));
        }
        Ok(self)
    }

    /// EXIF: a block of the file, or several, or the file itself.
    pub(super) fn exif<'a>(&'a self, source: &'a dyn ByteSource) -> Option<Exif<'a>> {
        match (&self.exif_parts, &self.exif) {
            (Some([main, taken, place]), _) => Some(Exif::Split([main, taken, place])),
            _ if self.is_tiff => Some(Exif::Whole(source)),
            (None, block) => block.as_ref().map(|block| Exif::Whole(block)),
        }
    }

    /// The turn from the stored to the shown picture, as an EXIF orientation.
    pub(super) fn orientation(&self) -> u8 {
        self.orientation.unwrap_or(1)
    }
}
