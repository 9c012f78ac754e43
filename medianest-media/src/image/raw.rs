//! Pixels as a decoder delivers them.

/// Decoded pixels with 8 bits a channel in their own colour space, as stored: not yet turned.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) layout: Layout,
    /// Rows from the top, without padding.
    pub(super) pixels: Vec<u8>,
    /// What the numbers mean; None for sRGB.
    pub(super) profile: Option<Profile>,
    /// The turn that is still to be done, as an EXIF orientation.
    pub(super) orientation: u8,
    /// Whether part of the picture is missing.
    pub(super) truncated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Gray,
    GrayAlpha,
    Rgb,
    Rgba,
    /// 0 is no ink.
    #[cfg_attr(not(feature = "turbojpeg"), expect(dead_code, reason = "other decoders convert it"))]
    Cmyk,
}

impl Layout {
    pub(super) const fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }
}

/// How a file declares its colours.
#[derive(Debug)]
pub(super) enum Profile {
    /// An ICC profile.
    Icc(Vec<u8>),
    /// Code points of [ITU-T H.273](https://www.itu.int/rec/T-REC-H.273).
    #[cfg_attr(not(feature = "heif"), expect(dead_code, reason = "only HEIF decoders report them"))]
    CodePoints { primaries: u8, transfer: u8 },
}
