//! What a child has no more: environment, files, network, rights.
#![expect(unsafe_code, reason = "who we are is asked by a system call")]

use crate::bench::Bench;
use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
};

pub(crate) fn environment(bench: &Bench) {
    assert!(std::env::vars_os().count() > 0, "this program has one");
    assert_eq!(bench.order("environment").unwrap(), "0");
    let zygote = bench.order("zygote").unwrap();
    let memory = fs::read(format!("/proc/{zygote}/environ")).unwrap();
    assert!(memory.iter().all(|byte| *byte == 0), "the zygote still holds {} bytes", memory.len());
}

pub(crate) fn files(bench: &Bench) {
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
pub(crate) fn network(bench: &Bench) {
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

pub(crate) fn nobody(bench: &Bench) {
    let ids = bench.order("ids").unwrap();
    // SAFETY: these take nothing and cannot fail.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    if uid == 0 && bench.sandbox.measures().unwrap().unprivileged {
        assert_eq!(ids, "65534 65534");
    } else if !bench.sandbox.measures().unwrap().no_network {
        assert_eq!(ids, format!("{uid} {gid}"));
    }
}
