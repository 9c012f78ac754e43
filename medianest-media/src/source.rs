//! A [`ByteSource`] as a stream.

use medianest_core::{ByteSource, Error, ErrorKind, Limits, Result};
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// Reads a source from a position on.
pub(crate) struct SourceReader<'a> {
    source: &'a dyn ByteSource,
    position: u64,
}

impl<'a> SourceReader<'a> {
    pub(crate) fn new(source: &'a dyn ByteSource) -> Self {
        Self { source, position: 0 }
    }

    /// With a buffer that makes few reads of what header parsers read in tiny steps.
    pub(crate) fn buffered(source: &'a dyn ByteSource) -> BufReader<Self> {
        BufReader::with_capacity(64 << 10, Self::new(source))
    }
}

impl Read for SourceReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read_at(self.position, buffer).map_err(Unreadable::wrap)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for SourceReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(delta) => self.source.len().checked_add_signed(delta),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

/// A part of a source that is a file of its own.
#[cfg(feature = "image")]
pub(crate) struct Window<'a> {
    source: &'a dyn ByteSource,
    offset: u64,
    length: u64,
}

#[cfg(feature = "image")]
impl<'a> Window<'a> {
    /// As much of it as there is.
    pub(crate) fn new(source: &'a dyn ByteSource, offset: u64, length: u64) -> Self {
        Self { source, offset, length: length.min(source.len().saturating_sub(offset)) }
    }
}

#[cfg(feature = "image")]
impl ByteSource for Window<'_> {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        self.source.read_at(self.offset + offset.min(self.length), &mut buffer[..most])
    }
}

/// Marks a failure of the source, so that it is told from a failure of the media on the way back
/// through a decoder.
#[derive(Debug)]
struct Unreadable(io::Error);

impl Unreadable {
    fn wrap(error: io::Error) -> io::Error {
        io::Error::new(error.kind(), Self(error))
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the source cannot be read")
    }
}

impl std::error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// What an I/O error from a parser or decoder means: the source is away, the media ends too early,
/// or it is damaged.
#[cfg(feature = "image")]
pub(crate) fn io_error(error: io::Error) -> Error {
    if is_unreadable(&error) {
        unreadable(error)
    } else if error.kind() == io::ErrorKind::UnexpectedEof {
        truncated().caused_by(error)
    } else {
        corrupt("the media is damaged").caused_by(error)
    }
}

/// Whether a source that cannot be read is at the root of a decoder's error.
pub(crate) fn is_unreadable(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<Unreadable>()
        || io.is_some_and(|inner| inner.is::<Unreadable>())
        || error.source().is_some_and(is_unreadable)
}

pub(crate) fn unreadable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unavailable("source_unreadable", "the bytes cannot be read").caused_by(cause)
}

#[cfg(feature = "image")]
pub(crate) fn truncated() -> Error {
    Error::media("truncated", "the media ends too early")
}

pub(crate) fn corrupt(message: &'static str) -> Error {
    Error::media("corrupt", message)
}

pub(crate) fn unsupported(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::media("unsupported_codec", message)
}

/// Whether reading is to be given up instead of making do with what is there.
#[cfg(feature = "image")]
pub(crate) fn is_fatal(error: &Error) -> bool {
    error.kind() != ErrorKind::Media
}

/// All bytes of a source that a decoder needs in memory, when they take at most a quarter of what the
/// job may use.
#[cfg(feature = "image")]
pub(crate) fn read_all(source: &dyn ByteSource, limits: &Limits) -> Result<Vec<u8>> {
    if source.len() > limits.max_memory / 4 {
        return Err(Limits::exceeded("max_memory", limits.max_memory).with("bytes", source.len()));
    }
    read_up_to(source, 0, source.len())
}

/// Bytes from `offset` on: `count`, or fewer where the source ends.
#[cfg(feature = "image")]
pub(crate) fn read_up_to(source: &dyn ByteSource, offset: u64, count: u64) -> Result<Vec<u8>> {
    let count = count.min(source.len().saturating_sub(offset));
    let mut bytes = vec![0; usize::try_from(count).map_err(|_| truncated())?];
    let mut filled = 0;
    while filled < bytes.len() {
        match source.read_at(offset + filled as u64, &mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count.min(bytes.len() - filled),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io_error(Unreadable::wrap(error))),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
