//! Multipart uploads of processes that died.

use crate::support::{MIB, Nest, body, key, nest, noise, options};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, channel::mpsc, stream};
use medianest_core::{BlobStore, Result};
use medianest_storage::{ObjectBlobs, S3Options};
use std::{process::Command, time::Duration};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn what_a_killed_process_left_is_swept_and_what_lives_is_not() {
    const ENDPOINT: &str = "MEDIANEST_TEST_KILLED_AT";
    const BUCKET: &str = "MEDIANEST_TEST_KILLED_IN";
    if let (Ok(endpoint), Ok(bucket)) = (std::env::var(ENDPOINT), std::env::var(BUCKET)) {
        let mut options = S3Options::new(bucket);
        options.endpoint = Some(endpoint);
        options.access_key_id = Some(medianest_testkit::s3::ACCESS_KEY_ID.into());
        options.secret_access_key = Some(medianest_testkit::s3::SECRET_ACCESS_KEY.into());
        let death = stream::once(async { std::process::abort() });
        let body = body(&noise(40 * MIB)).chain(death).boxed();
        ObjectBlobs::s3(options).unwrap().put(&key("killed"), body).await.unwrap();
    }
    let nest = nest();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "unfinished::what_a_killed_process_left_is_swept_and_what_lives_is_not"])
        .env(ENDPOINT, nest.bucket.endpoint())
        .env(BUCKET, nest.bucket.name())
        .output()
        .unwrap();
    assert!(!child.status.success());
    assert_eq!(nest.bucket.unfinished_uploads(), 1, "the child died too early or too late");
    assert_eq!(nest.blobs.list(None).try_collect::<Vec<_>>().await.unwrap(), []);

    let (sender, alive) = under_way(&nest).await;
    assert_eq!(nest.blobs.sweep(DAY).await.unwrap(), 0);
    assert_eq!(nest.bucket.unfinished_uploads(), 2);
    drop(sender);
    alive.await.unwrap().unwrap();

    assert_eq!(nest.blobs.sweep(Duration::ZERO).await.unwrap(), 1);
    assert_eq!((nest.objects(), nest.bucket.unfinished_uploads()), (vec!["alive".to_owned()], 0));
    assert_eq!(nest.blobs.sweep(Duration::ZERO).await.unwrap(), 0);
}

/// A put that has begun its upload and waits for more.
async fn under_way(nest: &Nest) -> (mpsc::Sender<Result<Bytes>>, tokio::task::JoinHandle<Result<u64>>) {
    let (mut sender, body) = mpsc::channel(0);
    let blobs = nest.blobs.clone();
    let put = tokio::spawn(async move { blobs.put(&key("alive"), body.boxed()).await });
    let mut bytes = noise(9 * MIB);
    while !bytes.is_empty() {
        let chunk = bytes.split_to(bytes.len().min(64 * 1024));
        futures::SinkExt::send(&mut sender, Ok(chunk)).await.unwrap();
    }
    futures::future::poll_fn(|context| sender.poll_ready(context)).await.unwrap();
    (sender, put)
}

#[tokio::test]
async fn a_dropped_put_is_aborted() {
    let nest = nest();
    let (sender, put) = under_way(&nest).await;
    assert_eq!(nest.bucket.unfinished_uploads(), 1);
    put.abort();
    let _ = put.await;
    while nest.bucket.unfinished_uploads() > 0 || !nest.objects().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(sender);
}

#[tokio::test]
async fn notes_are_no_blobs() {
    let nest = nest();
    let prefixed = ObjectBlobs::s3({
        let mut options = options(&nest.bucket, nest.bucket.endpoint());
        options.prefix = Some(key("deep/er"));
        options
    });
    let (sender, put) = under_way(&nest).await;
    assert_eq!(nest.objects().len(), 1, "the note");
    assert_eq!(nest.blobs.list(None).try_collect::<Vec<_>>().await.unwrap(), []);
    assert_eq!(prefixed.unwrap().sweep(Duration::ZERO).await.unwrap(), 0, "of another nest");
    assert_eq!(nest.bucket.unfinished_uploads(), 1);
    drop(sender);
    put.await.unwrap().unwrap();
}
