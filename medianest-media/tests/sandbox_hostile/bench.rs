//! The server's side: orders to children, and what came of them.
#![expect(unsafe_code, reason = "a signal is sent by a system call")]

use medianest_core::{
    Error, ErrorKind, Facts, Failure, Limits, MediaKind, MediaProcessor, NewPart, PartSink, RenderTask,
    RenditionId, RenditionInfo, Resize, Result, Variant, VariantName, bytes::Bytes,
};
use medianest_media::sandbox::Sandboxed;
use std::{
    fs, thread,
    time::{Duration, Instant},
};

pub(crate) struct Bench {
    pub(crate) sandbox: Sandboxed,
}

impl Bench {
    pub(crate) fn order_within(&self, order: &str, limits: &Limits) -> Result<String> {
        let source = Bytes::copy_from_slice(order.as_bytes());
        self.sandbox.understand(&source, limits).map(|facts| facts.tags.description.unwrap())
    }

    pub(crate) fn order(&self, order: &str) -> Result<String> {
        self.order_within(order, &Limits::default())
    }

    pub(crate) fn render_within(&self, order: &str, limits: &Limits, sink: &mut Kept) -> Result<()> {
        let source = Bytes::copy_from_slice(order.as_bytes());
        let facts = Facts::new(MediaKind::Image, "image/test", "test");
        self.sandbox.render(&source, &facts, &[task()], limits, sink)
    }

    pub(crate) fn render(&self, order: &str) -> (Result<()>, Kept) {
        let mut sink = Kept::default();
        (self.render_within(order, &Limits::default(), &mut sink), sink)
    }

    pub(crate) fn still_works(&self) {
        assert_eq!(self.order("echo again").unwrap(), "again");
    }
}

pub(crate) fn task() -> RenderTask {
    RenderTask {
        rendition: RenditionId::new(),
        name: VariantName::new("small").unwrap(),
        variant: Variant::Image(Resize::fit(1, 1).webp(80)),
        first_part: 0,
    }
}

#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) parts: Vec<NewPart>,
    pub(crate) outcomes: Vec<Result<RenditionInfo, Failure>>,
    /// The error that the sink answers to the progress of this number.
    pub(crate) cancel_at: Option<u32>,
    pub(crate) asked: u32,
}

impl PartSink for Kept {
    fn part(&mut self, task: usize, part: NewPart) -> Result<()> {
        assert_eq!(task, 0);
        self.parts.push(part);
        Ok(())
    }

    fn finish(&mut self, task: usize, outcome: Result<RenditionInfo, Failure>) -> Result<()> {
        assert_eq!(task, 0);
        self.outcomes.push(outcome);
        Ok(())
    }

    fn progress(&mut self, done: f32) -> Result<()> {
        assert!((0.0..=1.0).contains(&done));
        self.asked += 1;
        match self.cancel_at {
            Some(at) if self.asked >= at => Err(Error::new(ErrorKind::Cancelled, "cancelled", "enough")),
            _ => Ok(()),
        }
    }
}

pub(crate) fn within(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[track_caller]
pub(crate) fn assert_fails<T: std::fmt::Debug>(result: Result<T>, code: &str, mentions: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.code(), code, "{error:?}");
    assert!(error.to_string().contains(mentions), "{error} should mention {mentions}");
}

pub(crate) fn children_of(pid: &str) -> Vec<String> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split_whitespace().map(str::to_owned).collect()
}

#[track_caller]
pub(crate) fn eventually(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not happen");
        thread::yield_now();
    }
}

pub(crate) fn kill(pid: i32) {
    // SAFETY: kill takes two numbers; the process is ours.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}
