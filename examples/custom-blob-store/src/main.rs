//! Stores a greeting in a store of our own and reads a part of it back.

use custom_blob_store::FolderBlobs;
use medianest_core::{BlobKey, BlobStoreExt, Result};
use std::{io::Write, sync::Arc};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let folder = std::env::temp_dir().join("custom-blob-store");
    // What the engine takes: any `Arc<dyn BlobStore>`.
    let blobs: Arc<dyn medianest_core::BlobStore> = Arc::new(FolderBlobs::open(&folder).await?);
    let key = BlobKey::new("greetings/hello")?;
    let size = blobs.put_bytes(&key, "hello, nest".into()).await?;
    let word = blobs.get_bytes(&key, Some(7..size)).await?;
    let _ = writeln!(std::io::stdout(), "{size} bytes in {}, of them {word:?}", folder.display());
    blobs.delete(&key).await
}
