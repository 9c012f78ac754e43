//! Local files, memory and any other store prove themselves by the same suite.

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
