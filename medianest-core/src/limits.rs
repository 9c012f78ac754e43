//! Finite limits for media that nobody trusts.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a processor may spend on one piece of media. What cannot honour a limit must fail.
///
/// Breaking a limit is an error of kind [`Media`](crate::ErrorKind::Media) with the code
/// `limit_exceeded`, whose context names the limit by the field names below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Pixels of one frame, width × height, as declared in the header: checked before decoding.
    pub max_pixels: u64,
    /// Either side of one frame, in pixels.
    pub max_side: u32,
    /// Memory of one job, in bytes; in a sandbox, the child's address space.
    pub max_memory: u64,
    /// Frames of an animation that are looked at; the rest is left out.
    pub max_frames: u32,
    /// Streams of a container.
    pub max_streams: u32,
    /// Seconds of media that are decoded; what is declared does not count.
    pub max_decoded_seconds: u64,
    /// Wall-clock seconds for one job; in a sandbox the child is killed when they are over.
    pub deadline_seconds: u64,
    /// Bytes of metadata (EXIF, XMP, tags, covers) that are read.
    pub max_metadata_bytes: u64,
    /// Bytes that all parts of one job may have.
    pub max_output_bytes: u64,
}

impl Default for Limits {
    /// Fits a 100 MP photo and a three-hour film.
    fn default() -> Self {
        Self {
            max_pixels: 100_000_000,
            max_side: 30_000,
            max_memory: 2 << 30,
            max_frames: 1_000,
            max_streams: 64,
            max_decoded_seconds: 6 * 3600,
            deadline_seconds: 4 * 3600,
            max_metadata_bytes: 16 << 20,
            max_output_bytes: 64 << 30,
        }
    }
}

impl Limits {
    /// The wall-clock deadline.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds)
    }

    /// Refuses a frame of this size before anything is allocated for it.
    ///
    /// # Errors
    /// `limit_exceeded` when a side or the product is over the limit; `corrupt` when a side is zero.
    pub fn check_frame(&self, width: u32, height: u32) -> crate::Result<()> {
        if width == 0 || height == 0 {
            return Err(Error::media("corrupt", "the image has no pixels"));
        }
        if width > self.max_side || height > self.max_side {
            return Err(Self::exceeded("max_side", u64::from(self.max_side))
                .with("size", format!("{width}x{height}")));
        }
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(
                Self::exceeded("max_pixels", self.max_pixels).with("size", format!("{width}x{height}"))
            );
        }
        Ok(())
    }

    /// The error for a limit, named by its field, that was broken.
    pub fn exceeded(limit: &'static str, value: u64) -> Error {
        Error::media("limit_exceeded", format!("the media is over the limit {limit} of {value}"))
    }
}
