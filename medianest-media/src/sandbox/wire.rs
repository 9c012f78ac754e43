//! What server, zygote and child say to each other.
//!
//! A frame is `{tag: u8, length: u32 little-endian}` and so many bytes. The child is hostile: each
//! frame that it sends has a bound, checked before anything is allocated for it.

use super::Measures;
use medianest_core::{Error, ErrorKind, Facts, Failure, Limits, RenderTask, RenditionInfo, Result};
use serde::{Deserialize, Serialize};

/// Bytes of a frame's header.
pub(super) const HEADER: usize = 5;
/// Bytes that one read asks for at most.
pub(super) const MAX_READ: usize = 1 << 20;
/// Bytes of one part at most.
pub(super) const MAX_PART: usize = 64 << 20;
/// Bytes of an answer at most.
pub(super) const MAX_ANSWER: usize = 4 << 20;
/// Bytes before a part's own: task, ordinal, duration.
pub(super) const PART_HEAD: usize = 16;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    /// To the child, once: a [`Request`].
    Job = 1,
    /// To the child: the bytes of a read, none at the end of the source.
    Data = 2,
    /// To the child: a part was taken.
    Taken = 3,
    /// To the server: `offset: u64, length: u32`.
    Read = 4,
    /// To the server: `task: u32, ordinal: u32, duration_us: u64`, bytes.
    Part = 5,
    /// To the server: a [`Finish`].
    Finish = 6,
    /// To the server: `done: f32`.
    Progress = 7,
    /// To the server, at the end: a [`Reply`].
    Done = 8,
}

impl Tag {
    fn parse(byte: u8) -> Option<Self> {
        [Self::Job, Self::Data, Self::Taken, Self::Read, Self::Part, Self::Finish, Self::Progress, Self::Done]
            .into_iter()
            .find(|tag| *tag as u8 == byte)
    }

    /// The lengths that a frame of this kind may have when a child sends it; None when it may not.
    fn bounds_from_child(self) -> Option<std::ops::RangeInclusive<usize>> {
        match self {
            Self::Job | Self::Data | Self::Taken => None,
            Self::Read => Some(12..=12),
            Self::Part => Some(PART_HEAD + 1..=PART_HEAD + MAX_PART),
            Self::Finish => Some(2..=64 << 10),
            Self::Progress => Some(4..=4),
            Self::Done => Some(2..=MAX_ANSWER),
        }
    }
}

/// The header of a frame.
pub(super) fn header(tag: Tag, length: usize) -> [u8; HEADER] {
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    [tag as u8, length[0], length[1], length[2], length[3]]
}

/// Reads a header that comes from the server, which is trusted.
pub(super) fn parse_header(header: [u8; HEADER]) -> Option<(Tag, usize)> {
    let [tag, length @ ..] = header;
    Some((Tag::parse(tag)?, usize::try_from(u32::from_le_bytes(length)).ok()?))
}

/// Reads a header that comes from a child, which is not; None when it breaks a bound.
pub(super) fn parse_header_from_child(header: [u8; HEADER]) -> Option<(Tag, usize)> {
    let (tag, length) = parse_header(header)?;
    tag.bounds_from_child()?.contains(&length).then_some((tag, length))
}

/// Splits a little-endian number off; None when there are too few bytes.
pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (number, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*number)
}

/// First message of a zygote.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// Of this crate: a helper of another version may speak otherwise.
    pub(super) version: String,
    /// What held when it was tried on a first child, or what failed.
    pub(super) measures: Result<Measures, String>,
}

/// What a zygote says of one child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// It runs; its pidfd comes with this message.
    Started,
    /// It could not be made.
    Refused(String),
    /// It ended by itself with this status.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
}

/// The work for one child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) source_len: u64,
    pub(super) limits: Limits,
    /// None to understand.
    pub(super) render: Option<(Facts, Vec<RenderTask>)>,
}

/// A task is complete, or has failed alone.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Finish {
    pub(super) task: usize,
    pub(super) outcome: Result<RenditionInfo, Failure>,
}

/// How it ended: the facts when they were asked for.
pub(super) type Reply = Result<Option<Facts>, Complaint>;

/// An [`Error`] on its way out of the child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Complaint {
    pub(super) kind: ErrorKind,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) detail: String,
}

impl From<&Error> for Complaint {
    fn from(error: &Error) -> Self {
        let mut detail: Vec<String> = error.context().map(|(key, value)| format!("{key}: {value}")).collect();
        if let Some(source) = std::error::Error::source(error) {
            detail.push(source.to_string());
        }
        Self {
            kind: error.kind(),
            code: error.code().to_owned(),
            message: error.message().to_owned(),
            detail: detail.join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_header_of_a_child_passes_its_bound(bytes: [u8; HEADER]) {
            if let Some((tag, length)) = parse_header_from_child(bytes) {
                prop_assert!(length <= PART_HEAD + MAX_PART);
                prop_assert!(!matches!(tag, Tag::Job | Tag::Data | Tag::Taken));
                prop_assert_eq!(header(tag, length), bytes);
            }
        }
    }
}
