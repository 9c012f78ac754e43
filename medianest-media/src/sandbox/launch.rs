//! The server's end of a zygote, and of the children that it makes.

use super::{
    Measures,
    wire::{Hello, Report},
    zygote,
};
use medianest_core::{Error, Result};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
    pipe::{PipeFlags, pipe_with},
    process::{Signal, pidfd_send_signal},
};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    process,
    sync::OnceLock,
    time::Duration,
};

/// A zygote answers within milliseconds; who does not in this time is not going to.
const PATIENCE: Duration = Duration::from_secs(30);
/// A process that dies closes its sockets moments before its end can be seen.
const LAST_MOMENTS: Duration = Duration::from_secs(1);

/// A zygote, seen from the server.
#[derive(Debug)]
pub(super) struct Zygote {
    control: OwnedFd,
    hello: OnceLock<Result<Measures, String>>,
    helper: Option<Helper>,
}

/// The process of a zygote that was not forked but started.
#[derive(Debug)]
struct Helper(process::Child);

impl Drop for Helper {
    fn drop(&mut self) {
        // Its children die with it. Neither call fails for a child of ours that was not waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Zygote {
    /// The zygote at the other end of `control`.
    pub(super) fn forked(control: OwnedFd) -> Self {
        Self { control, hello: OnceLock::new(), helper: None }
    }

    /// Starts the helper binary at `path`.
    pub(super) fn start(path: &Path) -> Result<Self> {
        let failed = |error: io::Error| {
            Error::unavailable("sandbox_unavailable", "the sandbox helper could not be started")
                .with("helper", path.display())
                .caused_by(error)
        };
        let (ours, theirs) = control_pair().map_err(failed)?;
        let helper = process::Command::new(path)
            .env_clear()
            .stdin(theirs)
            .stdout(process::Stdio::null())
            .stderr(process::Stdio::null())
            .spawn()
            .map_err(failed)?;
        let zygote = Self { helper: Some(Helper(helper)), ..Self::forked(ours) };
        zygote.measures()?;
        Ok(zygote)
    }

    /// What it gave up, as it found out when it started.
    pub(super) fn measures(&self) -> Result<Measures> {
        let hello = self.hello.get_or_init(|| {
            let (message, _) = await_message(&self.control).map_err(|error| error.to_string())?;
            let hello: Hello = serde_json::from_slice(&message).map_err(|_| String::from("no greeting"))?;
            if hello.version != env!("CARGO_PKG_VERSION") {
                return Err(format!("it is of version {}", hello.version));
            }
            hello.measures
        });
        hello.clone().map_err(|why| {
            Error::unavailable("sandbox_unavailable", "the sandbox cannot confine its processes")
                .with("reason", why)
        })
    }

    /// Whether it lives: the kernel closes its end of the control socket with it.
    pub(super) fn check(&self) -> Result<()> {
        let mut control = [PollFd::new(&self.control, PollFlags::empty())];
        loop {
            match poll(&mut control, Some(&Timespec::default())) {
                Err(Errno::INTR) => {}
                Ok(0) => return Ok(()),
                Ok(_) => return Err(self.gone()),
                Err(error) => return Err(self.gone().caused_by(error)),
            }
        }
    }

    /// Makes a child. Callable from many threads at once.
    pub(super) fn launch(&self) -> Result<Child> {
        self.try_launch().map_err(|error| self.gone().caused_by(error))
    }

    fn try_launch(&self) -> io::Result<Child> {
        let (socket, their_socket) = pair(SocketType::STREAM, SocketFlags::NONBLOCK)?;
        let (reports, their_reports) = pair(SocketType::SEQPACKET, SocketFlags::empty())?;
        // A child that talks more than the server reads loses words instead of standing still.
        let (stderr, their_stderr) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // What was asked of the child's end must not hold for ours: the child reads and waits.
        rustix::io::ioctl_fionbio(&their_socket, false)?;
        zygote::send(
            &self.control,
            b"job",
            &[their_socket.as_fd(), their_stderr.as_fd(), their_reports.as_fd()],
        )?;
        drop((their_socket, their_stderr, their_reports));

        let (message, fds) = await_message(&reports)?;
        match serde_json::from_slice(&message)? {
            Report::Started => {}
            other => return Err(io::Error::other(format!("no child: {other:?}"))),
        }
        let [pidfd] = <[OwnedFd; 1]>::try_from(fds).map_err(|_| io::Error::other("no pidfd"))?;
        Ok(Child { socket, stderr, reports, pidfd })
    }

    /// The error of a zygote that is no more.
    pub(super) fn gone(&self) -> Error {
        let advice = if self.helper.is_some() {
            "the sandbox has ended and is started again for the next job"
        } else {
            "the sandbox has ended; restart this program"
        };
        Error::unavailable("sandbox_gone", advice)
    }
}

/// A child, seen from the server. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Child {
    /// Frames, as [`wire`](super::wire) has them; non-blocking.
    pub(super) socket: OwnedFd,
    /// What it and its libraries complain of; non-blocking.
    pub(super) stderr: OwnedFd,
    reports: OwnedFd,
    pidfd: OwnedFd,
}

/// How a child came to its end.
#[derive(Debug)]
pub(super) enum End {
    /// Without us.
    Own(Report),
    /// We killed it.
    Ours,
    /// The zygote cannot tell any more.
    Unknown,
}

impl Child {
    /// How it ended after it hung up; kills it when it does not.
    pub(super) fn end(&self) -> End {
        if !matches!(await_readable(&self.pidfd, LAST_MOMENTS), Ok(true)) {
            self.kill();
            return End::Ours;
        }
        let report = await_message(&self.reports).ok();
        let report = report.and_then(|(message, _)| serde_json::from_slice(&message).ok());
        report.map_or(End::Unknown, End::Own)
    }

    fn kill(&self) {
        // It fails only when the child has ended and was reaped.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The two ends of a control socket: of the server and of the zygote.
pub(super) fn control_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    pair(SocketType::SEQPACKET, SocketFlags::empty())
}

fn pair(kind: SocketType, flags: SocketFlags) -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC | flags, None)?)
}

fn await_message(socket: &OwnedFd) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    if !await_readable(socket, PATIENCE)? {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let (message, fds) = zygote::receive(socket)?;
    if message.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok((message, fds)) }
}

/// Whether there is something to read within this time, or the other end is closed.
fn await_readable(descriptor: &OwnedFd, patience: Duration) -> io::Result<bool> {
    let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
    loop {
        match poll(&mut [PollFd::new(descriptor, PollFlags::IN)], Some(&patience)) {
            Err(Errno::INTR) => {}
            polled => return Ok(polled? > 0),
        }
    }
}
