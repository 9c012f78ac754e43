//! Sends a file to an S3 bucket as a client does that does nothing else: parts of one size, some of them at
//! a time, read ahead, each hashed once for its signature. What comes through MediaNest is compared with it.
//!
//! Of the clients at hand it is the fastest, which makes it the fairest; `aws s3 cp` needs twice its time.
#![expect(clippy::print_stdout, reason = "this program talks to people")]

use clap::Parser;
use object_store::{MultipartUpload, ObjectStoreExt, aws::AmazonS3Builder, path::Path};
use std::{error::Error, path::PathBuf, time::Instant};
use tokio::{io::AsyncReadExt, task::JoinSet};

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
    /// MiB of a part.
    #[arg(long, default_value_t = 8)]
    part: u64,
    /// Parts at the same time.
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    /// What is sent.
    file: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let store = AmazonS3Builder::new()
        .with_endpoint(arguments.endpoint)
        .with_bucket_name(arguments.bucket)
        .with_access_key_id(arguments.access_key_id)
        .with_secret_access_key(arguments.secret_key)
        .with_allow_http(true)
        .build()?;
    let key = Path::from("bench/native");
    let begun = Instant::now();
    let mut file = tokio::fs::File::open(arguments.file).await?;
    file.set_max_buf_size(1 << 20);
    let mut upload = store.put_multipart(&key).await?;
    let (mut under_way, size) = (JoinSet::new(), usize::try_from(arguments.part << 20)?);
    loop {
        let mut part = Vec::with_capacity(size);
        (&mut file).take(size as u64).read_to_end(&mut part).await?;
        if part.is_empty() {
            break;
        }
        while under_way.len() >= arguments.at_once {
            under_way.join_next().await.transpose()?.transpose()?;
        }
        under_way.spawn(upload.put_part(part.into()));
    }
    while let Some(done) = under_way.join_next().await {
        done??;
    }
    upload.complete().await?;
    println!("{:.3}", begun.elapsed().as_secs_f64());
    store.delete(&key).await?;
    Ok(())
}
