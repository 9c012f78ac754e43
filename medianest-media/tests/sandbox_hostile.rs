//! What a hostile child can do, on a zygote that [`sandbox::init_with`] forked: this program has its
//! own `main`, as servers have. The "media" of these tests are orders that a processor obeys.
#![expect(unsafe_code, reason = "a hostile child does what safe code cannot")]
#![expect(clippy::print_stdout, reason = "a victim talks to its test")]

use libtest_mimic::{Arguments, Failed, Trial};
use medianest_core::{
    ByteSource, Error, ErrorKind, Facts, Failure, Limits, MediaKind, MediaProcessor, MediaType, NewPart,
    PartSink, RenderTask, RenditionId, RenditionInfo, Resize, Result, Variant, VariantName, bytes::Bytes,
};
use medianest_media::sandbox::{self, Sandboxed};
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::FromRawFd,
    process::{Command, ExitCode, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// Does what the media says.
#[derive(Debug)]
struct Obedient;

impl MediaProcessor for Obedient {
    fn sniff(&self, _: &[u8]) -> Option<MediaType> {
        None
    }

    fn understand(&self, source: &dyn ByteSource, _: &Limits) -> Result<Facts> {
        let mut facts = Facts::new(MediaKind::Image, "image/test", "test");
        facts.tags.description = Some(obey(source, None)?);
        Ok(facts)
    }

    fn render(
        &self,
        source: &dyn ByteSource,
        _: &Facts,
        _: &[RenderTask],
        _: &Limits,
        sink: &mut dyn PartSink,
    ) -> Result<()> {
        obey(source, Some(sink)).map(drop)
    }

    fn renderer(&self, _: &Variant) -> String {
        String::from("test/1")
    }
}

fn obey(source: &dyn ByteSource, sink: Option<&mut dyn PartSink>) -> Result<String> {
    let mut order = vec![0; usize::try_from(source.len()).unwrap()];
    let count = source.read_at(0, &mut order).unwrap();
    assert_eq!(count, order.len());
    let order = String::from_utf8(order).unwrap();
    let (verb, object) = order.split_once(' ').unwrap_or((&order, ""));
    if let Some(sink) = sink {
        return obey_sink(verb, object, sink);
    }
    Ok(match verb {
        "echo" => object.to_owned(),
        "panic" => panic!("as ordered"),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(object.parse().unwrap()),
        // SAFETY: none: this is what the sandbox is for.
        "segfault" => unsafe { std::ptr::null_mut::<u8>().wrapping_add(8).read_volatile().to_string() },
        // SAFETY: raise takes a number.
        "raise" => unsafe { libc::raise(object.parse().unwrap()).to_string() },
        "overflow" => overflow(1).to_string(),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "spin-threads" => {
            thread::spawn(|| {
                loop {
                    std::hint::spin_loop();
                }
            });
            loop {
                std::hint::spin_loop();
            }
        }
        "allocate" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(vec![1_u8; 1 << 20]);
            }
        }
        "allocate-politely" => {
            let mut hoard = Vec::<u8>::new();
            hoard.try_reserve_exact(object.parse::<usize>().unwrap() << 20).is_ok().to_string()
        }
        "hang-up" => {
            for fd in 0..16 {
                // SAFETY: none: the child closes what is not its own.
                unsafe { libc::close(fd) };
            }
            loop {
                thread::sleep(Duration::from_secs(1));
            }
        }
        "say" => raw(&unhex(object)),
        "say-and-wait" => {
            raw(&unhex(object));
            loop {
                thread::sleep(Duration::from_secs(1));
            }
        }
        "complain" => {
            let line = format!("{}\n", "x".repeat(1023));
            (0..100_000).for_each(|_| drop(io::stderr().write_all(line.as_bytes())));
            String::from("complained")
        }
        "refuse" => return Err(Error::media("corrupt", "as ordered").with("order", object)),
        "environment" => std::env::vars_os().count().to_string(),
        "read" => outcome(fs::read(object).map(|bytes| bytes.len())),
        "create" => outcome(File::create(object)),
        "list" => outcome(fs::read_dir(object).map(Iterator::count)),
        "connect" => outcome(TcpStream::connect(object.parse::<SocketAddr>().unwrap())),
        "threads" => thread::spawn(|| "fine").join().unwrap().to_owned(),
        // SAFETY: these take nothing and cannot fail.
        "ids" => unsafe { format!("{} {}", libc::getuid(), libc::getgid()) },
        "pid" => std::process::id().to_string(),
        "zygote" => std::os::unix::process::parent_id().to_string(),
        "limits" => limits(),
        other => panic!("no such order: {other}"),
    })
}

