//! One job, seen from the server: serves the child's reads, takes its parts, believes nothing.

use super::{
    checks,
    launch::{Child, End, Zygote},
    wire::{self, Finish, HEADER, PART_HEAD, Reply, Report, Request, Tag},
};
use medianest_core::{ByteSource, Error, ErrorKind, Facts, Limits, NewPart, PartSink, Result, bytes::Bytes};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send},
};
use std::time::{Duration, Instant};

/// The sink is asked this often whether the work is still wanted.
const TICK: Duration = Duration::from_millis(250);
/// Bytes of the child's last words that are kept.
const LAST_WORDS: usize = 4 << 10;
/// Parts of one job at most; a week of six-second segments.
const MAX_PARTS: u32 = 100_000;

/// Has `child` do `request` and returns its facts, if these were asked for.
pub(super) fn supervise(
    zygote: &Zygote,
    child: Child,
    request: &Request,
    deadline: Duration,
    source: &dyn ByteSource,
    sink: &mut dyn PartSink,
) -> Result<Option<Facts>> {
    let tasks = request.render.as_ref().map_or(0, |(_, tasks)| tasks.len());
    let now = Instant::now();
    let mut job = Job {
        child,
        request,
        sink,
        deadline: now.checked_add(deadline),
        asked: now,
        done: 0.0,
        last_words: Vec::new(),
        read: Vec::new(),
        tasks: vec![Progress::Parts(None); tasks],
        parts: 0,
        bytes: 0,
    };
    job.converse(source).unwrap_or_else(|stop| Err(job.explain(stop, zygote, deadline)))
}

struct Job<'a> {
    child: Child,
    request: &'a Request,
    sink: &'a mut dyn PartSink,
    /// None when it is too far away for the clock.
    deadline: Option<Instant>,
    /// When the sink was last asked whether the work is still wanted.
    asked: Instant,
    done: f32,
    last_words: Vec<u8>,
    /// Room for what the child reads.
    read: Vec<u8>,
    tasks: Vec<Progress>,
    parts: u32,
    bytes: u64,
}

/// How far a task is.
#[derive(Clone, Copy, PartialEq)]
enum Progress {
    /// The ordinal of the last part that came.
    Parts(Option<u32>),
    Finished,
}

