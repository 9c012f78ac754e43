//! S3 servers of one test process: started with the first bucket, listening on a port of their own, gone
//! when the process dies by whatever means. Tests that stop servers have a [`Server`] of their own.
//!
//! Two of them, since no two are alike: [s3s-fs](https://crates.io/crates/s3s-fs), whose objects are
//! files that tests may look at ([`bucket`]), and [garage](https://garagehq.deuxfleurs.fr), which is run
//! each night. What asks for nothing but S3 ([`place`]) goes to garage when `MEDIANEST_TEST_S3=garage`.

mod garage;
mod s3s_fs;

pub use s3s_fs::{ACCESS_KEY_ID, Bucket, REGION, SECRET_ACCESS_KEY, Server, bucket};

use std::path::PathBuf;

/// An empty bucket for one test, and how it is reached.
#[derive(Debug)]
pub struct Place {
    /// The URL of the server, for path-style requests.
    pub endpoint: String,
    /// The name of the bucket.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The id of a key that may do everything in the bucket.
    pub access_key_id: String,
    /// The secret of that key.
    pub secret_access_key: String,
    _kept: Option<Bucket>,
}

/// A fresh empty bucket on the server that `MEDIANEST_TEST_S3` names: `s3s-fs`, the default, or `garage`.
///
/// # Panics
/// When that server is not on this machine or does not start, or when the variable names another.
pub fn place() -> Place {
    match std::env::var("MEDIANEST_TEST_S3").as_deref() {
        Ok("garage") => garage::place(),
        Ok("s3s-fs") | Err(_) => {
            let bucket = bucket();
            Place {
                endpoint: bucket.endpoint(),
                bucket: bucket.name().to_owned(),
                region: REGION.to_owned(),
                access_key_id: ACCESS_KEY_ID.to_owned(),
                secret_access_key: SECRET_ACCESS_KEY.to_owned(),
                _kept: Some(bucket),
            }
        }
        Ok(other) => panic!("MEDIANEST_TEST_S3 is s3s-fs or garage, not {other}"),
    }
}

/// A program that is below the cache folder, where `script/` puts it, or on the PATH.
fn program(name: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let ours = cache.map(|cache| cache.join("medianest/tools/bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = ours.into_iter().chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}
