//! Local files, memory, an S3 server and any other store prove themselves by the same suite.

#![cfg(feature = "local")]

use medianest_storage::ObjectBlobs;

medianest_core::blob_store_tests!(local, {
    let folder = tempfile::tempdir().unwrap();
    (ObjectBlobs::local(folder.path()).unwrap(), folder)
});

medianest_core::blob_store_tests!(memory, (ObjectBlobs::memory(), ()));

// Files by the way of foreign stores: whole objects, multipart uploads, aborts.
medianest_core::blob_store_tests!(foreign, {
    let folder = tempfile::tempdir().unwrap();
    let store = object_store::local::LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    (ObjectBlobs::new(std::sync::Arc::new(store)), folder)
});

#[cfg(feature = "s3")]
medianest_core::blob_store_tests!(
    s3,
    {
        let bucket = medianest_testkit::s3::bucket();
        let mut options = medianest_storage::S3Options::new(bucket.name());
        options.endpoint = Some(bucket.endpoint());
        options.access_key_id = Some(medianest_testkit::s3::ACCESS_KEY_ID.into());
        options.secret_access_key = Some(medianest_testkit::s3::SECRET_ACCESS_KEY.into());
        options.prefix = Some(medianest_core::BlobKey::new("nest/media").unwrap());
        (ObjectBlobs::s3(options).unwrap(), bucket)
    },
    odd_names: ignore = "s3s-fs names files after whole keys, and takes folders for objects"
);
