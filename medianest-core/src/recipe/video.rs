use super::wire::{
    default_crf, default_max_frame_rate, default_segment_seconds, is_default, is_default_crf,
    is_default_max_frame_rate, is_default_segment_seconds, is_true,
};
use serde::{Deserialize, Serialize};

/// A rung of an HLS ladder: H.264 without sound, fMP4 segments, square pixels, upright, 8-bit 4:2:0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct VideoVariant {
    /// The shorter side in pixels at most (720 for "720p", also of a portrait); never enlarged.
    pub lines: u32,
    /// Constant rate factor of x264; lower is better and larger.
    #[serde(skip_serializing_if = "is_default_crf")]
    pub crf: u8,
    /// Cap of the bit rate in kbit/s.
    pub max_kbps: u32,
    /// Frames per second at most; above, frames are dropped evenly.
    #[serde(skip_serializing_if = "is_default_max_frame_rate")]
    pub max_frame_rate: u32,
    /// Target length of a segment in seconds; all rungs of an asset should agree.
    #[serde(skip_serializing_if = "is_default_segment_seconds")]
    pub segment_seconds: u32,
    /// Speed of x264.
    #[serde(skip_serializing_if = "is_default")]
    pub preset: VideoPreset,
    /// Whether an asset is not `ready` without it.
    #[serde(skip_serializing_if = "is_true")]
    pub required: bool,
}

/// Speed of x264: faster means larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are x264's own")]
pub enum VideoPreset {
    Ultrafast,
    Superfast,
    #[default]
    Veryfast,
    Faster,
    Fast,
    Medium,
}

impl VideoPreset {
    /// The name as x264 knows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ultrafast => "ultrafast",
            Self::Superfast => "superfast",
            Self::Veryfast => "veryfast",
            Self::Faster => "faster",
            Self::Fast => "fast",
            Self::Medium => "medium",
        }
    }
}

impl Default for VideoVariant {
    fn default() -> Self {
        Self {
            lines: 720,
            crf: default_crf(),
            max_kbps: 3_500,
            max_frame_rate: default_max_frame_rate(),
            segment_seconds: default_segment_seconds(),
            preset: VideoPreset::default(),
            required: true,
        }
    }
}

impl VideoVariant {
    /// A rung of so many lines, with a fitting cap of the bit rate.
    pub fn h264(lines: u32) -> Self {
        let max_kbps = match lines {
            ..=360 => 900,
            361..=480 => 1_600,
            481..=720 => 3_500,
            721..=1080 => 6_500,
            1081..=1440 => 12_000,
            _ => 25_000,
        };
        Self { lines, max_kbps, ..Self::default() }
    }
}
