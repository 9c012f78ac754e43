//! Uploads whose bytes go past us, and who completes them twice.

use crate::support::{Nest, eager, nest_with};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{future::join_all, stream::BoxStream};
use medianest_core::{
    Asset, BlobKey, BlobMeta, BlobStore, BlobStoreExt, ByteStream, Capabilities, Engine, Error, ErrorKind,
    MediaProcessor, MemoryBlobs, Multipart, MultipartId, PartRequest, PartRules, PartUrl, Result, SentPart,
    StoreName, StoredPart, Upload,
    engine::{Delivery, EngineBuilder, MediaPath, NewDirectUpload, UrlKey},
};
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{oneshot, watch};

/// A store in memory that takes parts, and lets those who read wait.
#[derive(Clone, Debug, Default)]
struct Bucket {
    store: MemoryBlobs,
    uploads: Arc<Mutex<BTreeMap<BlobKey, Option<Bytes>>>>,
    reads: Arc<watch::Sender<usize>>,
    held: Arc<Mutex<VecDeque<oneshot::Receiver<()>>>>,
}

impl Bucket {
    /// Lets who reads next wait until this is used or dropped.
    fn hold_next_read(&self) -> oneshot::Sender<()> {
        let (go, held) = oneshot::channel();
        self.held.lock().unwrap().push_back(held);
        go
    }

    async fn wait_for_reads(&self, count: usize) {
        let mut reads = self.reads.subscribe();
        let come = reads.wait_for(|reads| *reads == count);
        tokio::time::timeout(Duration::from_secs(60), come).await.expect("nobody reads").unwrap();
    }

    /// Sends the one part of the one upload that waits for it.
    fn send(&self, bytes: &'static str) -> Vec<SentPart> {
        *self.uploads.lock().unwrap().values_mut().next().expect("an upload was begun") = Some(bytes.into());
        vec![SentPart { number: 1, etag: String::from("\"1\""), sha256: None }]
    }
}

#[async_trait]
impl BlobStore for Bucket {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64> {
        self.store.put(key, body).await
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<ByteStream> {
        let held = self.held.lock().unwrap().pop_front();
        self.reads.send_modify(|reads| *reads += 1);
        if let Some(held) = held {
            let _ = held.await;
        }
        self.store.get(key, range).await
    }

    async fn head(&self, key: &BlobKey) -> Result<Option<BlobMeta>> {
        self.store.head(key).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.store.delete(key).await
    }

    fn list(&self, prefix: Option<&BlobKey>) -> BoxStream<'static, Result<BlobMeta>> {
        self.store.list(prefix)
    }

    fn capabilities(&self) -> Capabilities<'_> {
        let mut capabilities = Capabilities::default();
        capabilities.multipart = Some(self);
        capabilities
    }
}

#[async_trait]
impl Multipart for Bucket {
    fn rules(&self) -> PartRules {
        PartRules::s3(false)
    }

    async fn begin(&self, key: &BlobKey) -> Result<MultipartId> {
        self.uploads.lock().unwrap().insert(key.clone(), None);
        Ok(MultipartId(key.to_string()))
    }

    async fn presign_part(
        &self,
        key: &BlobKey,
        _: &MultipartId,
        _: &PartRequest,
        valid: Duration,
    ) -> Result<PartUrl> {
        Ok(PartUrl { url: key.to_string(), headers: vec![], valid })
    }

    async fn parts(&self, _: &BlobKey, _: &MultipartId) -> Result<Vec<StoredPart>> {
        Ok(vec![])
    }

    async fn complete(&self, key: &BlobKey, _: &MultipartId, _: &[SentPart]) -> Result<u64> {
        if let Some(stored) = self.head(key).await? {
            return Ok(stored.size);
        }
        let sent = self.uploads.lock().unwrap().remove(key).flatten();
        let ended = || Error::new(ErrorKind::NotFound, "upload_not_found", "there is no such upload");
        self.store.put_bytes(key, sent.ok_or_else(ended)?).await
    }

    async fn abort(&self, key: &BlobKey, _: &MultipartId) -> Result<()> {
        self.uploads.lock().unwrap().remove(key);
        Ok(())
    }
}

const TEXT: &str = "video x";

fn archive() -> StoreName {
    StoreName::new("archive").unwrap()
}

fn configured(builder: EngineBuilder, bucket: &Bucket, archive_in: &MemoryBlobs) -> EngineBuilder {
    let mut options = eager();
    options.delete_retention = Duration::from_secs(3600);
    builder
        .options(options)
        .blobs(bucket.clone())
        .store(archive(), archive_in.clone(), Delivery::Proxy)
        .url_key(UrlKey::new("k1", [7; 32]).unwrap())
}