/// Why a conversation ended early.
enum Stop {
    /// The child closed its end.
    HungUp,
    Deadline,
    /// The child broke a rule.
    Lied(&'static str),
    /// Not the child's fault.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Job<'_> {
    fn converse(&mut self, source: &dyn ByteSource) -> Result<Result<Option<Facts>>, Stop> {
        let request = serde_json::to_vec(self.request)
            .map_err(|error| Error::internal("the request cannot be written").caused_by(error))?;
        self.send(Tag::Job, &request)?;
        loop {
            let (tag, body) = self.receive()?;
            match tag {
                Tag::Read => self.serve_read(&body, source)?,
                Tag::Part => self.take_part(body)?,
                Tag::Finish => self.take_finish(&body)?,
                Tag::Progress => {
                    let done = f32::from_le_bytes(body.try_into().map_err(|_| Stop::Lied("progress"))?);
                    self.done = if done.is_finite() { done.clamp(0.0, 1.0) } else { self.done };
                    self.sink.progress(self.done)?;
                }
                Tag::Done => return self.take_reply(&body),
                Tag::Job | Tag::Data | Tag::Taken => return Err(Stop::Lied("direction")),
            }
        }
    }

    fn serve_read(&mut self, body: &[u8], source: &dyn ByteSource) -> Result<(), Stop> {
        let mut body = body;
        let (offset, length) = wire::take(&mut body)
            .zip(wire::take(&mut body))
            .map(|(offset, length)| (u64::from_le_bytes(offset), u32::from_le_bytes(length) as usize))
            .filter(|(_, length)| *length <= wire::MAX_READ)
            .ok_or(Stop::Lied("read"))?;
        let mut bytes = std::mem::take(&mut self.read);
        bytes.resize(length.max(bytes.len()), 0);
        let count = source.read_at(offset, &mut bytes[..length]).map_err(|error| {
            Error::unavailable("source_unreadable", "the bytes of the media cannot be read")
                .with("offset", offset)
                .caused_by(error)
        })?;
        self.send(Tag::Data, &bytes[..count.min(length)])?;
        self.read = bytes;
        Ok(())
    }

    fn take_part(&mut self, body: Vec<u8>) -> Result<(), Stop> {
        let mut head = &body[..];
        let lied = || Stop::Lied("part");
        let task = u32::from_le_bytes(wire::take(&mut head).ok_or_else(lied)?) as usize;
        let ordinal = u32::from_le_bytes(wire::take(&mut head).ok_or_else(lied)?);
        let duration_us = u64::from_le_bytes(wire::take(&mut head).ok_or_else(lied)?);
        match self.tasks.get_mut(task) {
            Some(Progress::Parts(last)) if last.is_none_or(|last| last < ordinal) => *last = Some(ordinal),
            _ => return Err(Stop::Lied("the order of parts")),
        }
        self.parts += 1;
        self.bytes += (body.len() - PART_HEAD) as u64;
        let limit = self.request.limits.max_output_bytes;
        if self.bytes > limit {
            return Err(Limits::exceeded("max_output_bytes", limit).into());
        }
        if self.parts > MAX_PARTS {
            return Err(Stop::Lied("the number of parts"));
        }
        let bytes = Bytes::from(body).slice(PART_HEAD..);
        self.sink.part(task, NewPart { ordinal, duration_us, bytes })?;
        self.send(Tag::Taken, &[])
    }

    fn take_finish(&mut self, body: &[u8]) -> Result<(), Stop> {
        let Finish { task, outcome } = serde_json::from_slice(body).map_err(|_| Stop::Lied("finish"))?;
        match self.tasks.get_mut(task) {
            Some(progress @ Progress::Parts(_)) => *progress = Progress::Finished,
            _ => return Err(Stop::Lied("finish of a task that is not open")),
        }
        let asked = self.request.render.as_ref().and_then(|(_, tasks)| tasks.get(task));
        let outcome = match outcome {
            Ok(info) if asked.is_some_and(|asked| checks::rendition(&info, &asked.variant)) => Ok(info),
            Ok(_) => return Err(Stop::Lied("the type of a rendition")),
            Err(failure) => Err(checks::failure(failure)),
        };
        Ok(self.sink.finish(task, outcome)?)
    }

    fn take_reply(&mut self, body: &[u8]) -> Result<Result<Option<Facts>>, Stop> {
        let reply: Reply = serde_json::from_slice(body).map_err(|_| Stop::Lied("reply"))?;
        match reply {
            Err(complaint) => Ok(Err(checks::complaint(complaint))),
            Ok(_) if self.tasks.iter().any(|task| *task != Progress::Finished) => {
                Err(Stop::Lied("done with unfinished tasks"))
            }
            Ok(facts) if facts.is_some() != self.request.render.is_none() => Err(Stop::Lied("answer")),
            Ok(Some(facts)) if !checks::facts(&facts, &self.request.limits) => Err(Stop::Lied("facts")),
            Ok(facts) => Ok(Ok(facts)),
        }
    }

    fn explain(&mut self, stop: Stop, zygote: &Zygote, deadline: Duration) -> Error {
        let crashed = |message| Error::media("decoder_crashed", message);
        match stop {
            Stop::Failed(error) => error,
            Stop::Deadline => Error::media("timed_out", "the media took too long to process")
                .with("deadline_seconds", deadline.as_secs()),
            Stop::Lied(rule) => crashed("the decoder broke the rules of its sandbox").with("rule", rule),
            Stop::HungUp => {
                let ended = self.child.end();
                self.listen();
                let said = String::from_utf8_lossy(&self.last_words);
                let out_of_memory =
                    ["memory allocation of", "std::bad_alloc"].iter().any(|words| said.contains(words));
                let last_line = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
                let error = match ended {
                    End::Unknown => return zygote.gone(),
                    End::Ours => crashed("the decoder hung up and did not end"),
                    End::Own(Report::Killed(libc::SIGXCPU)) => {
                        Error::media("timed_out", "the media took too much computing to process")
                    }
                    End::Own(Report::Killed(libc::SIGKILL)) => Error::new(
                        ErrorKind::Internal,
                        "decoder_killed",
                        "the system killed the decoder, perhaps because memory ran out",
                    ),
                    End::Own(_) if out_of_memory => {
                        Limits::exceeded("max_memory", self.request.limits.max_memory)
                    }
                    End::Own(Report::Killed(signal)) => {
                        crashed("the decoder crashed").with("signal", signal_name(signal))
                    }
                    End::Own(Report::Exited(status)) => {
                        crashed("the decoder gave up").with("exit_status", status)
                    }
                    End::Own(Report::Started | Report::Refused(_)) => crashed("the decoder crashed"),
                };
                if last_line.is_empty() { error } else { error.with("said", checks::printable(last_line)) }
            }
        }
    }

    fn receive(&mut self) -> Result<(Tag, Vec<u8>), Stop> {
        let mut header = [0; HEADER];
        self.fill(&mut header)?;
        let (tag, length) = wire::parse_header_from_child(header).ok_or(Stop::Lied("frame"))?;
        let mut body = vec![0; length];
        self.fill(&mut body)?;
        Ok((tag, body))
    }

    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), Stop> {
        while !buffer.is_empty() {
            self.wait_for(PollFlags::IN)?;
            match recv(&self.child.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((_, 0)) => return Err(Stop::HungUp),
                Ok((_, count)) => buffer = &mut buffer[count..],
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return Err(Stop::HungUp),
            }
        }
        Ok(())
    }

