//! The single-use child: one job over one socket, then gone.

use super::{
    confine,
    wire::{self, Complaint, Finish, HEADER, Reply, Request, Tag},
};
use medianest_core::{
    ByteSource, Error, ErrorKind, Failure, Limits, MediaProcessor, NewPart, PartSink, RenditionInfo, Result,
};
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Bytes that a read fetches at least: decoders like to ask for a few at a time.
const READ_AHEAD: usize = 256 << 10;
/// Bytes that are rather copied than written by themselves.
const SMALL: usize = 4 << 10;
/// Progress is told at most this often.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Does the one job that comes over `socket`.
///
/// # Errors
/// When the server is gone or the process cannot be confined: nothing is decoded then.
pub(super) fn serve<P: MediaProcessor>(socket: UnixStream, processor: &P, base: u64) -> io::Result<()> {
    let mut link = Link { socket, window: Vec::new(), window_start: 0, told: None };
    let (tag, request) = link.receive()?;
    if tag != Tag::Job {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let request: Request = serde_json::from_slice(&request)?;
    confine::confine(&request.limits, base)?;

    let link = Mutex::new(link);
    let work = || perform(&request, processor, &link);
    let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(&*panic)));
    let mut reply = encode(&outcome)?;
    if reply.len() > wire::MAX_ANSWER {
        reply = encode(&Err(Limits::exceeded("max_metadata_bytes", wire::MAX_ANSWER as u64)))?;
    }
    link.into_inner().unwrap_or_else(PoisonError::into_inner).send(Tag::Done, &[&reply])
}

fn perform<P: MediaProcessor>(
    request: &Request,
    processor: &P,
    link: &Mutex<Link>,
) -> Result<Option<medianest_core::Facts>> {
    let source = RemoteSource { link, len: request.source_len };
    match &request.render {
        None => processor.understand(&source, &request.limits).map(Some),
        Some((facts, tasks)) => {
            processor.render(&source, facts, tasks, &request.limits, &mut RemoteSink { link }).map(|()| None)
        }
    }
}

fn encode(outcome: &Result<Option<medianest_core::Facts>>) -> io::Result<Vec<u8>> {
    let reply: Reply = match outcome {
        Ok(facts) => Ok(facts.clone()),
        Err(error) => Err(Complaint::from(error)),
    };
    Ok(serde_json::to_vec(&reply)?)
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or_default();
    Error::media("decoder_crashed", "the decoder panicked").with("panic", said)
}

/// The child's end of the socket. A read fills the window, from which the next ones are served.
struct Link {
    socket: UnixStream,
    window: Vec<u8>,
    window_start: u64,
    told: Option<Instant>,
}

impl Link {
    fn receive_header(&mut self) -> io::Result<(Tag, usize)> {
        let mut header = [0; HEADER];
        self.socket.read_exact(&mut header)?;
        wire::parse_header(header).ok_or(io::ErrorKind::InvalidData.into())
    }

    fn receive(&mut self) -> io::Result<(Tag, Vec<u8>)> {
        let (tag, length) = self.receive_header()?;
        let mut body = vec![0; length];
        self.socket.read_exact(&mut body)?;
        Ok((tag, body))
    }

    fn send(&mut self, tag: Tag, pieces: &[&[u8]]) -> io::Result<()> {
        let mut begin = wire::header(tag, pieces.iter().map(|piece| piece.len()).sum()).to_vec();
        // Each write wakes the other end: small pieces go as one.
        for piece in pieces {
            if piece.len() > SMALL {
                self.socket.write_all(&std::mem::take(&mut begin))?;
                self.socket.write_all(piece)?;
            } else {
                begin.extend_from_slice(piece);
            }
        }
        self.socket.write_all(&begin)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(count) = self.buffered(offset, buffer) {
            return Ok(count);
        }
        let wanted = u32::try_from(buffer.len().clamp(READ_AHEAD, wire::MAX_READ)).unwrap_or(u32::MAX);
        self.send(Tag::Read, &[&offset.to_le_bytes(), &wanted.to_le_bytes()])?;
        let (Tag::Data, length) = self.receive_header()? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        // What fills the buffer anyway is not copied twice.
        if let (true, Some(buffer)) = (buffer.len() >= READ_AHEAD, buffer.get_mut(..length)) {
            self.socket.read_exact(buffer)?;
            return Ok(length);
        }
        self.window.resize(length, 0);
        self.window_start = offset;
        self.socket.read_exact(&mut self.window)?;
        Ok(self.buffered(offset, buffer).unwrap_or(0))
    }

    fn buffered(&self, offset: u64, buffer: &mut [u8]) -> Option<usize> {
        let start = usize::try_from(offset.checked_sub(self.window_start)?).ok()?;
        let there = self.window.get(start..).filter(|there| !there.is_empty())?;
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        Some(count)
    }
}

/// The source, at the other end of the socket.
struct RemoteSource<'a> {
    link: &'a Mutex<Link>,
    len: u64,
}

impl ByteSource for RemoteSource<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.len || buffer.is_empty() {
            return Ok(0);
        }
        self.link.lock().unwrap_or_else(PoisonError::into_inner).read_at(offset, buffer)
    }
}

/// The sink, at the other end of the socket. Once it fails the server is gone or has called the job
/// off, and is about to kill this process.
struct RemoteSink<'a> {
    link: &'a Mutex<Link>,
}

impl RemoteSink<'_> {
    fn with_link(&self, talk: impl FnOnce(&mut Link) -> io::Result<()>) -> Result<()> {
        talk(&mut self.link.lock().unwrap_or_else(PoisonError::into_inner)).map_err(|source| {
            Error::new(ErrorKind::Cancelled, "cancelled", "the server does not answer").caused_by(source)
        })
    }
}

impl PartSink for RemoteSink<'_> {
    fn part(&mut self, task: usize, part: NewPart) -> Result<()> {
        if part.bytes.len() > wire::MAX_PART {
            return Err(Limits::exceeded("max_output_bytes", wire::MAX_PART as u64));
        }
        let task = u32::try_from(task).unwrap_or(u32::MAX);
        self.with_link(|link| {
            let (ordinal, duration) = (part.ordinal.to_le_bytes(), part.duration_us.to_le_bytes());
            link.send(Tag::Part, &[&task.to_le_bytes(), &ordinal, &duration, &part.bytes])?;
            match link.receive()? {
                (Tag::Taken, _) => Ok(()),
                _ => Err(io::ErrorKind::InvalidData.into()),
            }
        })
    }

    fn finish(&mut self, task: usize, outcome: Result<RenditionInfo, Failure>) -> Result<()> {
        self.with_link(|link| link.send(Tag::Finish, &[&serde_json::to_vec(&Finish { task, outcome })?]))
    }

    fn progress(&mut self, done: f32) -> Result<()> {
        self.with_link(|link| {
            if link.told.is_some_and(|told| told.elapsed() < PROGRESS_EVERY) {
                return Ok(());
            }
            link.told = Some(Instant::now());
            link.send(Tag::Progress, &[&done.to_le_bytes()])
        })
    }
}
