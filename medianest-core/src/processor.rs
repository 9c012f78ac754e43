//! The seam to decoders: blocking, and told apart from everything else.

use crate::{Facts, Failure, Limits, MediaType, RenditionId, RenditionInfo, Result, Variant, VariantName};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{fmt, io};

/// Bytes that can be read from anywhere: a blob, a file, memory.
pub trait ByteSource: Send + Sync {
    /// How many bytes there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads from `offset` on into `buffer` and returns how many bytes came: 0 only at the end.
    ///
    /// # Errors
    /// When the bytes cannot be read; the processor gives up with `source_unreadable`.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

impl ByteSource for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(<[u8]>::len(self));
        let count = buffer.len().min(<[u8]>::len(self) - start);
        buffer[..count].copy_from_slice(&self[start..start + count]);
        Ok(count)
    }
}

impl ByteSource for Bytes {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        ByteSource::read_at(&self[..], offset, buffer)
    }
}

/// Understands and renders media. Blocking; the engine runs it on a pool of its own.
///
/// Nothing that a file contains may make an implementation panic, read another file or open a
/// connection. Failures of the media itself are errors of kind [`Media`](crate::ErrorKind::Media)
/// with one of these codes: `unsupported_media_type`, `unsupported_codec`, `corrupt`, `truncated`,
/// `limit_exceeded`, `decoder_crashed`, `timed_out`, `dangerous_content`. `Cancelled` when the sink
/// says so, `source_unreadable` (kind `Unavailable`) when the bytes cannot be read, `decoder_killed` (kind
/// `Internal`) when the system ended the process that decodes: another attempt may succeed.
///
/// A task may fail alone with any of the codes of media, with `encoder_missing` when the build cannot
/// write what is asked for, or with `internal`.
///
/// Failures of the media are final, except for `decoder_crashed`: the engine tries again, and quarantines
/// what crashes too often.
pub trait MediaProcessor: fmt::Debug + Send + Sync + 'static {
    /// What the first bytes show (4096 are enough); None when it is no type we process. Cheap: looks
    /// at magic bytes and never decodes.
    fn sniff(&self, head: &[u8]) -> Option<MediaType>;

    /// Reads what the file says of itself.
    ///
    /// # Errors
    /// See the trait.
    fn understand(&self, source: &dyn ByteSource, limits: &Limits) -> Result<Facts>;

    /// Makes all of `tasks` with one decode where that is possible, writing parts to `sink` and
    /// calling [`PartSink::finish`] once for each task, in any order. Tasks whose kind does not fit
    /// the media fail alone.
    ///
    /// # Errors
    /// See the trait; an error means that the tasks not yet finished failed with it.
    fn render(
        &self,
        source: &dyn ByteSource,
        facts: &Facts,
        tasks: &[RenderTask],
        limits: &Limits,
        sink: &mut dyn PartSink,
    ) -> Result<()>;

    /// What renders this variant and at which revision (`"image/1"`): part of the fingerprint, raised
    /// only when the output should be made anew.
    fn renderer(&self, variant: &Variant) -> String;
}

/// One rendition to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderTask {
    /// Its rendition.
    pub rendition: RenditionId,
    /// The variant's name, for messages.
    pub name: VariantName,
    /// What to make.
    pub variant: Variant,
    /// Parts of it with a lower ordinal are stored already, from an attempt that was interrupted, and
    /// need not be written again. Rendering is deterministic in where parts begin.
    pub first_part: u32,
}

/// Where a processor puts what it makes.
pub trait PartSink: Send {
    /// Takes the part of this `ordinal` of the task with this index; parts of a task come in order.
    /// Returns when the sink has room for more.
    ///
    /// # Errors
    /// When it cannot be stored, or the work was called off: the processor stops at once and passes
    /// the error on.
    fn part(&mut self, task: usize, part: NewPart) -> Result<()>;

    /// The task with this index is complete, or has failed alone.
    ///
    /// # Errors
    /// As [`part`](Self::part).
    fn finish(&mut self, task: usize, outcome: Result<RenditionInfo, Failure>) -> Result<()>;

    /// How much of the work is done, 0 to 1. Called at least every second or so while decoding.
    ///
    /// # Errors
    /// `Cancelled` when the work was called off.
    fn progress(&mut self, done: f32) -> Result<()>;
}

/// A part on its way to the store. Held in memory: processors keep parts to some megabytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPart {
    /// Place in the rendition, from 0.
    pub ordinal: u32,
    /// Playing time in microseconds; 0 for an init part, a picture and the like.
    pub duration_us: u64,
    /// The bytes.
    pub bytes: Bytes,
}
