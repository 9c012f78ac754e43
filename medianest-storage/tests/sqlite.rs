//! [`SqliteCatalog`], in a file and in memory.
#![cfg(feature = "sqlite")]

use medianest_core::catalog::Catalog;
use medianest_storage::SqliteCatalog;

async fn in_memory() -> SqliteCatalog {
    let catalog = SqliteCatalog::in_memory().await.unwrap();
    catalog.migrate().await.unwrap();
    catalog
}

async fn in_file() -> (SqliteCatalog, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(folder.path().join("nest.db")).await.unwrap();
    catalog.migrate().await.unwrap();
    (catalog, folder)
}

medianest_core::catalog_tests!(memory, (in_memory().await, ()));
medianest_core::identity_tests!(memory_identity, (in_memory().await, ()));
medianest_core::catalog_tests!(file, in_file().await);
medianest_core::identity_tests!(file_identity, in_file().await);