async fn nest_over(bucket: &Bucket) -> (Nest, Engine) {
    let other = MemoryBlobs::default();
    let nest = nest_with(|builder| configured(builder, bucket, &other)).await;
    let processor: Arc<dyn MediaProcessor> = nest.processor.clone();
    let builder = Engine::builder().catalog(Arc::clone(&nest.catalog)).processor(processor);
    let elsewhere = configured(builder, bucket, &other).build().unwrap();
    (nest, elsewhere)
}

async fn begin(nest: &Nest, key: Option<&str>) -> String {
    let new = NewDirectUpload {
        name: String::from("x.mp4"),
        size: TEXT.len() as u64,
        idempotency_key: key.map(str::to_owned),
        ..NewDirectUpload::default()
    };
    nest.engine.as_system().begin_direct(new).await.unwrap().id
}

fn complete(engine: &Engine, id: &str, parts: &[SentPart]) -> tokio::task::JoinHandle<Result<(Asset, bool)>> {
    let (media, id, parts) = (engine.as_system(), id.to_owned(), parts.to_vec());
    tokio::spawn(async move { media.complete_direct(&id, &parts).await })
}

/// The one that is behind, in another process, finds that the asset has moved, and that others stand on
/// what it read.
#[tokio::test]
async fn a_repeated_completion_deletes_nothing_that_is_in_use() {
    let bucket = Bucket::default();
    let (nest, elsewhere) = nest_over(&bucket).await;
    let media = nest.engine.as_system();
    let upload = begin(&nest, None).await;
    let parts = bucket.send(TEXT);

    let go = bucket.hold_next_read();
    let behind = complete(&elsewhere, &upload, &parts);
    bucket.wait_for_reads(1).await;
    let (asset, created) = complete(&nest.engine, &upload, &parts).await.unwrap().unwrap();
    assert!(created);
    media.move_library(asset.library_id, &archive()).await.unwrap();
    nest.work().await;
    let library = media.create_library("another").await.unwrap();
    let twin = media.ingest(Upload::from_bytes("y.mp4", TEXT).into_library(library.id)).await.unwrap();
    assert_eq!(twin.blob.key, asset.blob.key, "it stands on the bytes that were left behind");

    go.send(()).unwrap();
    let (same, created) = behind.await.unwrap().unwrap();
    assert_eq!((same.id, same.blob.store, created), (asset.id, archive(), false));
    nest.engine.housekeeping().once().await.unwrap();
    for id in [asset.id, twin.id] {
        let content = media.content(id, &MediaPath::Original).await.unwrap();
        assert_eq!(media.read_all(&content).await.unwrap(), TEXT);
    }
}

#[tokio::test]
async fn a_completion_goes_on_when_nobody_waits_and_reads_once() {
    let bucket = Bucket::default();
    let (nest, _elsewhere) = nest_over(&bucket).await;
    let upload = begin(&nest, None).await;
    let parts = bucket.send(TEXT);
    let go = bucket.hold_next_read();
    let dropped = complete(&nest.engine, &upload, &parts);
    bucket.wait_for_reads(1).await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    let again: Vec<_> = (0..3).map(|_| complete(&nest.engine, &upload, &parts)).collect();
    go.send(()).unwrap();
    let mut ids = Vec::new();
    for completed in join_all(again).await {
        let (asset, created) = completed.unwrap().unwrap();
        assert!(!created, "by the one that was dropped");
        ids.push(asset.id);
    }
    ids.dedup();
    assert_eq!((ids.len(), *bucket.reads.borrow()), (1, 1));
}

/// However often it is asked; the bytes that came again are not kept.
#[tokio::test]
async fn an_idempotency_key_gives_the_asset_of_before() {
    let bucket = Bucket::default();
    let (nest, _elsewhere) = nest_over(&bucket).await;
    let first = Upload::from_bytes("x.mp4", TEXT).idempotency_key("once");
    let first = nest.engine.as_system().ingest(first).await.unwrap();
    let upload = begin(&nest, Some("once")).await;
    let parts = bucket.send(TEXT);
    for _ in 0..3 {
        let (asset, created) = complete(&nest.engine, &upload, &parts).await.unwrap().unwrap();
        assert_eq!((asset.id, created), (first.id, false));
    }
    use futures::TryStreamExt;
    let stored: Vec<_> = bucket.list(None).try_collect().await.unwrap();
    assert_eq!(stored.into_iter().map(|blob| blob.key).collect::<Vec<_>>(), [first.blob.key]);

    // What never came is no asset, whoever has such a key.
    let upload = begin(&nest, Some("twice")).await;
    let missing = complete(&nest.engine, &upload, &parts).await.unwrap().unwrap_err();
    assert_eq!(missing.code(), "upload_not_found");
}
