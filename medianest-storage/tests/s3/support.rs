use bytes::Bytes;
use futures::{StreamExt, stream};
use medianest_core::{BlobKey, ByteStream};
use medianest_storage::{ObjectBlobs, S3Options};
use medianest_testkit::{
    faults::FaultProxy,
    s3::{self, Bucket},
};
use std::time::Duration;

pub(crate) const MIB: usize = 1 << 20;

pub(crate) fn key(text: &str) -> BlobKey {
    BlobKey::new(text).unwrap()
}

/// A store in a bucket of its own, behind a proxy of its own. Its patience is short.
pub(crate) struct Nest {
    pub(crate) blobs: ObjectBlobs,
    pub(crate) proxy: FaultProxy,
    pub(crate) bucket: Bucket,
}

pub(crate) fn nest() -> Nest {
    let bucket = s3::bucket();
    let proxy = FaultProxy::start(bucket.address());
    let blobs = ObjectBlobs::s3(options(&bucket, proxy.endpoint())).unwrap();
    Nest { blobs, proxy, bucket }
}

pub(crate) fn options(bucket: &Bucket, endpoint: String) -> S3Options {
    let mut options = S3Options::new(bucket.name());
    options.endpoint = Some(endpoint);
    options.access_key_id = Some(s3::ACCESS_KEY_ID.into());
    options.secret_access_key = Some(s3::SECRET_ACCESS_KEY.into());
    options.patience.first_delay = Duration::from_millis(2);
    options.patience.silence = Duration::from_secs(2);
    options.patience.retries = 3;
    options
}

/// Bytes that are nowhere the same.
pub(crate) fn noise(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect::<Vec<u8>>().into()
}

/// A body in chunks of 64 KiB.
pub(crate) fn body(bytes: &Bytes) -> ByteStream {
    let mut rest = bytes.clone();
    stream::iter(std::iter::from_fn(move || {
        let chunk = rest.split_to(rest.len().min(64 * 1024));
        (!chunk.is_empty()).then_some(Ok(chunk))
    }))
    .boxed()
}

impl Nest {
    /// The names of all objects, also of those that are no blobs.
    pub(crate) fn objects(&self) -> Vec<String> {
        fn walk(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        walk(&self.bucket.folder(), &mut found);
        let below = |path: &std::path::PathBuf| {
            path.strip_prefix(self.bucket.folder()).unwrap().to_string_lossy().into_owned()
        };
        let mut names: Vec<_> = found.iter().map(below).collect();
        names.sort();
        names
    }
}
