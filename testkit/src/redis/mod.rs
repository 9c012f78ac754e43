//! Redis servers of a test: on free ports of this machine, in temporary folders, gone when the test
//! process dies by whatever means. Nothing is kept on disk unless a test asks for it.

mod cluster;
mod sentinel;
mod server;

pub use cluster::{Cluster, cluster};
pub use sentinel::{Sentinel, sentinel};
pub use server::{Server, free_port, server};

use std::sync::atomic::{AtomicU32, Ordering};

/// A prefix of keys and channels that no other test of this process has, for a server that is shared.
pub fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
