//! Stores in the network: what S3, GCS and Azure have in common.

#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "gcs")]
mod gcs;
mod patience;
mod presign;
#[cfg(feature = "s3")]
mod s3;
mod unfinished;

#[cfg(feature = "azure")]
pub use azure::AzureOptions;
#[cfg(feature = "gcs")]
pub use gcs::GcsOptions;
pub use patience::Patience;
#[cfg(feature = "s3")]
pub use s3::S3Options;

use super::{ObjectBlobs, Remote};
use async_trait::async_trait;
use medianest_core::{BlobKey, Error, Presign, Result};
use object_store::{
    MultipartUpload, ObjectStore, ObjectStoreExt, multipart::MultipartStore, path::Path, prefix::PrefixStore,
    signer::Signer,
};
use std::{fmt, sync::Arc, time::Duration};

/// What a store in the network can do beside storing.
struct Cloud {
    store: Arc<dyn CloudStore>,
    /// What its URLs begin with; None when it cannot sign what we need.
    origin: Option<String>,
    /// Whether what is left of an upload stays until it is aborted.
    keeps_unfinished: bool,
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud").field("origin", &self.origin).finish_non_exhaustive()
    }
}

#[async_trait]
impl Remote for Cloud {
    async fn begin(&self, path: Path) -> object_store::Result<Box<dyn MultipartUpload>> {
        match self.keeps_unfinished {
            true => unfinished::begin(&self.store, path).await,
            false => self.store.put_multipart(&path).await,
        }
    }

    async fn sweep(&self, silent_for: Duration) -> Result<u64> {
        match self.keeps_unfinished {
            true => unfinished::sweep(&*self.store, silent_for).await,
            false => Ok(0),
        }
    }

    fn presign(&self) -> Option<&dyn Presign> {
        self.origin.as_ref().map(|_| self as &dyn Presign)
    }
}

/// What the clients of object_store are, also behind a prefix.
trait CloudStore: ObjectStore + MultipartStore + Signer {}

impl<T: ObjectStore + MultipartStore + Signer> CloudStore for T {}

impl ObjectBlobs {
    fn cloud<T>(store: T, prefix: Option<&BlobKey>, origin: Option<String>, keeps_unfinished: bool) -> Self
    where
        T: CloudStore,
    {
        let store: Arc<dyn CloudStore> = match prefix {
            Some(prefix) => Arc::new(PrefixStore::new(store, prefix.as_str())),
            None => Arc::new(store),
        };
        let remote = Cloud { store: Arc::clone(&store), origin, keeps_unfinished };
        Self { remote: Some(Arc::new(remote)), ..Self::new(store) }
    }
}

/// The error for options that no client can be made of.
fn invalid(source: object_store::Error) -> Error {
    Error::invalid("invalid_store", "the blob store cannot be reached as configured").caused_by(source)
}

/// Whether an address is one without encryption; anything but `http://` and `https://` is refused.
#[cfg(feature = "s3")]
fn is_plain(endpoint: &str) -> Result<bool> {
    if endpoint.strip_prefix("http://").is_some_and(|host| !host.is_empty()) {
        return Ok(true);
    }
    match endpoint.strip_prefix("https://") {
        Some(host) if !host.is_empty() => Ok(false),
        _ => Err(Error::invalid(
            "invalid_store",
            "the endpoint of a blob store begins with https:// or http://",
        )
        .with("endpoint", endpoint)),
    }
}
