//! The suites that prove a backend: one per trait, each case a sentence of the trait's documentation.
//!
//! A suite's macro lists its cases once and emits one test for each, in a module that you name. A
//! backend is finished when its line is there and everything is green. A case reads and writes nothing
//! but the backend it was given.
//!
//! | macro | proves | for |
//! |---|---|---|
//! | [`blob_store_tests!`](crate::blob_store_tests) | [`BlobStore`](crate::BlobStore) | everybody |
//! | [`multipart_tests!`](crate::multipart_tests) | [`Multipart`](crate::Multipart) | everybody |
//! | [`cache_tests!`](crate::cache_tests) | [`Cache`](crate::Cache) | everybody |
//! | [`event_bus_tests!`](crate::event_bus_tests) | [`EventBus`](crate::EventBus) | everybody |
//! | [`rate_limiter_tests!`](crate::rate_limiter_tests) | [`RateLimiter`](crate::RateLimiter) | everybody |
//! | [`session_store_tests!`](crate::session_store_tests) | `SessionStore` (feature `auth`) | everybody |
//! | [`session_memory_tests!`](crate::session_memory_tests) | what one should do that remembers | everybody |
//! | [`catalog_tests!`](crate::catalog_tests) | [`Catalog`](crate::catalog::Catalog) | our own backends |
//! | [`identity_tests!`](crate::identity_tests) | [`IdentityCatalog`](crate::catalog::IdentityCatalog) | our own backends |
//!
//! # Proving a store of your own
//!
//! Depend on this crate once more, with the feature, in `[dev-dependencies]`:
//!
//! ```toml
//! [dev-dependencies]
//! medianest-core = { version = "0.1", features = ["conformance"] }
//! ```
//!
//! and let a test in `tests/` make a fresh, empty store for each case. The expression gives the store
//! and whatever must live as long as the store does; it may `.await`.
//!
//! ```
//! medianest_core::blob_store_tests!(memory, (medianest_core::MemoryBlobs::new(), ()));
//!
//! medianest_core::blob_store_tests!(in_a_folder, {
//!     let folder = tempfile_of_yours().await;
//!     (medianest_core::MemoryBlobs::new(), folder)
//! });
//! # async fn tempfile_of_yours() {}
//! # fn main() {}
//! ```
//!
//! Each case runs on a Tokio runtime of its own with several threads. A case fails by panicking, as
//! any test.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing case panics")]

pub mod assets;
pub mod audit;
pub mod blob_store;
pub mod bus;
pub mod cache;
mod catalog;
pub mod events;
mod fixture;
pub mod identity;
pub mod jobs;
pub mod lifecycle;
pub mod multipart;
pub mod periods;
pub mod rate_limiter;
pub mod search;
#[cfg(feature = "auth")]
pub mod session_store;
pub mod setbacks;

#[doc(hidden)]
pub use assets::{fencing, ingest, libraries, lists, reclaim, renditions, stores, trash};

use crate::{Error, ErrorKind};
use std::{fmt::Debug, future::Future};

/// Runs a case to its end.
#[doc(hidden)]
pub fn run(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime can be started").block_on(case);
}

/// Emits a module with a test for each case of a suite.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($name:ident, $backend:ty, $make:expr, $suite:ident { $($(#[$attribute:meta])* $case:ident,)+ }) => {
        mod $name {
            #[expect(unused_imports, reason = "for the expression that makes a backend")]
            use super::*;
            $(
                #[test]
                $(#[$attribute])*
                fn $case() {
                    $crate::conformance::run(async {
                        let (backend, _guard) = $make;
                        let backend: ::std::sync::Arc<$backend> = ::std::sync::Arc::new(backend);
                        $crate::conformance::$suite::$case(backend).await;
                    });
                }
            )+
        }
    };
}

/// Asserts that a command failed with this kind and code.
#[track_caller]
fn assert_fails<T: Debug>(result: Result<T, Error>, kind: ErrorKind, code: &str) {
    match result {
        Err(error) => assert_eq!((error.kind(), error.code()), (kind, code), "{error:?}"),
        Ok(value) => panic!("expected {kind:?} [{code}], got {value:?}"),
    }
}

/// Numbers that look random and are the same each time
/// ([SplitMix64](https://doi.org/10.1145/2714064.2660195)).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    crate::blob_store_tests!(memory_blobs, (crate::MemoryBlobs::new(), ()));
    crate::event_bus_tests!(memory_bus, (crate::MemoryBus::new(), ()));
    crate::cache_tests!(memory_cache, (crate::MemoryCache::new(8 << 20), ()));
    crate::rate_limiter_tests!(memory_limits, (crate::MemoryLimits::new(100), ()));

    #[cfg(feature = "auth")]
    mod sessions {
        crate::session_store_tests!(
            memory,
            (crate::auth::MemorySessions::new(100, ::std::sync::Arc::new(crate::SystemClock)), ())
        );
        crate::session_memory_tests!(
            memory_remembers,
            (crate::auth::MemorySessions::new(100, ::std::sync::Arc::new(crate::SystemClock)), ())
        );
        crate::session_store_tests!(catalog, (crate::auth::CatalogSessions, ()));
    }
}
