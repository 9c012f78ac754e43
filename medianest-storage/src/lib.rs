//! storage

#[cfg(feature = "local")]
mod blobs;
#[cfg(feature = "local")]
pub use blobs::ObjectBlobs;
