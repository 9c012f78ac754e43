use super::{super::ObjectBlobs, Cloud, Patience, invalid};
use medianest_core::{BlobKey, Result};
use object_store::gcp::GoogleCloudStorageBuilder;
use std::path::PathBuf;

/// Where a bucket of Google Cloud Storage is, and how it is talked to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GcsOptions {
    /// The bucket; it has to be there.
    pub bucket: String,
    /// Keys are below this folder of the bucket.
    pub prefix: Option<BlobKey>,
    /// The file with the key of the service account. Without one, what the process finds around it is
    /// used: `GOOGLE_…` variables, the application's default credentials, the role of the machine.
    pub service_account_file: Option<PathBuf>,
    /// How long the store is waited for.
    pub patience: Patience,
}

impl GcsOptions {
    /// This bucket, with what credentials the process finds.
    pub fn new(bucket: impl Into<String>) -> Self {
        let bucket = bucket.into();
        Self { bucket, prefix: None, service_account_file: None, patience: Patience::default() }
    }
}

impl ObjectBlobs {
    /// Blobs in a bucket of Google Cloud Storage. Nothing is asked of the store yet.
    ///
    /// # Errors
    /// `invalid_store` when the options cannot be right, or the file with the key cannot be read.
    pub fn gcs(options: GcsOptions) -> Result<Self> {
        let mut builder = match &options.service_account_file {
            Some(file) => GoogleCloudStorageBuilder::new().with_service_account_path(file.to_string_lossy()),
            None => GoogleCloudStorageBuilder::from_env(),
        };
        builder = builder
            .with_bucket_name(options.bucket)
            .with_retry(options.patience.retry())
            .with_client_options(options.patience.client(false));
        let origin = Some(String::from("https://storage.googleapis.com"));
        let store = builder.build().map_err(invalid)?;
        let cloud = Cloud::below(store, options.prefix.as_ref(), options.patience);
        Ok(Self::cloud(Cloud { origin, keeps_unfinished: true, ..cloud }))
    }
}
