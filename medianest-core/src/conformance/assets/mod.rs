//! The suite of [`AssetCatalog`](crate::catalog::AssetCatalog), by topic.

pub mod fencing;
pub mod ingest;
pub mod libraries;
pub mod lists;
pub mod reclaim;
pub mod renditions;
pub mod stores;
pub mod trash;