    fn send(&mut self, tag: Tag, body: &[u8]) -> Result<(), Stop> {
        self.flush(&wire::header(tag, body.len()))?;
        self.flush(body)
    }

    fn flush(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        while !bytes.is_empty() {
            self.wait_for(PollFlags::OUT)?;
            match send(&self.child.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return Err(Stop::HungUp),
            }
        }
        Ok(())
    }

    /// Waits until the child's socket is ready, but not past the deadline, nor when the work was
    /// called off.
    fn wait_for(&mut self, readiness: PollFlags) -> Result<(), Stop> {
        loop {
            let left = match self.deadline {
                Some(deadline) => deadline.checked_duration_since(Instant::now()).ok_or(Stop::Deadline)?,
                None => TICK,
            };
            if self.asked.elapsed() >= TICK {
                self.asked = Instant::now();
                self.sink.progress(self.done)?;
                self.listen();
            }
            let pause = left.min(TICK);
            let pause = Timespec { tv_sec: 0, tv_nsec: pause.subsec_nanos().into() };
            let mut sockets = [PollFd::new(&self.child.socket, readiness)];
            match poll(&mut sockets, Some(&pause)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => {
                    return Err(Error::internal("the sandbox cannot be waited for").caused_by(error).into());
                }
            }
        }
    }

    /// Takes what the child wrote to its standard error, and keeps the end of it.
    fn listen(&mut self) {
        let mut heard = [0; LAST_WORDS];
        // As much as the pipe holds at once, so that a child that never stops cannot hold us here.
        for _ in 0..16 {
            match rustix::io::read(&self.child.stderr, &mut heard) {
                Ok(count) if count > 0 => self.last_words.extend_from_slice(&heard[..count]),
                _ => break,
            }
            let excess = self.last_words.len().saturating_sub(LAST_WORDS);
            self.last_words.drain(..excess);
        }
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGSYS => "SIGSYS",
        libc::SIGTRAP => "SIGTRAP",
        _ => return format!("signal {signal}"),
    };
    String::from(name)
}
