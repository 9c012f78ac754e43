//! The commands, written once for both databases, and the traits of `medianest_core::catalog` on them.

mod assets;
mod audit;
mod backend;
mod cursor;
mod events;
mod identity;
mod jobs;
mod migrate;
mod periods;
mod search;
mod stores;
mod visible;

#[cfg(feature = "postgres")]
pub(crate) use assets::attach;
pub use backend::SqlCatalog;
pub(crate) use backend::{Backend, Command};
