use medianest_core::{Error, Result};
use medianest_testkit::authority::{Authority, Issued};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The identity of a server, and the file that says whom its clients trust.
pub(crate) struct Trust {
    pub(crate) authority: Authority,
    pub(crate) server: Issued,
    folder: TempDir,
}

impl Trust {
    /// A server whose certificate has some days left, vouched for by who is trusted.
    pub(crate) fn new() -> Self {
        let authority = Authority::new();
        let trust = Self { server: authority.issue(30), authority, folder: tempfile::tempdir().unwrap() };
        trust.is_in(&trust.authority);
        trust
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// From now on this authority is trusted, and no other.
    pub(crate) fn is_in(&self, authority: &Authority) {
        replace(&authority.certificate(), &self.ca_file());
    }
}

/// Nobody sees half of it.
fn replace(from: &Path, to: &Path) {
    let new = to.with_extension("new");
    std::fs::copy(from, &new).unwrap();
    std::fs::rename(new, to).unwrap();
}

/// Tries until it succeeds.
pub(crate) async fn in_the_end<T, F: Future<Output = Result<T>>>(attempt: impl Fn() -> F) -> T {
    let began = Instant::now();
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) if began.elapsed() > Duration::from_secs(120) => panic!("{}", error.report()),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Tries until it fails so: never is it half trusted.
pub(crate) async fn refused<T, F: Future<Output = Result<T>>>(code: &str, attempt: impl Fn() -> F) {
    in_the_end(|| async {
        match attempt().await {
            Ok(_) => Err(Error::internal("it was trusted")),
            Err(error) if error.code() == code => Ok(()),
            Err(error) => Err(error),
        }
    })
    .await;
}
