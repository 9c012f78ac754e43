use super::wire::{default_effort, default_quality, is_default, is_default_effort, is_default_quality};
use crate::MediaKind;
use serde::{Deserialize, Serialize};

/// How a picture is fitted into a box; never enlarged beyond its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// Width of the box in pixels.
    pub width: u32,
    /// Height of the box in pixels.
    pub height: u32,
    /// What happens when the shapes differ.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: ResizeMode,
}

/// What happens when picture and box have different shapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResizeMode {
    /// The whole picture within the box.
    #[default]
    Fit,
    /// The box is filled; what sticks out is cropped evenly. A source smaller than the box is
    /// cropped to the shape of the box.
    Fill,
}

impl Resize {
    /// The whole picture within a box.
    pub const fn fit(width: u32, height: u32) -> Self {
        Self { width, height, mode: ResizeMode::Fit }
    }

    /// A box that the picture fills.
    pub const fn fill(width: u32, height: u32) -> Self {
        Self { width, height, mode: ResizeMode::Fill }
    }

    /// As lossy WebP of a quality from 1 to 100.
    pub fn webp(self, quality: u8) -> ImageVariant {
        ImageVariant { format: ImageFormat::Webp, quality, ..ImageVariant::of_size(self) }
    }

    /// As JPEG of a quality from 1 to 100; transparency becomes white.
    pub fn jpeg(self, quality: u8) -> ImageVariant {
        ImageVariant { format: ImageFormat::Jpeg, quality, ..ImageVariant::of_size(self) }
    }
}

/// What pictures are written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImageFormat {
    /// Lossy WebP.
    #[default]
    Webp,
    /// Baseline JPEG.
    Jpeg,
}

/// A picture: upright, in sRGB, without metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ImageVariant {
    /// The box it is fitted into.
    pub resize: Resize,
    /// What it is written as.
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: ImageFormat,
    /// Quality, 1 to 100.
    #[serde(default = "default_quality", skip_serializing_if = "is_default_quality")]
    pub quality: u8,
    /// How hard the encoder tries, 0 to 6; more takes longer and gives smaller files.
    #[serde(default = "default_effort", skip_serializing_if = "is_default_effort")]
    pub effort: u8,
    /// The kinds of media it is made of; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<MediaKind>,
    /// Whether an asset is not `ready` without it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub required: bool,
}

impl ImageVariant {
    fn of_size(resize: Resize) -> Self {
        Self {
            resize,
            format: ImageFormat::default(),
            quality: default_quality(),
            effort: default_effort(),
            of: Vec::new(),
            required: false,
        }
    }

    /// How hard the encoder tries, 0 to 6.
    #[must_use]
    pub fn effort(mut self, effort: u8) -> Self {
        self.effort = effort;
        self
    }

    /// Only of these kinds of media.
    #[must_use]
    pub fn only(mut self, kinds: impl IntoIterator<Item = MediaKind>) -> Self {
        self.of = kinds.into_iter().collect();
        self
    }

    /// An asset is not `ready` without it.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
}
