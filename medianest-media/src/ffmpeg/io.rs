//! A [`ByteSource`] as the stream that FFmpeg reads.

use super::error::Deadline;
use medianest_core::ByteSource;
use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::{Arc, Mutex, PoisonError},
};

/// What a reader leaves behind for whoever asks why FFmpeg gave up: its own numbers lose the cause.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<io::Error>>>);

impl Trouble {
    fn keep(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        kind.into()
    }

    /// The first error of the source, if there was one.
    pub(super) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Reads a source from beginning to end, or from anywhere; gives up when the deadline has passed.
pub(super) struct Reader<'a> {
    source: &'a dyn ByteSource,
    position: u64,
    deadline: Deadline,
    trouble: Trouble,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a dyn ByteSource, deadline: Deadline, trouble: Trouble) -> Self {
        Self { source, position: 0, deadline, trouble }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.deadline.is_over() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        loop {
            match self.source.read_at(self.position, buffer) {
                Ok(count) => {
                    let count = count.min(buffer.len());
                    self.position += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.trouble.keep(error)),
            }
        }
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.source.len().checked_add_signed(by),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medianest_core::Limits;

    struct Broken;

    impl ByteSource for Broken {
        fn len(&self) -> u64 {
            10
        }

        fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the cable is out"))
        }
    }

    #[test]
    fn reads_and_seeks() {
        let bytes = bytes::Bytes::from_static(b"0123456789");
        let mut reader = Reader::new(&bytes, Deadline::of(&Limits::default()), Trouble::default());
        let mut buffer = [0; 4];
        assert_eq!(reader.seek(SeekFrom::End(-3)).unwrap(), 7);
        assert_eq!(reader.read(&mut buffer).unwrap(), 3);
        assert_eq!(&buffer[..3], b"789");
        assert_eq!(reader.read(&mut buffer).unwrap(), 0);
        assert!(reader.seek(SeekFrom::Current(-11)).is_err());
    }

    #[test]
    fn keeps_the_cause() {
        let trouble = Trouble::default();
        let mut reader = Reader::new(&Broken, Deadline::of(&Limits::default()), trouble.clone());
        assert!(reader.read(&mut [0; 4]).is_err());
        assert_eq!(trouble.take().unwrap().to_string(), "the cable is out");
    }
}
