//! What only local files promise: nothing unfinished stays, a full disk is called one, slow senders
//! hold no thread.

#![cfg(feature = "local")]

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, channel::mpsc, future::join_all};
use medianest_core::{BlobKey, BlobStore, BlobStoreExt, ErrorKind, Result};
use medianest_storage::ObjectBlobs;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

fn key(text: &str) -> BlobKey {
    BlobKey::new(text).unwrap()
}

/// Files below a folder but those that only hold locks.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.metadata().unwrap().len() > 0 {
            found.push(path);
        }
    }
    found
}

/// A put that has taken 3 MiB and waits for more.
async fn unfinished(
    blobs: &ObjectBlobs,
    key: BlobKey,
) -> (mpsc::Sender<Result<Bytes>>, tokio::task::JoinHandle<()>) {
    let (mut sender, body) = mpsc::channel(0);
    let blobs = blobs.clone();
    let put = tokio::spawn(async move {
        blobs.put(&key, body.boxed()).await.unwrap();
    });
    for _ in 0..48 {
        futures::SinkExt::send(&mut sender, Ok(Bytes::from(vec![7; 64 * 1024]))).await.unwrap();
    }
    futures::future::poll_fn(|context| sender.poll_ready(context)).await.unwrap();
    (sender, put)
}

#[tokio::test]
async fn what_a_killed_process_left_is_removed_and_what_lives_is_not() {
    const FOLDER: &str = "MEDIANEST_TEST_KILLED_IN";
    if let Some(folder) = std::env::var_os(FOLDER) {
        let blobs = ObjectBlobs::local(&folder).unwrap();
        blobs.put_bytes(&key("o/kept"), "kept".into()).await.unwrap();
        let _put = unfinished(&blobs, key("o/killed")).await;
        while !files(Path::new(&folder)).iter().any(|file| file.metadata().unwrap().len() > 1024) {
            tokio::task::yield_now().await;
        }
        std::process::abort();
    }
    let folder = tempfile::tempdir().unwrap();
    let alive = ObjectBlobs::local(folder.path()).unwrap();
    let (sender, put) = unfinished(&alive, key("o/alive")).await;
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "what_a_killed_process_left_is_removed_and_what_lives_is_not"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(!child.status.success());
    let before = files(folder.path()).len();
    let opened = ObjectBlobs::local(folder.path()).unwrap();
    assert_eq!(files(folder.path()).len(), before - 1, "the file of the killed process, and no other");
    drop(sender);
    put.await.unwrap();
    let mut keys: Vec<_> = opened.list(None).map_ok(|meta| meta.key.to_string()).try_collect().await.unwrap();
    keys.sort();
    assert_eq!(keys, ["o/alive", "o/kept"]);
    drop((alive, opened));
    assert_eq!(files(folder.path()).len(), 2);
}

#[tokio::test]
async fn a_dropped_put_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = ObjectBlobs::local(folder.path()).unwrap();
    let (_sender, put) = unfinished(&blobs, key("o/dropped")).await;
    put.abort();
    let _ = put.await;
    while !files(folder.path()).is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn empty_folders_go_with_their_last_blob() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = ObjectBlobs::local(folder.path()).unwrap();
    blobs.put_bytes(&key("r/1/a/0-1"), "x".into()).await.unwrap();
    blobs.delete(&key("r/1/a/0-1")).await.unwrap();
    assert!(!folder.path().join("r").exists());
}

#[tokio::test]
async fn slow_senders_hold_no_thread() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = ObjectBlobs::local(folder.path()).unwrap();
    // More than the blocking threads of a runtime: were each held, the last put would never end.
    let waiting = join_all((0..600).map(|n| {
        let (mut sender, body) = mpsc::channel(1);
        let (blobs, key) = (blobs.clone(), key(&format!("slow/{n}")));
        let put = tokio::spawn(async move { blobs.put(&key, body.boxed()).await });
        async move {
            futures::SinkExt::send(&mut sender, Ok(Bytes::from_static(b"drop"))).await.unwrap();
            (sender, put)
        }
    }))
    .await;
    assert_eq!(blobs.put_bytes(&key("fast"), "fast".into()).await.unwrap(), 4);
    for (sender, put) in waiting {
        drop(sender);
        assert_eq!(put.await.unwrap().unwrap(), 4);
    }
}

/// With the limit of a file's size, which the system reports as it does a full disk.
#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_is_called_so_and_leaves_nothing() {
    const FOLDER: &str = "MEDIANEST_TEST_FULL_IN";
    if let Some(folder) = std::env::var_os(FOLDER) {
        let blobs = ObjectBlobs::local(&folder).unwrap();
        blobs.put_bytes(&key("small"), "fits".into()).await.unwrap();
        for size in [3 << 20, 700 << 10] {
            let error = blobs.put_bytes(&key("large"), vec![7; size].into()).await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::StorageFull, "storage_full"), "{error:?}");
        }
        assert_eq!(blobs.head(&key("large")).await.unwrap(), None);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // 512 KiB; the signal that comes with it is ignored, as servers do.
    let script =
        "trap '' XFSZ; ulimit -f 1024; exec \"$0\" --exact a_full_disk_is_called_so_and_leaves_nothing";
    let child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert_eq!(files(folder.path()).len(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = ObjectBlobs::local(file.path().join("blobs")).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "storage_unavailable"));
    assert!(error.to_string().contains("blobs"), "{error}");
}
