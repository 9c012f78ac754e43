//! The child: a processor that does what the media says.
#![expect(unsafe_code, reason = "a hostile child does what safe code cannot")]

use medianest_core::{
    ByteSource, Error, Facts, Failure, Limits, MediaKind, MediaProcessor, MediaType, NewPart, PartSink,
    RenderTask, RenditionInfo, Result, Variant, bytes::Bytes,
};
use std::{
    fs::{self, File},
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    os::fd::FromRawFd,
    thread,
    time::Duration,
};

/// Does what the media says.
#[derive(Debug)]
pub(crate) struct Obedient;

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
        "tell-pid" => {
            let duration_us = std::process::id().into();
            sink.part(0, NewPart { ordinal: 0, duration_us, bytes: Bytes::from_static(b"x") })?;
            sink.part(0, part(1, 1))?;
        }
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
