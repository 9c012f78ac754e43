//! The sink of a rendering, with its limits.

use super::error::Deadline;
use medianest_core::{Error, Failure, Limits, NewPart, PartSink, RenditionInfo, Result};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(250);

/// Hands parts on, counts their bytes, and knows which errors end everything.
pub(super) struct Parts<'a> {
    sink: &'a mut dyn PartSink,
    limit: u64,
    written: u64,
    deadline: Deadline,
    reported: Instant,
    done: f32,
    refused: bool,
}

impl<'a> Parts<'a> {
    pub(super) fn new(sink: &'a mut dyn PartSink, limits: &Limits, deadline: Deadline) -> Self {
        Self {
            sink,
            limit: limits.max_output_bytes,
            written: 0,
            deadline,
            reported: Instant::now(),
            done: 0.0,
            refused: false,
        }
    }

    /// Writes a part.
    pub(super) fn put(&mut self, task: usize, ordinal: u32, duration_us: u64, bytes: Vec<u8>) -> Result<()> {
        self.written += bytes.len() as u64;
        if self.written > self.limit {
            return Err(Limits::exceeded("max_output_bytes", self.limit));
        }
        let part = NewPart { ordinal, duration_us, bytes: bytes.into() };
        let answer = self.sink.part(task, part);
        self.note(answer)
    }

    /// Says that a task is complete, or has failed alone.
    pub(super) fn finish(&mut self, task: usize, outcome: Result<RenditionInfo, Failure>) -> Result<()> {
        let answer = self.sink.finish(task, outcome);
        self.note(answer)
    }

    /// Notes how much is done.
    pub(super) fn progress(&mut self, done: f32) -> Result<()> {
        self.done = done.clamp(self.done, 1.0);
        self.tick()
    }

    /// Shows a sign of life, when it is time to; checks the deadline.
    pub(super) fn tick(&mut self) -> Result<()> {
        if self.reported.elapsed() < EVERY {
            return Ok(());
        }
        self.reported = Instant::now();
        self.deadline.check()?;
        let answer = self.sink.progress(self.done);
        self.note(answer)
    }

    /// Passes on an error that ends everything; makes of another one a failure of these tasks alone.
    pub(super) fn fail(&mut self, tasks: impl IntoIterator<Item = usize>, error: Error) -> Result<()> {
        if self.refused || matches!(error.code(), "timed_out" | "limit_exceeded" | "source_unreadable") {
            return Err(error);
        }
        tasks.into_iter().try_for_each(|task| self.finish(task, Err(Failure::from(&error))))
    }

    fn note(&mut self, answer: Result<()>) -> Result<()> {
        self.refused |= answer.is_err();
        answer
    }
}

impl std::fmt::Debug for Parts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parts({} bytes)", self.written)
    }
}
