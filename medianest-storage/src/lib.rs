//! storage

#[cfg(feature = "local")]
mod blobs;
#[cfg(feature = "sql")]
#[macro_use]
mod sql;
#[cfg(feature = "sql")]
mod catalog;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "local")]
pub use blobs::ObjectBlobs;
#[cfg(feature = "sql")]
pub use catalog::SqlCatalog;
#[cfg(feature = "postgres")]
pub use postgres::{Postgres, PostgresBus, PostgresCatalog};
#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteCatalog};
#[cfg(feature = "postgres")]
pub use sqlx::{PgConnection, PgPool};