fn obey_sink(verb: &str, object: &str, sink: &mut dyn PartSink) -> Result<String> {
    let part = |ordinal: u32, size: usize| NewPart {
        ordinal,
        duration_us: 7,
        bytes: Bytes::from(vec![u8::try_from(ordinal % 251).unwrap(); size]),
    };
    let info = |content_type: &str| {
        let mut info = RenditionInfo::default();
        info.content_type = content_type.to_owned();
        Ok(info)
    };
    match verb {
        "parts" => {
            for ordinal in 0..object.parse().unwrap() {
                sink.part(0, part(ordinal, 1 << 20))?;
                sink.progress(0.5)?;
            }
            sink.finish(0, info("image/webp"))?;
        }
        "part-of-task" => sink.part(object.parse().unwrap(), part(0, 1))?,
        "part-twice" => {
            sink.part(0, part(1, 1))?;
            sink.part(0, part(1, 1))?;
        }
        "part-after-finish" => {
            sink.finish(0, info("image/webp"))?;
            sink.part(0, part(0, 1))?;
        }
        "empty-part" => sink.part(0, part(0, 0))?,
        "finish-twice" => {
            sink.finish(0, info("image/webp"))?;
            sink.finish(0, info("image/webp"))?;
        }
        "finish-as" => sink.finish(0, info(object))?,
        "fail-as" => sink.finish(0, Err(Failure::new(object, "as ordered")))?,
        "forget" => {}
        "spin" => loop {
            std::hint::spin_loop();
        },
        "progress" => loop {
            sink.progress(f32::NAN)?;
        },
        other => panic!("no such order: {other}"),
    }
    Ok(String::new())
}

/// Writes to the job's socket past the library: it is descriptor 0.
fn raw(bytes: &[u8]) -> String {
    // SAFETY: the descriptor is open, and is not closed by this.
    let mut socket = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(0) });
    outcome(socket.write_all(bytes).and_then(|()| socket.flush()))
}

fn unhex(digits: &str) -> Vec<u8> {
    digits.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn outcome<T>(result: io::Result<T>) -> String {
    match result {
        Ok(_) => String::from("ok"),
        Err(error) => format!("{:?}", error.kind()),
    }
}

fn overflow(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 512]);
    if depth == 0 { 0 } else { overflow(depth + 1) + frame[7] }
}

fn limits() -> String {
    let limit = |resource| {
        let mut value = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the pointer is to a value that lives.
        unsafe { libc::getrlimit(resource, &raw mut value) };
        value.rlim_max
    };
    format!("{} {} {}", limit(libc::RLIMIT_CORE), limit(libc::RLIMIT_FSIZE), limit(libc::RLIMIT_NOFILE))
}

/// Has this program be a server that is going to be killed.
const VICTIM: &str = "--be-a-victim";

fn main() -> ExitCode {
    // This program is its own helper, too: it goes on only when it was not started as one.
    drop(sandbox::serve_as_helper(Obedient));
    if std::env::args().nth(1).as_deref() == Some(VICTIM) {
        victim();
    }
    sandbox::init_with(Obedient).expect("the first line of main");
    let mut arguments = Arguments::from_args();
    // One after another: they count descriptors. The jobs of one test may still be parallel.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials()).exit_code()
}

