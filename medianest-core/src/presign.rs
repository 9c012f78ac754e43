//! What some stores can do beyond storing: give out URLs.

use crate::{BlobKey, Multipart, Result};
use async_trait::async_trait;
use std::{fmt, time::Duration};

/// What a [`BlobStore`](crate::BlobStore) can do beyond storing; what it cannot is None.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Capabilities<'a> {
    /// It gives out URLs that it answers itself.
    pub presign: Option<&'a dyn Presign>,
    /// It takes parts by URLs that it answers itself.
    pub multipart: Option<&'a dyn Multipart>,
}

/// Gives out URLs that a store answers itself, so that bytes need not pass through us.
#[async_trait]
pub trait Presign: fmt::Debug + Send + Sync {
    /// What its URLs begin with, up to the path (`https://media.s3.example.org`): pages have to allow it
    /// in their content policy.
    fn origin(&self) -> &str;

    /// A URL by which anybody who has it reads the bytes of `key` by GET, also in ranges, for `valid` from
    /// now on. Answers carry `headers`. Whether there are bytes is not looked at.
    ///
    /// # Errors
    /// `Unavailable` when there are no credentials to sign with.
    async fn presign_get(&self, key: &BlobKey, headers: &PresignedHeaders, valid: Duration)
    -> Result<String>;
}

/// What a store says of bytes that are read by a URL of [`Presign`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresignedHeaders {
    /// `Content-Type`.
    pub content_type: String,
    /// `Content-Disposition`.
    pub content_disposition: String,
    /// `Cache-Control`.
    pub cache_control: String,
}
