//! Crashes, deadlines, memory and output: what a child may use up.

use crate::bench::{Bench, Kept, assert_fails, kill, task, within};
use medianest_core::{
    ByteSource, ErrorKind, Facts, Failure, Limits, MediaKind, MediaProcessor, NewPart, PartSink,
    RenditionInfo, Result, bytes::Bytes,
};
use std::io;

pub(crate) fn honest_work(bench: &Bench) {
    assert_eq!(bench.order("echo hello").unwrap(), "hello");
    assert_fails(bench.order("refuse this"), "corrupt", "order: this");
    let (result, sink) = bench.render("parts 5");
    result.unwrap();
    let sizes: Vec<_> =
        sink.parts.iter().map(|part| (part.ordinal, part.duration_us, part.bytes.len())).collect();
    assert_eq!(sizes, (0..5).map(|ordinal| (ordinal, 7, 1 << 20)).collect::<Vec<_>>());
    assert!(sink.parts.iter().all(|part| part.bytes.iter().all(|byte| u32::from(*byte) == part.ordinal)));
    assert_eq!(sink.outcomes.len(), 1);
    assert_eq!(bench.order("threads").unwrap(), "fine");
    assert_eq!(bench.order("complain").unwrap(), "complained");
}

pub(crate) fn crashes(bench: &Bench) {
    assert_fails(bench.order("segfault"), "decoder_crashed", "SIGSEGV");
    assert_fails(bench.order("abort"), "decoder_crashed", "SIGABRT");
    assert_fails(bench.order("overflow"), "decoder_crashed", "SIGABRT");
    assert_fails(bench.order("panic"), "decoder_crashed", "as ordered");
    assert_fails(bench.order("exit 3"), "decoder_crashed", "exit_status: 3");
    assert_fails(bench.order("exit 0"), "decoder_crashed", "exit_status: 0");
    // It lives on, and is killed by us.
    assert_fails(bench.order("hang-up"), "decoder_crashed", "hung up");
    assert_fails(bench.order(&format!("raise {}", libc::SIGXCPU)), "timed_out", "");
    assert_fails(bench.order(&format!("raise {}", libc::SIGSYS)), "decoder_crashed", "SIGSYS");
}

/// As the kernel does when memory runs out. Nobody can tell whether the media was the reason.
pub(crate) fn killed(bench: &Bench) {
    struct Kernel;
    impl PartSink for Kernel {
        fn part(&mut self, _: usize, part: NewPart) -> Result<()> {
            kill(part.duration_us.try_into().unwrap());
            Ok(())
        }
        fn finish(&mut self, _: usize, _: Result<RenditionInfo, Failure>) -> Result<()> {
            Ok(())
        }
        fn progress(&mut self, _: f32) -> Result<()> {
            Ok(())
        }
    }
    let order = Bytes::from_static(b"tell-pid");
    let facts = Facts::new(MediaKind::Image, "image/test", "test");
    let rendered = bench.sandbox.render(&order, &facts, &[task()], &Limits::default(), &mut Kernel);
    for killed in [rendered, bench.order(&format!("raise {}", libc::SIGKILL)).map(drop)] {
        let error = killed.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Internal, "decoder_killed"), "{error:?}");
    }
}

pub(crate) fn deadlines(bench: &Bench) {
    let soon = within(|limits| limits.deadline_seconds = 1);
    assert_fails(bench.order_within("spin", &soon), "timed_out", "deadline_seconds: 1");
    assert_fails(bench.order_within("spin-threads", &soon), "timed_out", "");
    // The first three bytes of a frame; and a frame whose body never comes.
    assert_fails(bench.order_within("say-and-wait 07 04 00", &soon), "timed_out", "");
    assert_fails(bench.order_within("say-and-wait 05 00 00 01 00", &soon), "timed_out", "");
    let mut sink = Kept::default();
    assert_fails(bench.render_within("progress", &soon, &mut sink), "timed_out", "");
}

pub(crate) fn memory(bench: &Bench) {
    let little = within(|limits| limits.max_memory = 64 << 20);
    assert_fails(bench.order_within("allocate", &little), "limit_exceeded", "max_memory");
    assert_eq!(bench.order_within("allocate-politely 16", &little).unwrap(), "true");
    assert_eq!(bench.order_within("allocate-politely 65", &little).unwrap(), "false");
}

pub(crate) fn output(bench: &Bench) {
    let few = within(|limits| limits.max_output_bytes = 3 << 20);
    let mut sink = Kept::default();
    assert_fails(bench.render_within("parts 4000000", &few, &mut sink), "limit_exceeded", "max_output_bytes");
    assert_eq!(sink.parts.len(), 3);
}

/// Not before the deadline of four hours otherwise.
pub(crate) fn cancel(bench: &Bench) {
    let mut sink = Kept { cancel_at: Some(2), ..Kept::default() };
    let error = bench.render_within("spin", &Limits::default(), &mut sink).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Cancelled, "enough"));
    assert_eq!(sink.asked, 2);
}

pub(crate) fn unreadable(bench: &Bench) {
    struct Broken;
    impl ByteSource for Broken {
        fn len(&self) -> u64 {
            9
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let error = bench.sandbox.understand(&Broken, &Limits::default()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "source_unreadable"));
}