fn trials() -> Vec<Trial> {
    let bench = Arc::new(Bench { sandbox: Sandboxed::new().expect("init was called") });
    let mut trials = Vec::new();
    let mut trial = |name: &str, test: fn(&Bench)| {
        let bench = Arc::clone(&bench);
        trials.push(Trial::test(name, move || {
            test(&bench);
            bench.still_works();
            Ok::<(), Failed>(())
        }));
    };
    trial("honest_work_is_passed_on", honest_work);
    trial("crashes_are_told_by_their_signal", crashes);
    trial("a_deadline_ends_what_spins_or_stalls", deadlines);
    trial("memory_is_limited", memory);
    trial("lies_end_the_job", lies);
    trial("parts_follow_their_order", parts);
    trial("output_is_limited", output);
    trial("a_cancelled_job_is_killed", cancel);
    trial("a_source_that_fails_is_not_the_childs_fault", unreadable);
    trial("a_child_has_no_environment", environment);
    trial("a_child_opens_nothing", files);
    trial("a_child_has_no_network", network);
    trial("a_child_is_nobody", nobody);
    trial("jobs_do_not_affect_each_other", parallel);
    trial("nothing_is_left_behind", leaks);
    trial("nothing_survives_the_server", survivors);
    trial("a_helper_that_died_is_started_again", helper);
    let last = Arc::clone(&bench);
    trials.push(Trial::test("z_without_its_zygote_it_says_so", move || {
        without_zygote(&last);
        Ok(())
    }));
    trials
}

struct Bench {
    sandbox: Sandboxed,
}

impl Bench {
    fn order_within(&self, order: &str, limits: &Limits) -> Result<String> {
        let source = Bytes::copy_from_slice(order.as_bytes());
        self.sandbox.understand(&source, limits).map(|facts| facts.tags.description.unwrap())
    }

    fn order(&self, order: &str) -> Result<String> {
        self.order_within(order, &Limits::default())
    }

    fn render_within(&self, order: &str, limits: &Limits, sink: &mut Kept) -> Result<()> {
        let source = Bytes::copy_from_slice(order.as_bytes());
        let facts = Facts::new(MediaKind::Image, "image/test", "test");
        self.sandbox.render(&source, &facts, &[task()], limits, sink)
    }

    fn render(&self, order: &str) -> (Result<()>, Kept) {
        let mut sink = Kept::default();
        (self.render_within(order, &Limits::default(), &mut sink), sink)
    }

    fn still_works(&self) {
        assert_eq!(self.order("echo again").unwrap(), "again");
    }
}

fn task() -> RenderTask {
    RenderTask {
        rendition: RenditionId::new(),
        name: VariantName::new("small").unwrap(),
        variant: Variant::Image(Resize::fit(1, 1).webp(80)),
        first_part: 0,
    }
}

