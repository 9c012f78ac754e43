use super::wire::{
    default_channels, default_kbps, default_segment_seconds, is_default_channels, is_default_kbps,
    is_default_segment_seconds, is_true,
};
use serde::{Deserialize, Serialize};

/// The sound of a video or a song: AAC-LC at 48 kHz, fMP4 segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AudioVariant {
    /// Bit rate in kbit/s.
    #[serde(skip_serializing_if = "is_default_kbps")]
    pub kbps: u32,
    /// Channels at most; more are mixed down.
    #[serde(skip_serializing_if = "is_default_channels")]
    pub channels: u8,
    /// Target length of a segment in seconds.
    #[serde(skip_serializing_if = "is_default_segment_seconds")]
    pub segment_seconds: u32,
    /// Whether an asset is not `ready` without it.
    #[serde(skip_serializing_if = "is_true")]
    pub required: bool,
}

impl Default for AudioVariant {
    fn default() -> Self {
        Self {
            kbps: default_kbps(),
            channels: default_channels(),
            segment_seconds: default_segment_seconds(),
            required: true,
        }
    }
}

/// The loudness over time: `{"version":1,"channels":1,"sample_rate":…,"points":[[min,max],…]}` with
/// values from -128 to 127.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WaveformVariant {
    /// Points over the whole duration.
    pub points: u32,
}

impl Default for WaveformVariant {
    fn default() -> Self {
        Self { points: 1_000 }
    }
}
