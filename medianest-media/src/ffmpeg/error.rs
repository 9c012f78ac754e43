//! FFmpeg's error numbers as our errors.

use ffmpeg_next::{Error as Ffmpeg, util::error::ENOMEM};
use medianest_core::{Error, ErrorKind, Limits};
use std::time::{Duration, Instant};

/// The error of media that FFmpeg gave up on while doing `what`.
pub(super) fn media(error: Ffmpeg, what: &'static str) -> Error {
    let (code, message) = match error {
        Ffmpeg::DecoderNotFound => ("unsupported_codec", "there is no decoder for this codec"),
        Ffmpeg::PatchWelcome => ("unsupported_codec", "the codec is used in a way that is not supported"),
        Ffmpeg::Eof => ("truncated", "the file ends too early"),
        Ffmpeg::Exit => ("timed_out", "the media took longer than the deadline"),
        Ffmpeg::Other { errno: ENOMEM } => ("limit_exceeded", "the media needs more memory than there is"),
        _ => ("corrupt", "the media is damaged"),
    };
    Error::media(code, message).with("step", what).caused_by(error)
}

/// The error of FFmpeg itself (a filter, an encoder, a muxer), which is not the media's fault.
pub(super) fn internal(error: Ffmpeg, what: &'static str) -> Error {
    if matches!(error, Ffmpeg::Other { errno: ENOMEM }) {
        return media(error, what);
    }
    Error::internal("the video library failed").with("step", what).caused_by(error)
}

/// When the work has to be over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Option<Instant>,
    after: Duration,
}

impl Deadline {
    /// A deadline from now on.
    pub(super) fn of(limits: &Limits) -> Self {
        Self { at: Instant::now().checked_add(limits.deadline()), after: limits.deadline() }
    }

    /// Whether it has passed.
    pub(super) fn is_over(&self) -> bool {
        self.at.is_some_and(|at| Instant::now() >= at)
    }

    /// Fails with `timed_out` when it has passed.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.is_over() {
            return Err(Error::media("timed_out", "the media took longer than the deadline")
                .with("deadline_seconds", self.after.as_secs()));
        }
        Ok(())
    }
}

/// The error of a source that cannot be read.
pub(super) fn unreadable(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "source_unreadable", "the bytes of the media cannot be read")
        .caused_by(cause)
}