#[derive(Default)]
struct Kept {
    parts: Vec<NewPart>,
    outcomes: Vec<Result<RenditionInfo, Failure>>,
    /// The error that the sink answers to the progress of this number.
    cancel_at: Option<u32>,
    asked: u32,
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

fn within(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[track_caller]
fn assert_fails<T: std::fmt::Debug>(result: Result<T>, code: &str, mentions: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.code(), code, "{error:?}");
    assert!(error.to_string().contains(mentions), "{error} should mention {mentions}");
}

fn honest_work(bench: &Bench) {
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

fn crashes(bench: &Bench) {
    assert_fails(bench.order("segfault"), "decoder_crashed", "SIGSEGV");
    assert_fails(bench.order("abort"), "decoder_crashed", "SIGABRT");
    assert_fails(bench.order("overflow"), "decoder_crashed", "SIGABRT");
    assert_fails(bench.order("panic"), "decoder_crashed", "as ordered");
    assert_fails(bench.order("exit 3"), "decoder_crashed", "exit_status: 3");
    assert_fails(bench.order("exit 0"), "decoder_crashed", "exit_status: 0");
    assert_fails(bench.order("hang-up"), "decoder_crashed", "");
    assert_fails(bench.order(&format!("raise {}", libc::SIGXCPU)), "timed_out", "");
    assert_fails(bench.order(&format!("raise {}", libc::SIGSYS)), "decoder_crashed", "SIGSYS");
}

fn deadlines(bench: &Bench) {
    let soon = within(|limits| limits.deadline_seconds = 1);
    assert_fails(bench.order_within("spin", &soon), "timed_out", "deadline_seconds: 1");
    assert_fails(bench.order_within("spin-threads", &soon), "timed_out", "");
    // The first three bytes of a frame; and a frame whose body never comes.
    assert_fails(bench.order_within("say-and-wait 07 04 00", &soon), "timed_out", "");
    assert_fails(bench.order_within("say-and-wait 05 00 00 01 00", &soon), "timed_out", "");
    let mut sink = Kept::default();
    assert_fails(bench.render_within("progress", &soon, &mut sink), "timed_out", "");
}

fn memory(bench: &Bench) {
    let little = within(|limits| limits.max_memory = 64 << 20);
    assert_fails(bench.order_within("allocate", &little), "limit_exceeded", "max_memory");
    assert_eq!(bench.order_within("allocate-politely 16", &little).unwrap(), "true");
    assert_eq!(bench.order_within("allocate-politely 65", &little).unwrap(), "false");
}

fn lies(bench: &Bench) {
    for (frame, rule) in [
        ("ff 00 00 00 00", "frame"),
        // A part of 4 GiB, a progress of 5 bytes, an answer of 256 MiB.
        ("05 ff ff ff ff", "frame"),
        ("07 05 00 00 00", "frame"),
        ("08 00 00 00 10", "frame"),
        // What only the server says.
        ("01 02 00 00 00 7b 7d", "frame"),
        ("02 00 00 00 00", "frame"),
        // A read of 4 GiB.
        ("04 0c 00 00 00 00 00 00 00 00 00 00 00 ff ff ff ff", "read"),
        // Answers that are none: no JSON, no facts, facts that are a web page.
        ("08 02 00 00 00 7b 7b", "reply"),
        ("08 0b 00 00 00 7b 22 4f 6b 22 3a 6e 75 6c 6c 7d", "answer"),
        // A part, where nothing was to be rendered.
        ("05 11 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01", "order of parts"),
    ] {
        assert_fails(bench.order(&format!("say-and-wait {frame}")), "decoder_crashed", rule);
    }
    let page = br#"{"Ok":{"content_type":"text/html"}}"#;
    let frame: Vec<u8> = [8, page.len() as u8, 0, 0, 0].into_iter().chain(page.iter().copied()).collect();
    let frame: Vec<String> = frame.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_fails(bench.order(&format!("say-and-wait {}", frame.join(" "))), "decoder_crashed", "facts");
}

fn parts(bench: &Bench) {
    for (order, rule) in [
        ("part-of-task 1", "order of parts"),
        ("part-of-task 4294967295", "order of parts"),
        ("part-twice", "order of parts"),
        ("part-after-finish", "order of parts"),
        ("empty-part", "frame"),
        ("finish-twice", "not open"),
        ("finish-as text/html", "type of a rendition"),
        ("finish-as application/json", "type of a rendition"),
        ("fail-as lease_lost", "code of a failure"),
        ("forget", "unfinished"),
    ] {
        assert_fails(bench.render(order).0, "decoder_crashed", rule);
    }
    let (result, sink) = bench.render("fail-as unsupported_codec");
    result.unwrap();
    assert_eq!(sink.outcomes, [Err(Failure::new("unsupported_codec", "as ordered"))]);
}

fn output(bench: &Bench) {
    let few = within(|limits| limits.max_output_bytes = 3 << 20);
    let mut sink = Kept::default();
    assert_fails(bench.render_within("parts 4000000", &few, &mut sink), "limit_exceeded", "max_output_bytes");
    assert_eq!(sink.parts.len(), 3);
}

/// Not before the deadline of four hours otherwise.
fn cancel(bench: &Bench) {
    let mut sink = Kept { cancel_at: Some(2), ..Kept::default() };
    let error = bench.render_within("spin", &Limits::default(), &mut sink).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Cancelled, "enough"));
    assert_eq!(sink.asked, 2);
}

