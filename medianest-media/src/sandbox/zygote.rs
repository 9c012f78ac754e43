//! The zygote: a process with one thread that stands ready to fork children. It reads no media, and
//! nothing that a child does reaches it.

use super::{
    Measures, child, confine,
    wire::{Hello, Report},
};
use medianest_core::{Limits, MediaProcessor};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, recvmsg, sendmsg,
    },
    process::{Pid, PidfdFlags, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, waitid},
    stdio,
};
use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Serves the control socket on descriptor 0 until its other end closes.
pub(super) fn run<P: MediaProcessor>(processor: &P) -> ! {
    let served = catch_unwind(AssertUnwindSafe(|| Zygote::ready(processor).and_then(Zygote::serve)));
    exit(i32::from(!matches!(served, Ok(Ok(())))))
}

struct Zygote<'a, P> {
    processor: &'a P,
    /// Address space of this process, and so of a fresh child.
    base: u64,
    children: Vec<Running>,
}

struct Running {
    pidfd: OwnedFd,
    reports: OwnedFd,
}

/// What comes with a message on the control socket.
struct Job {
    socket: OwnedFd,
    reports: OwnedFd,
    stderr: OwnedFd,
}

impl<'a, P: MediaProcessor> Zygote<'a, P> {
    fn ready(processor: &'a P) -> io::Result<Self> {
        rustix::thread::set_name(c"media-zygote")?;
        confine::ignore_signals();
        confine::forget_environment();
        confine::silence()?;
        let no_network = confine::leave_network();
        crate::processor::warm_up();
        let base = confine::address_space();
        let hello = Hello {
            version: String::from(env!("CARGO_PKG_VERSION")),
            measures: try_confinement(base)
                .map(|unprivileged| Measures { no_network, unprivileged })
                .map_err(|error| error.to_string()),
        };
        send(stdio::stdin(), &serde_json::to_vec(&hello)?, &[])?;
        Ok(Self { processor, base, children: Vec::new() })
    }

    fn serve(mut self) -> io::Result<()> {
        loop {
            let control = stdio::stdin();
            let mut fds = vec![PollFd::new(&control, PollFlags::IN)];
            fds.extend(self.children.iter().map(|child| PollFd::new(&child.pidfd, PollFlags::IN)));
            match poll(&mut fds, None) {
                Err(Errno::INTR) => continue,
                polled => polled?,
            };
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(fds);
            for index in (0..self.children.len()).rev().filter(|index| ready[index + 1]) {
                self.children.swap_remove(index).report_end();
            }
            if ready[0] {
                let (message, fds) = receive(control)?;
                if message.is_empty() {
                    return Ok(());
                }
                // Short of descriptors, the kernel delivers fewer: the server sees its ends close.
                if let Ok([socket, stderr, reports]) = <[OwnedFd; 3]>::try_from(fds) {
                    self.launch(Job { socket, stderr, reports });
                }
            }
        }
    }

    fn launch(&mut self, job: Job) {
        let pidfd = match fork() {
            Ok(None) => self.be_child(job),
            Ok(Some(pid)) => pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from),
            Err(error) => Err(error),
        };
        // Nobody may be there any more to hear it: fine.
        let _ = match &pidfd {
            Ok(pidfd) => report(&job.reports, &Report::Started, &[pidfd.as_fd()]),
            Err(error) => report(&job.reports, &Report::Refused(error.to_string()), &[]),
        };
        if let Ok(pidfd) = pidfd {
            self.children.push(Running { pidfd, reports: job.reports });
        }
    }

    fn be_child(&self, job: Job) -> ! {
        let serve = || -> io::Result<()> {
            rustix::thread::set_name(c"media-decoder")?;
            stdio::dup2_stderr(&job.stderr)?;
            confine::keep_only(&job.socket)?;
            let socket = UnixStream::from(stdio::stdin().try_clone_to_owned()?);
            child::serve(socket, self.processor, self.base)
        };
        let served = catch_unwind(AssertUnwindSafe(serve));
        exit(i32::from(!matches!(served, Ok(Ok(())))))
    }
}

impl Running {
    fn report_end(self) {
        let end = match waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED) {
            Ok(Some(status)) => end(&status),
            Ok(None) => return,
            Err(error) => Report::Refused(error.to_string()),
        };
        let _ = report(&self.reports, &end, &[]);
    }
}

fn end(status: &WaitIdStatus) -> Report {
    match status.terminating_signal() {
        Some(signal) => Report::Killed(signal),
        None => Report::Exited(status.exit_status().unwrap_or(-1)),
    }
}

/// Confines a first child; true when it was without privileges afterwards.
fn try_confinement(base: u64) -> io::Result<bool> {
    let Some(pid) = fork()? else {
        let unprivileged =
            confine::confine(&Limits::default(), base).map(|()| !rustix::process::geteuid().is_root());
        exit(match unprivileged {
            Ok(true) => 0,
            Ok(false) => 1,
            Err(error) => error.raw_os_error().unwrap_or(255).clamp(2, 255),
        })
    };
    let status = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED)?;
    match status.as_ref().map(end) {
        Some(Report::Exited(code @ 0..=1)) => Ok(code == 0),
        Some(Report::Exited(code)) => Err(io::Error::from_raw_os_error(code)),
        ended => Err(io::Error::other(format!("the first child ended otherwise: {ended:?}"))),
    }
}

/// Forks; None in the child.
fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the process has one thread, so the child may do whatever the parent may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// Ends this process without running what the server registered for its own end.
pub(super) fn exit(status: i32) -> ! {
    // SAFETY: ends the process and touches no memory.
    unsafe { libc::_exit(status) }
}

fn report(to: &OwnedFd, report: &Report, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    send(to, &serde_json::to_vec(report)?, fds)
}

/// Sends one message, with at most three descriptors.
pub(super) fn send(to: impl AsFd, message: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    loop {
        match sendmsg(&to, &[IoSlice::new(message)], &mut ancillary, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            sent => return Ok(sent.map(drop)?),
        }
    }
}

/// Receives one message, with at most three descriptors; an empty one when the other end is closed.
pub(super) fn receive(from: impl AsFd) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut message = vec![0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let buffers = &mut [IoSliceMut::new(&mut message)];
        match recvmsg(&from, buffers, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            received => break received?,
        }
    };
    message.truncate(received.bytes);
    let fds = ancillary.drain().flat_map(|ancillary| match ancillary {
        RecvAncillaryMessage::ScmRights(fds) => fds.collect(),
        _ => Vec::new(),
    });
    Ok((message, fds.collect()))
}
