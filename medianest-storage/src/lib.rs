//! Where [MediaNest](https://github.com/medianest/medianest) keeps its state: rows in SQLite or
//! PostgreSQL, bytes in files, in memory or in a bucket.
//!
//! Both catalogs implement everything in [`medianest_core::catalog`], from the same statements, and are
//! proven by the same suites. Neither migrates by itself: the program decides when.
//!
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use medianest_core::{Clock, LibraryId, NewEvent, PageRequest, Recipe, StoreName, SystemClock};
//! use medianest_core::{TenantId, Visibility};
//! use medianest_core::catalog::{AssetCatalog, Catalog, NewLibrary};
//! use medianest_storage::SqliteCatalog;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> medianest_core::Result<()> {
//! let catalog = SqliteCatalog::in_memory().await?; // or open("nest/catalog.db")
//! catalog.migrate().await?;
//!
//! let (id, tenant, at) = (LibraryId::new(), TenantId::DEFAULT, SystemClock.now());
//! let event = NewEvent::in_library(tenant, id, "library.created", at, serde_json::json!({}));
//! let (name, owner) = ("holidays".to_owned(), "olga".to_owned());
//! let (recipe, store) = (Recipe::standard(), StoreName::DEFAULT);
//! catalog.create_library(NewLibrary { id, tenant, name, owner, recipe, store, at, event }).await?;
//!
//! let visible = Visibility::member(tenant, "olga");
//! let libraries = catalog.list_libraries(&visible, &PageRequest::first()).await?;
//! assert_eq!(libraries.items[0].name, "holidays");
//! # Ok(())
//! # }
//! ```
//!
//! Most programs hand them to `medianest_core::Engine` instead of calling them.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `sqlite` (default) | `SqliteCatalog`: a file or memory; SQLite is compiled in |
//! | `postgres` | `PostgresCatalog` and `PostgresBus`: PostgreSQL 15 or newer, also as a guest in your own database |
//! | `redis` | `Redis` with `RedisSessions`, `RedisBus`, `RedisDispatcher`, `RedisLimits` and `RedisCache`: Redis 7 or newer, alone, behind Sentinels or as a Cluster |
//! | `local` (default) | `ObjectBlobs`: bytes in local files, durably, or in memory |
//! | `s3` | `ObjectBlobs::s3`: a bucket of Amazon S3, or of anybody who speaks the same |
//! | `gcs` | `ObjectBlobs::gcs`: a bucket of Google Cloud Storage |
//! | `azure` | `ObjectBlobs::azure`: a container of Azure Blob Storage |

#[cfg(feature = "local")]
mod blobs;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
#[macro_use]
mod sql;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod catalog;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "local", feature = "sqlite", feature = "postgres", feature = "redis"))]
mod trust;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod wakeups;

#[cfg(feature = "redis")]
pub use self::redis::{
    Redis, RedisBus, RedisCache, RedisDispatcher, RedisLimits, RedisOptions, RedisServer, RedisSessions,
};
#[cfg(feature = "azure")]
pub use blobs::AzureOptions;
#[cfg(feature = "gcs")]
pub use blobs::GcsOptions;
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
pub use blobs::Patience;
#[cfg(feature = "s3")]
pub use blobs::S3Options;
#[cfg(feature = "local")]
pub use blobs::{Mirror, ObjectBlobs};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use catalog::SqlCatalog;
#[cfg(feature = "postgres")]
pub use postgres::{Connections, Postgres, PostgresBus, PostgresCatalog, PostgresOptions, PostgresServer};
#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteCatalog};
#[cfg(feature = "postgres")]
pub use sqlx::{PgConnection, PgPool};