fn unreadable(bench: &Bench) {
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

fn environment(bench: &Bench) {
    assert!(std::env::vars_os().count() > 0, "this program has one");
    assert_eq!(bench.order("environment").unwrap(), "0");
    let zygote = bench.order("zygote").unwrap();
    let memory = fs::read(format!("/proc/{zygote}/environ")).unwrap();
    assert!(memory.iter().all(|byte| *byte == 0), "the zygote still holds {} bytes", memory.len());
}

fn files(bench: &Bench) {
    assert_eq!(bench.order("limits").unwrap(), "0 0 0");
    let path = tempfile::tempdir().unwrap();
    fs::write(path.path().join("secret"), "secret").unwrap();
    let mentioned = |name: &str| path.path().join(name).display().to_string();
    assert_ne!(bench.order(&format!("create {}", mentioned("new"))).unwrap(), "ok");
    assert_ne!(bench.order(&format!("create {}", mentioned("secret"))).unwrap(), "ok");
    assert_ne!(bench.order(&format!("read {}", mentioned("secret"))).unwrap(), "ok");
    assert_ne!(bench.order("read /etc/passwd").unwrap(), "ok");
    assert_ne!(bench.order("list /").unwrap(), "ok");
    assert_eq!(fs::read(path.path().join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(path.path()).unwrap().count(), 1);
}

/// A child without descriptors cannot make a socket, whether or not it is in a network.
fn network(bench: &Bench) {
    let canary = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    canary.set_nonblocking(true).unwrap();
    let address = canary.local_addr().unwrap();
    assert_ne!(bench.order(&format!("connect {address}")).unwrap(), "ok");
    assert_eq!(canary.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let zygote = bench.order("zygote").unwrap();
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    let theirs = fs::read_link(format!("/proc/{zygote}/ns/net")).unwrap();
    assert_eq!(bench.sandbox.measures().unwrap().no_network, own != theirs);
}

fn nobody(bench: &Bench) {
    let ids = bench.order("ids").unwrap();
    // SAFETY: these take nothing and cannot fail.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    if uid == 0 && bench.sandbox.measures().unwrap().unprivileged {
        assert_eq!(ids, "65534 65534");
    } else if !bench.sandbox.measures().unwrap().no_network {
        assert_eq!(ids, format!("{uid} {gid}"));
    }
}

fn parallel(bench: &Bench) {
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

fn leaks(bench: &Bench) {
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

fn children_of(pid: &str) -> Vec<String> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split_whitespace().map(str::to_owned).collect()
}

#[track_caller]
fn eventually(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not happen");
        thread::yield_now();
    }
}

/// Has a job that does not end, and tells who its zygote is.
fn victim() {
    sandbox::init_with(Obedient).unwrap();
    let bench = Bench { sandbox: Sandboxed::new().unwrap() };
    println!("{}", bench.order("zygote").unwrap());
    drop(bench.render("spin"));
}

fn survivors(_: &Bench) {
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
fn is_zombie(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.contains("State:\tZ")
}

fn helper(_: &Bench) {
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

fn kill(pid: i32) {
    // SAFETY: kill takes two numbers; the process is ours.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

fn without_zygote(bench: &Bench) {
    kill(bench.order("zygote").unwrap().parse().unwrap());
    let error = bench.order("echo x").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "sandbox_gone"), "{error:?}");
    assert!(error.message().contains("restart"), "{error}");
}
