//! What a zygote and its children give up.

use medianest_core::Limits;
use rustix::{
    fs::{Mode, OFlags},
    process::{DumpableBehavior, Resource, Rlimit, Signal},
    stdio,
    thread::{CapabilitySet, CapabilitySets, UnshareFlags},
};
use std::{fs, io, os::fd::AsFd};

/// User and group `nobody`.
const NOBODY: u32 = 65_534;
/// Address space beyond [`Limits::max_memory`] when that of the zygote cannot be measured.
const ASSUMED_BASE: u64 = 512 << 20;

/// Overwrites the environment, whose secrets would otherwise be in the memory of every child.
pub(super) fn forget_environment() {
    unsafe extern "C" {
        static mut environ: *mut *mut libc::c_char;
    }
    // SAFETY: the process has one thread, so nobody else reads or changes the environment; `environ`
    // is null or a null-terminated array of writable C strings, which stay where they are.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            (*entry).write_bytes(0, libc::strlen(*entry));
            entry = entry.add(1);
        }
        if !environ.is_null() {
            *environ = std::ptr::null_mut();
        }
    }
}

/// Outlives the signals that end the server, which may still want to finish its jobs; the zygote goes
/// when the server's end of the socket closes. A write over [`Resource::Fsize`] is an error, not a death.
pub(super) fn ignore_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGPIPE, libc::SIGXFSZ] {
        // SAFETY: ignoring a signal installs no code.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Puts `socket` on descriptor 0 and closes all but the standard ones.
pub(super) fn keep_only(socket: impl AsFd) -> io::Result<()> {
    stdio::dup2_stdin(socket)?;
    // SAFETY: a process that calls this never again uses, or drops, a descriptor from before.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
    if closed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Connects standard output and error to nothing.
pub(super) fn silence() -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    stdio::dup2_stdout(&null)?;
    stdio::dup2_stderr(&null)?;
    Ok(())
}

/// Moves into a network without interfaces, where that is permitted: to root, and to everybody on
/// kernels that let unprivileged users make namespaces. True when it worked.
pub(super) fn leave_network() -> bool {
    let alone = if rustix::process::geteuid().is_root() {
        UnshareFlags::NEWNET
    } else {
        UnshareFlags::NEWUSER | UnshareFlags::NEWNET
    };
    // SAFETY: neither namespace changes memory or descriptors.
    let left = unsafe { rustix::thread::unshare_unsafe(alone) }.is_ok();
    if !rustix::process::geteuid().is_root() {
        // A new user namespace comes with all its capabilities. Failing is fine: then there are none.
        let _ = drop_capabilities();
    }
    left
}

fn drop_capabilities() -> io::Result<()> {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

/// The address space of this process in bytes.
pub(super) fn address_space() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|statm| statm.split_whitespace().next()?.parse::<u64>().ok());
    pages.map_or(ASSUMED_BASE, |pages| pages * rustix::param::page_size() as u64)
}

/// Confines a child before it sees a byte of the media: limits, no privileges, nothing to open.
/// `base` is the address space that it has already.
///
/// What is not here yet: landlock rules and seccomp filters. They belong after everything else, at
/// the end of this function.
///
/// # Errors
/// When a measure fails that the kernel always grants.
pub(super) fn confine(limits: &Limits, base: u64) -> io::Result<()> {
    // Under memory pressure the kernel kills the child, not the server. A wish, not a measure.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");

    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let cpu_seconds = limits.deadline_seconds.saturating_mul(threads).saturating_add(1);
    limit(Resource::As, base.saturating_add(limits.max_memory))?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Core, 0)?;
    // The soft limit kills with a signal that tells why; the hard one follows for who ignores it.
    limit(Resource::Cpu, cpu_seconds.saturating_add(1))?;
    let hard = rustix::process::getrlimit(Resource::Cpu).maximum;
    let soft = hard.map(|seconds| seconds.saturating_sub(1));
    rustix::process::setrlimit(Resource::Cpu, Rlimit { current: soft, maximum: hard })?;
    #[cfg(target_env = "gnu")]
    {
        // Each arena reserves 64 MiB of address space.
        // SAFETY: mallopt takes two numbers.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
    }

    become_nobody()?;
    rustix::thread::set_no_new_privs(true)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // Last of the process attributes: a change of user forgets it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    limit(Resource::Nofile, 0)
}

/// Gives up root, if we are root and root may.
fn become_nobody() -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let (uid, gid) = (rustix::process::Uid::from_raw(NOBODY), rustix::process::Gid::from_raw(NOBODY));
    let become_them = || -> rustix::io::Result<()> {
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_res_gid(gid, gid, gid)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid)
    };
    match become_them() {
        // A container that took the right away, or knows no `nobody`.
        Err(rustix::io::Errno::PERM | rustix::io::Errno::INVAL) => drop_capabilities(),
        other => Ok(other?),
    }
}

/// Sets a limit for good; one that is lower already stays.
fn limit(resource: Resource, value: u64) -> io::Result<()> {
    let value = rustix::process::getrlimit(resource).maximum.map_or(value, |lower| lower.min(value));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}
