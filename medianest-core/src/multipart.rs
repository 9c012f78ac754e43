//! Uploads whose parts go from their sender to the store itself.

use crate::{BlobKey, Result, Sha256};
use async_trait::async_trait;
use std::{fmt, time::Duration};

/// How long a URL that a store answers itself is good for at most: whoever loses a right keeps what such
/// a URL gives until then.
pub const LONGEST_PRESIGNED: Duration = Duration::from_secs(15 * 60);

/// Takes an upload in parts, each by a URL that the store answers itself, so that bytes need not pass
/// through us; what they become is said by us alone.
///
/// An upload that is not completed within a day may be gone, as [`BlobStore::sweep`] clears it away.
///
/// Prove an implementation with the conformance suite: `medianest_core::multipart_tests!`.
///
/// [`BlobStore::sweep`]: crate::BlobStore::sweep
#[async_trait]
pub trait Multipart: fmt::Debug + Send + Sync {
    /// What parts have to be like.
    fn rules(&self) -> PartRules;

    /// Begins an upload under a key that has no bytes, and gets none otherwise until it has ended.
    ///
    /// # Errors
    /// `blob_exists` (Conflict); `Unavailable`.
    async fn begin(&self, key: &BlobKey) -> Result<MultipartId>;

    /// A URL by which anybody who has it sends one part by `PUT`, for `valid` from now on, or for
    /// [`LONGEST_PRESIGNED`] when that is shorter. The store takes exactly as many bytes as `part` says,
    /// with its SHA-256 where [the rules](PartRules::sha256) want one. A part that is sent again replaces
    /// the earlier one. Whether there is such an upload is not looked at.
    ///
    /// # Errors
    /// `invalid_part` when it is against the rules; `Unavailable` when there are no credentials to sign
    /// with.
    async fn presign_part(
        &self,
        key: &BlobKey,
        upload: &MultipartId,
        part: &PartRequest,
        valid: Duration,
    ) -> Result<PartUrl>;

    /// The parts that are there, by their numbers.
    ///
    /// # Errors
    /// `upload_not_found` when there is no such upload, also when it has ended; `Unavailable`.
    async fn parts(&self, key: &BlobKey, upload: &MultipartId) -> Result<Vec<StoredPart>>;

    /// Makes the bytes under `key` out of these parts, which are numbered from 1 on, and returns how many
    /// bytes that are. They become visible as a whole or not at all, and no URL of the upload changes
    /// them any more. An upload that was completed already gives its size again, whatever `parts` are.
    ///
    /// # Errors
    /// `parts_differ` (Conflict) when the store has others than these, and `invalid_part` when one but
    /// the last is too small: nothing has happened then. `upload_not_found`; `Unavailable`, after which it
    /// may have happened.
    async fn complete(&self, key: &BlobKey, upload: &MultipartId, parts: &[SentPart]) -> Result<u64>;

    /// Ends an upload without bytes. Succeeds when there is none; one that was completed stays so.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn abort(&self, key: &BlobKey, upload: &MultipartId) -> Result<()>;
}

/// What parts have to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartRules {
    /// Bytes of a part at least; the last may have fewer.
    pub min_size: u64,
    /// Bytes of a part at most.
    pub max_size: u64,
    /// How many parts an upload has at most.
    pub max_parts: u32,
    /// Whether the SHA-256 of each part is told beforehand, and checked by the store.
    pub sha256: bool,
}

impl PartRules {
    /// What Amazon S3 asks for, which others take as well: 5 MiB to 5 GiB, 10,000 parts.
    pub fn s3(sha256: bool) -> Self {
        Self { min_size: 5 << 20, max_size: 5 << 30, max_parts: 10_000, sha256 }
    }
}

/// The name of an upload, as its store gave it. Who knows it can do nothing with it alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MultipartId(pub String);

impl fmt::Display for MultipartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A part that is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRequest {
    /// Its place, from 1 on.
    pub number: u32,
    /// Its bytes.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: Option<Sha256>,
}

/// Where a part is sent to, by `PUT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartUrl {
    /// The URL.
    pub url: String,
    /// Headers that have to be sent with exactly these values, beside the `Content-Length` that every
    /// client sends by itself.
    pub headers: Vec<(String, String)>,
    /// How long it is good for.
    pub valid: Duration,
}

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// Its place, from 1 on.
    pub number: u32,
    /// Its bytes.
    pub size: u64,
    /// What the store answered its sender, as far as it tells again.
    pub etag: Option<String>,
}

/// A part that its sender says to have sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentPart {
    /// Its place, from 1 on.
    pub number: u32,
    /// The `ETag` of the store's answer.
    pub etag: String,
    /// The SHA-256 that it was sent with, where [the rules](PartRules::sha256) want one.
    pub sha256: Option<Sha256>,
}
