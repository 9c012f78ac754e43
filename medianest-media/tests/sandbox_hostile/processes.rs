//! Processes come and go: many at once, none left behind, none that outlives the server.
#![expect(clippy::print_stdout, reason = "a victim talks to its test")]

use crate::{
    bench::{Bench, children_of, eventually, kill, task},
    obedient::Obedient,
};
use medianest_core::{
    ErrorKind, Facts, Failure, Limits, MediaKind, MediaProcessor, NewPart, PartSink, RenditionInfo, Result,
    bytes::Bytes,
};
use medianest_media::sandbox::{self, Sandboxed};
use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
};

/// Has this program be a server that is going to be killed.
pub(crate) const VICTIM: &str = "--be-a-victim";

pub(crate) fn parallel(bench: &Bench) {
    let hostile = ["segfault", "abort", "exit 1", "hang-up", "say-and-wait ff ff ff ff ff", "complain"];
    thread::scope(|scope| {
        for order in hostile {
            scope.spawn(move || (0..10).for_each(|_| drop(bench.order(order))));
        }
        for worker in 0..4 {
            scope.spawn(move || {
                for round in 0..20 {
                    let said = format!("{worker} {round}");
                    assert_eq!(bench.order(&format!("echo {said}")).unwrap(), said);
                    let (result, sink) = bench.render("parts 2");
                    result.unwrap();
                    assert_eq!(sink.parts.len(), 2);
                }
            });
        }
    });
}

pub(crate) fn leaks(bench: &Bench) {
    let descriptors = |pid: &str| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let zygote = bench.order("zygote").unwrap();
    let before = descriptors("self");
    for round in 0..200 {
        let order = ["echo x", "abort", "say-and-wait ff ff ff ff ff", "exit 1"][round % 4];
        drop(bench.order(order));
    }
    assert_eq!(descriptors("self"), before);
    // The last children may be on their way out still; what stays is stdin, stdout and stderr.
    eventually(|| children_of(&zygote).is_empty() && descriptors(&zygote) == 3);
}

/// Has a job that does not end, and tells who its zygote is.
pub(crate) fn victim() {
    sandbox::init_with(Obedient).unwrap();
    let bench = Bench { sandbox: Sandboxed::new().unwrap() };
    println!("{}", bench.order("zygote").unwrap());
    drop(bench.render("spin"));
}

pub(crate) fn survivors(_: &Bench) {
    let mut server =
        Command::new(std::env::current_exe().unwrap()).arg(VICTIM).stdout(Stdio::piped()).spawn().unwrap();
    let mut zygote = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut zygote).unwrap();
    let zygote = zygote.trim();
    eventually(|| !children_of(zygote).is_empty());
    let child = children_of(zygote).remove(0);
    server.kill().unwrap();
    server.wait().unwrap();
    for pid in [zygote, &child] {
        eventually(|| fs::metadata(format!("/proc/{pid}")).is_err() || is_zombie(pid));
    }
}

/// Dead, but whoever inherited it (in a container, perhaps nobody) has not taken notice.
pub(crate) fn is_zombie(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.contains("State:\tZ")
}

pub(crate) fn helper(_: &Bench) {
    /// Kills the helper in the middle of a job.
    struct Killer(i32);
    impl PartSink for Killer {
        fn part(&mut self, _: usize, _: NewPart) -> Result<()> {
            Ok(())
        }
        fn finish(&mut self, _: usize, _: Result<RenditionInfo, Failure>) -> Result<()> {
            Ok(())
        }
        fn progress(&mut self, _: f32) -> Result<()> {
            kill(self.0);
            Ok(())
        }
    }
    let bench = Bench { sandbox: Sandboxed::with_helper(std::env::current_exe().unwrap()).unwrap() };
    let helper = || bench.order("zygote").unwrap().parse::<i32>().unwrap();
    let first = helper();
    let facts = Facts::new(MediaKind::Image, "image/test", "test");
    let spin = Bytes::from_static(b"spin");
    let error =
        bench.sandbox.render(&spin, &facts, &[task()], &Limits::default(), &mut Killer(first)).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "sandbox_gone"), "{error:?}");
    let second = helper();
    assert_ne!(second, first);
    kill(second);
    assert_ne!(helper(), second);
    drop(bench);
    assert!(fs::metadata(format!("/proc/{first}")).is_err(), "the first is still there, or a zombie");
}

pub(crate) fn without_zygote(bench: &Bench) {
    kill(bench.order("zygote").unwrap().parse().unwrap());
    let error = bench.order("echo x").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "sandbox_gone"), "{error:?}");
    assert!(error.message().contains("restart"), "{error}");
}
