//! Stores of media as they are configured.

use crate::config::{Secret, Store, StoreKind};
use medianest_core::{BlobStore, Result};
use medianest_storage::{AzureOptions, GcsOptions, Mirror, ObjectBlobs, S3Options};
use std::sync::Arc;

/// A store with its mirror, if it has one.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_mirrored(name: &str, store: &Store) -> Result<Arc<dyn BlobStore>> {
    Ok(match mirror(name, store)? {
        Some(mirror) => Arc::new(mirror),
        None => Arc::new(open(name, store)?),
    })
}

/// The mirror of a store and its copy; None when it has none.
///
/// # Errors
/// As [`open`].
pub(crate) fn mirror(name: &str, store: &Store) -> Result<Option<Mirror>> {
    let Some(copy) = &store.mirror else { return Ok(None) };
    Ok(Some(Mirror::new(open(name, store)?, open(&format!("{name}.mirror"), copy)?)))
}

/// A store without its mirror, of which nothing is asked yet but that a local folder can be written to.
///
/// # Errors
/// `configuration`; `invalid_store`; `storage_unavailable`.
pub(crate) fn open(name: &str, store: &Store) -> Result<ObjectBlobs> {
    let opened = match store.kind {
        StoreKind::Local => ObjectBlobs::local(store.dir.clone().unwrap_or_default()),
        StoreKind::S3 => ObjectBlobs::s3(s3(store)?),
        StoreKind::Gcs => {
            let mut options = GcsOptions::new(bucket(store));
            options.prefix = store.prefix()?;
            options.service_account_file.clone_from(&store.service_account_file);
            ObjectBlobs::gcs(options)
        }
        StoreKind::Azure => {
            let mut options = AzureOptions::new(store.account.clone().unwrap_or_default(), bucket(store));
            options.prefix = store.prefix()?;
            options.access_key = secret(store)?;
            ObjectBlobs::azure(options)
        }
    };
    opened.map_err(|error| error.with("store", name))
}

fn s3(store: &Store) -> Result<S3Options> {
    let mut options = S3Options::new(bucket(store));
    options.endpoint.clone_from(&store.endpoint);
    options.path_style = store.path_style;
    options.prefix = store.prefix()?;
    options.ca_file.clone_from(&store.ca_file);
    options.access_key_id.clone_from(&store.access_key_id);
    options.secret_access_key = secret(store)?;
    if let Some(region) = &store.region {
        options.region.clone_from(region);
    }
    if let Some(checksums) = store.checksums {
        options.checksums = checksums;
    }
    Ok(options)
}

fn bucket(store: &Store) -> String {
    store.bucket.clone().unwrap_or_default()
}

fn secret(store: &Store) -> Result<Option<String>> {
    Ok(store.secret_key()?.as_ref().map(Secret::reveal).map(str::to_owned))
}
