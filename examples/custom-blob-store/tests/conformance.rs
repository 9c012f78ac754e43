//! All that MediaNest expects of a blob store.

use custom_blob_store::FolderBlobs;

medianest_core::blob_store_tests!(folder_blobs, {
    let folder = tempfile::tempdir().unwrap();
    (FolderBlobs::open(folder.path()).await.unwrap(), folder)
});
