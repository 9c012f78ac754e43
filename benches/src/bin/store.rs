//! Sends bytes to an S3 bucket as the server does, reads them back, and says how fast that was and what
//! memory it took:
//!
//! ```sh
//! cargo run --release -p medianest-benches --bin medianest-store -- \
//!   --endpoint http://127.0.0.1:9000 --bucket bench --access-key-id ID --secret-key SECRET --mib 1024
//! ```
#![expect(clippy::print_stdout, reason = "this program talks to people")]

use bytes::Bytes;
use clap::Parser;
use futures::{StreamExt, TryStreamExt, stream};
use medianest_core::{BlobKey, BlobStore};
use medianest_storage::{ObjectBlobs, S3Options};
use std::{error::Error, time::Instant};

const MIB: usize = 1 << 20;

#[derive(Debug, Parser)]
struct Arguments {
    /// The address of the store.
    #[arg(long)]
    endpoint: String,
    /// The bucket.
    #[arg(long)]
    bucket: String,
    /// The id of the key.
    #[arg(long)]
    access_key_id: String,
    /// The key.
    #[arg(long)]
    secret_key: String,
    /// How much is sent, and read back.
    #[arg(long, default_value_t = 1024)]
    mib: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut options = S3Options::new(arguments.bucket);
    options.endpoint = Some(arguments.endpoint);
    options.access_key_id = Some(arguments.access_key_id);
    options.secret_access_key = Some(arguments.secret_key);
    let blobs = ObjectBlobs::s3(options)?;
    let key = BlobKey::new("bench/store")?;

    let before = memory("VmRSS")?;
    let begun = Instant::now();
    let chunks = stream::iter((0..arguments.mib).map(|n| Ok(Bytes::from(vec![n.to_le_bytes()[0]; MIB]))));
    blobs.put(&key, chunks.boxed()).await?;
    let put = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let bytes = blobs.get(&key, None).await?;
    let size = bytes.try_fold(0, |size, chunk| async move { Ok(size + chunk.len()) }).await?;
    let got = begun.elapsed().as_secs_f64();
    blobs.delete(&key).await?;
    if size != arguments.mib * MIB {
        return Err("bytes are missing".into());
    }

    let (mib, grown) = (arguments.mib as f64, memory("VmHWM")?.saturating_sub(before) / 1024);
    println!(
        "put {put:.2} s, {:.0} MiB/s; got {got:.2} s, {:.0} MiB/s; memory +{grown} MiB",
        mib / put,
        mib / got
    );
    Ok(())
}

/// A line of what the system knows of this process, in KiB.
fn memory(name: &str) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    Ok(line.trim_matches([':', ' ', '\t', 'k', 'B']).parse()?)
}
