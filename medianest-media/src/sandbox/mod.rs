//! Decoders in single-use child processes (Linux 5.9 or newer).
//!
//! Media files are written by strangers and read by hundreds of thousands of lines of C. So each job
//! runs in a process of its own, forked from a small one that stands ready, the *zygote*:
//!
//! ```text
//! server ── control socket ── zygote            one thread, reads no media
//!    └────── job socket ──────── └ fork: child  one job; reads and parts go over the socket
//! ```
//!
//! A child has no environment, no file and no way to open one, no network where the system lets us
//! take it away, the rights of `nobody` when the server is root, and finite memory and computing time
//! ([`Limits`](medianest_core::Limits)). It is killed when its deadline has passed, when the job is
//! called off, or when it breaks the protocol, in which every length and every word is checked.
//!
//! # Use
//!
//! ```no_run
//! use medianest_media::sandbox::{self, Sandboxed};
//!
//! fn main() -> medianest_core::Result<()> {
//!     sandbox::init()?; // before any thread, and before secrets are read
//!     let processor = Sandboxed::new()?;
//!     // …
//! #   let _ = processor;
//!     Ok(())
//! }
//! ```
//!
//! Programs that do not own their `main` (`cargo test`, desktop frameworks) ship the helper binary
//! `medianest-sandbox` (`cargo install medianest-media --features sandbox`) and use
//! [`Sandboxed::with_helper`].
//!
//! # What it does not do yet
//!
//! There is no system-call filter: a child that is taken over by an attacker can still ask the kernel
//! for things that need no descriptor, such as signalling processes of the same user.
#![expect(unsafe_code, reason = "fork, and what a process must do to confine itself, are unsafe")]

mod checks;
mod child;
mod confine;
mod launch;
mod sandboxed;
mod slots;
mod supervise;
mod wire;
mod zygote;

use crate::InProcess;
use launch::Zygote;
use medianest_core::{Error, ErrorKind, MediaProcessor, Result};
use rustix::process::Signal;
pub use sandboxed::Sandboxed;
use serde::{Deserialize, Serialize};
use std::{fs, io, os::fd::OwnedFd, sync::OnceLock};

/// What the system let the children give up, beyond limits, descriptors and environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Measures {
    /// They are in a network without interfaces.
    pub no_network: bool,
    /// They are not root.
    pub unprivileged: bool,
}

/// What [`init`] left for [`Sandboxed::new`]. A fork can happen only once, at the start, and belongs to
/// the process: this is why it is the one global thing in this crate.
#[derive(Debug)]
struct Prepared {
    zygote: Zygote,
    processor: Box<dyn MediaProcessor>,
}

static PREPARED: OnceLock<Prepared> = OnceLock::new();

fn prepared() -> Option<&'static Prepared> {
    PREPARED.get()
}

/// Forks the zygote that [`Sandboxed::new`] works with. Call it as the first line of `main`: before
/// any thread or runtime is started, and before secrets are read, since the zygote and so the
/// children keep a copy of what is in memory at this point (the environment is erased in them).
///
/// The zygote ignores the signals that ask programs to end, so that jobs can be finished during an
/// orderly shutdown; it ends with this process. Processes that this one starts do not inherit it; one
/// that *forks* to become a daemon has to do so before. Calling it again does nothing.
///
/// # Errors
/// `sandbox_too_late` when there are other threads already; `sandbox_unavailable` when the system
/// gives no process or socket.
pub fn init() -> Result<()> {
    init_with(InProcess)
}

/// As [`init`], for a processor of your own, for instance one that wraps [`InProcess`].
///
/// # Errors
/// See [`init`].
pub fn init_with(processor: impl MediaProcessor) -> Result<()> {
    if PREPARED.get().is_some() {
        return Ok(());
    }
    let failed = |error: io::Error| {
        Error::unavailable("sandbox_unavailable", "the sandbox could not be prepared").caused_by(error)
    };
    if fs::read_dir("/proc/self/task").map_err(failed)?.count() != 1 {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "sandbox_too_late",
            "call medianest_media::sandbox::init() as the first line of main, before any thread is started",
        ));
    }
    let (ours, theirs) = launch::control_pair().map_err(failed)?;
    // SAFETY: the process has one thread, as was just checked.
    match unsafe { libc::fork() } {
        -1 => Err(failed(io::Error::last_os_error())),
        0 => become_zygote(theirs, &processor),
        _ => {
            let prepared = Prepared { zygote: Zygote::forked(ours), processor: Box::new(processor) };
            // Nobody else can have set it: there is one thread.
            PREPARED.set(prepared).map_err(|_| Error::internal("the sandbox was prepared twice"))
        }
    }
}

fn become_zygote(control: OwnedFd, processor: &impl MediaProcessor) -> ! {
    let alone = || -> io::Result<()> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // A group of its own, so that Ctrl-C reaches the server alone.
        rustix::process::setpgid(None, None)?;
        confine::keep_only(&control)
    };
    match alone() {
        Ok(()) => zygote::run(processor),
        Err(_) => zygote::exit(1),
    }
}

/// Makes this process a helper for [`Sandboxed::with_helper`], with the control socket on standard
/// input: the whole `main` of a helper binary. Returns only when it was not started as one.
///
/// # Errors
/// `sandbox_unavailable` when standard input is not such a socket.
pub fn serve_as_helper(processor: impl MediaProcessor) -> Result<()> {
    let input = rustix::stdio::stdin();
    match rustix::net::sockopt::socket_type(input) {
        Ok(rustix::net::SocketType::SEQPACKET) => {}
        _ => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "sandbox_unavailable",
                "this program is started by Sandboxed::with_helper, not by hand",
            ));
        }
    }
    match confine::keep_only(input) {
        Ok(()) => zygote::run(&processor),
        Err(error) => {
            Err(Error::unavailable("sandbox_unavailable", "the helper cannot start").caused_by(error))
        }
    }
}
