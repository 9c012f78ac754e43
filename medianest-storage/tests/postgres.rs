//! [`PostgresCatalog`], against a real server.
#![cfg(feature = "postgres")]

use medianest_core::catalog::Catalog;
use medianest_storage::{PostgresBus, PostgresCatalog};
use medianest_testkit::postgres::{Database, database};

async fn migrated() -> (PostgresCatalog, Database) {
    let database = database();
    let catalog = PostgresCatalog::connect(&database.url()).await.unwrap();
    catalog.migrate().await.unwrap();
    (catalog, database)
}

async fn bus() -> (PostgresBus, (PostgresCatalog, Database)) {
    let (catalog, database) = migrated().await;
    (PostgresBus::start(catalog.pool().clone()), (catalog, database))
}

medianest_core::catalog_tests!(postgres, migrated().await);
medianest_core::identity_tests!(identity, migrated().await);
medianest_core::event_bus_tests!(notify, bus().await);
