//! Stores in the network: what S3, GCS and Azure have in common.

#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "s3")]
mod direct;
#[cfg(feature = "gcs")]
mod gcs;
mod patience;
mod presign;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "s3")]
mod sign;
#[cfg(feature = "s3")]
mod trusted;
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
use medianest_core::{BlobKey, Error, Multipart, Presign, Result};
use object_store::{
    MultipartUpload, ObjectStore, ObjectStoreExt, multipart::MultipartStore, path::Path, prefix::PrefixStore,
    signer::Signer,
};
use std::{fmt, sync::Arc, time::Duration};

/// How often what is not there is looked for again: most stores show at once what was written, not all.
const LATE: usize = 2;

/// What a store in the network can do beside storing.
struct Cloud {
    store: Arc<dyn CloudStore>,
    patience: Patience,
    /// What its URLs begin with; None when it cannot sign what we need.
    origin: Option<String>,
    /// Whether what is left of an upload stays until it is aborted.
    keeps_unfinished: bool,
    /// Parts that others send.
    #[cfg(feature = "s3")]
    direct: Option<direct::Direct>,
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

    async fn shows_late(&self, tried: usize) -> bool {
        if tried < LATE {
            self.patience.pause(tried).await;
        }
        tried < LATE
    }

    fn presign(&self) -> Option<&dyn Presign> {
        self.origin.as_ref().map(|_| self as &dyn Presign)
    }

    fn multipart(&self) -> Option<&dyn Multipart> {
        #[cfg(feature = "s3")]
        return self.direct.as_ref().map(|direct| direct as &dyn Multipart);
        #[cfg(not(feature = "s3"))]
        None
    }
}

/// What the clients of object_store are, also behind a prefix.
trait CloudStore: ObjectStore + MultipartStore + Signer {}

impl<T: ObjectStore + MultipartStore + Signer> CloudStore for T {}

impl Cloud {
    /// A store, or a folder of it, that gives out no URLs and keeps nothing unfinished.
    fn below<T: CloudStore>(store: T, prefix: Option<&BlobKey>, patience: Patience) -> Self {
        let store: Arc<dyn CloudStore> = match prefix {
            Some(prefix) => Arc::new(PrefixStore::new(store, prefix.as_str())),
            None => Arc::new(store),
        };
        Self {
            store,
            patience,
            origin: None,
            keeps_unfinished: false,
            #[cfg(feature = "s3")]
            direct: None,
        }
    }
}

impl ObjectBlobs {
    fn cloud(cloud: Cloud) -> Self {
        let store = Arc::clone(&cloud.store);
        Self { remote: Some(Arc::new(cloud)), ..Self::new(store) }
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
