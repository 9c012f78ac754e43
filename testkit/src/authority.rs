//! An authority that vouches for servers on this machine, by openssl.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};
use tempfile::TempDir;

/// The authority; what it issued goes with it.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    issued: AtomicU32,
}

/// A certificate for `localhost` and 127.0.0.1, with its key, in PEM.
#[derive(Debug)]
pub struct Issued {
    /// The file with the certificate.
    pub certificate: PathBuf,
    /// The file with its key.
    pub key: PathBuf,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// One that nobody trusts yet.
    ///
    /// # Panics
    /// When there is no openssl on this machine.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let authority = Self { folder, issued: AtomicU32::new(0) };
        let [key, certificate] = ["ca.key", "ca.pem"].map(|name| authority.path(name));
        openssl(
            Command::new("openssl")
                .args(["req", "-x509", "-days", "3650", "-subj", "/CN=authority", "-nodes"])
                .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
                .args(["-addext", "basicConstraints=critical,CA:TRUE", "-keyout"])
                .arg(key)
                .arg("-out")
                .arg(certificate),
        );
        authority
    }

    /// The file with its certificate, for who trusts it.
    pub fn certificate(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A certificate that is good for so many days; none below zero.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn issue(&self, days: i32) -> Issued {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let [key, request, certificate] =
            ["key", "csr", "pem"].map(|kind| self.path(&format!("{number}.{kind}")));
        openssl(
            Command::new("openssl")
                .args(["req", "-subj", "/CN=server", "-nodes", "-newkey", "ec"])
                .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
                .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout"])
                .arg(&key)
                .arg("-out")
                .arg(&request),
        );
        openssl(
            Command::new("openssl")
                .args(["x509", "-req", "-copy_extensions", "copy", "-CAcreateserial"])
                .args(["-days", &days.to_string(), "-in"])
                .arg(request)
                .arg("-CA")
                .arg(self.path("ca.pem"))
                .arg("-CAkey")
                .arg(self.path("ca.key"))
                .arg("-out")
                .arg(&certificate),
        );
        Issued { certificate, key }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Issued {
    /// Puts another one in its place, in the same files.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn replace_by(&self, other: &Self) {
        let copy = |from: &Path, to: &Path| std::fs::copy(from, to).expect("files can be written");
        copy(&other.certificate, &self.certificate);
        copy(&other.key, &self.key);
    }
}

fn openssl(command: &mut Command) {
    let made = command.output().expect("tests need openssl: run script/setup --test");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
