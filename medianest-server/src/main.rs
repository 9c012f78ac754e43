//! The program `medianest`.

use std::process::ExitCode;

// Pages and pictures are many short-lived allocations from many threads: a fifth less CPU for a page of
// twenty than with glibc's, and no memory that is never given back.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What was freed goes back to the system after a second instead of ten: while an upload of gigabytes runs
/// through, that is 20 MiB less. See TUNING.md of jemalloc.
#[cfg(not(windows))]
#[expect(unsafe_code, reason = "the allocator looks for a symbol of this name, a C string")]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_OPTIONS: &[u8; 20] = b"dirty_decay_ms:1000\0";

fn main() -> ExitCode {
    medianest_server::run()
}
