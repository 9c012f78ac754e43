use super::{AudioVariant, ImageVariant, VideoVariant, WaveformVariant};
use crate::{Error, Facts, MediaKind, Result};
use serde::{Deserialize, Serialize};

/// One thing to derive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Variant {
    /// A picture: of a photo, of a frame of a video, of the cover of a song.
    Image(ImageVariant),
    /// A rung of the HLS ladder: pictures without sound, as fMP4 parts.
    Video(VideoVariant),
    /// The sound of a video or a song, as fMP4 parts.
    Audio(AudioVariant),
    /// The loudness over time of a song, as JSON.
    Waveform(WaveformVariant),
}

impl Variant {
    /// Whether there is something to make of media with these facts.
    pub fn applies_to(&self, facts: &Facts) -> bool {
        match self {
            Self::Image(image) => {
                (image.of.is_empty() || image.of.contains(&facts.kind))
                    && (facts.kind != MediaKind::Audio || facts.has_cover)
            }
            Self::Video(_) => facts.kind == MediaKind::Video,
            Self::Audio(_) => facts.kind != MediaKind::Image && facts.audio().is_some(),
            Self::Waveform(_) => facts.kind == MediaKind::Audio,
        }
    }

    /// Whether an asset it applies to is not `ready` without it.
    pub fn required(&self) -> bool {
        match self {
            Self::Image(image) => image.required,
            Self::Video(video) => video.required,
            Self::Audio(audio) => audio.required,
            Self::Waveform(_) => false,
        }
    }

    /// Whether making it takes long: decoding and encoding of the whole duration.
    pub fn is_heavy(&self) -> bool {
        matches!(self, Self::Video(_) | Self::Audio(_))
    }

    pub(super) fn lines(&self) -> Option<u32> {
        if let Self::Video(video) = self { Some(video.lines) } else { None }
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |message: &'static str| Err(Error::invalid("invalid_variant", message));
        match self {
            Self::Image(image) => {
                if !(1..=16_384).contains(&image.resize.width) || !(1..=16_384).contains(&image.resize.height)
                {
                    return refuse("width and height are 1 to 16384");
                }
                if !(1..=100).contains(&image.quality) {
                    return refuse("quality is 1 to 100");
                }
                if image.effort > 6 {
                    return refuse("effort is 0 to 6");
                }
            }
            Self::Video(video) => {
                if !(64..=4320).contains(&video.lines) {
                    return refuse("lines is 64 to 4320");
                }
                if video.crf > 51 || !(100..=100_000).contains(&video.max_kbps) {
                    return refuse("crf is 0 to 51 and max_kbps 100 to 100000");
                }
                if !(1..=20).contains(&video.segment_seconds) || !(1..=240).contains(&video.max_frame_rate) {
                    return refuse("segment_seconds is 1 to 20 and max_frame_rate 1 to 240");
                }
            }
            Self::Audio(audio) => {
                if !(16..=512).contains(&audio.kbps) || !(1..=2).contains(&audio.channels) {
                    return refuse("kbps is 16 to 512 and channels 1 or 2");
                }
                if !(1..=20).contains(&audio.segment_seconds) {
                    return refuse("segment_seconds is 1 to 20");
                }
            }
            Self::Waveform(waveform) => {
                if !(10..=20_000).contains(&waveform.points) {
                    return refuse("points is 10 to 20000");
                }
            }
        }
        Ok(())
    }
}
