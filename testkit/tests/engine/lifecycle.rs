//! From the upload to the last byte that is reclaimed.

use crate::support::{eager, nest, nest_with, two_pictures};
use futures::{StreamExt, stream};
use medianest_core::{
    AssetId, AssetState, BlobStore, BlobStoreExt, Error, ErrorKind, PageRequest, Upload, catalog::AssetQuery,
};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn an_upload_becomes_ready_and_is_delivered() {
    let nest = nest().await;
    let asset = nest.put("image of a lighthouse").await;
    assert_eq!(asset.state, AssetState::Ready);
    assert_eq!(asset.facts.as_ref().unwrap().read().unwrap().width, Some(1280));
    let media = nest.engine.as_system();
    let original = media.content(asset.id, &"content".parse().unwrap()).await.unwrap();
    assert_eq!(&media.read_all(&original).await.unwrap()[..], b"image of a lighthouse");
    let small = media.content(asset.id, &"renditions/small".parse().unwrap()).await.unwrap();
    assert_eq!(&media.read_all(&small).await.unwrap()[..], b"[small 0]");
    assert_eq!(small.file_name, "name-small.webp");
}

#[tokio::test]
async fn the_same_bytes_are_stored_once_and_outlive_one_of_their_assets() {
    let nest = nest_with(|builder| builder.options(eager()).recipe(two_pictures())).await;
    let (first, second) = (nest.put("image twin").await, nest.put("image twin").await);
    assert_ne!(first.id, second.id);
    let originals = |keys: &[String]| keys.iter().filter(|key| key.starts_with("o/")).count();
    assert_eq!(originals(&nest.keys().await), 1);
    let media = nest.engine.as_system();
    media.trash(first.id).await.unwrap();
    nest.work().await;
    assert!(media.get(first.id).await.unwrap().is_none());
    assert_eq!(originals(&nest.keys().await), 1);
    let content = media.content(second.id, &"content".parse().unwrap()).await.unwrap();
    assert_eq!(&media.read_all(&content).await.unwrap()[..], b"image twin");
    media.trash(second.id).await.unwrap();
    media.delete(second.id).await.unwrap();
    nest.work().await;
    assert_eq!(nest.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_trash_keeps_and_gives_back() {
    let nest = nest_with(|builder| builder).await;
    let asset = nest.put("image kept").await;
    let media = nest.engine.as_system();
    media.trash(asset.id).await.unwrap();
    nest.work().await;
    let gone = media.content(asset.id, &"content".parse().unwrap()).await.unwrap_err();
    assert_eq!(gone.code(), "asset_trashed");
    let everything = media.list(&AssetQuery::default(), &PageRequest::first()).await.unwrap();
    assert!(everything.items.is_empty());
    let trash = AssetQuery { trashed: true, ..AssetQuery::default() };
    assert_eq!(media.list(&trash, &PageRequest::first()).await.unwrap().items.len(), 1);
    let restored = media.restore(asset.id).await.unwrap();
    assert_eq!((restored.state, restored.trashed_at), (AssetState::Ready, None));
    let refused = media.delete(asset.id).await.unwrap_err();
    assert_eq!(refused.code(), "asset_not_trashed");
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let nest = nest().await;
    let media = nest.engine.as_system();
    let cut = || Err(Error::invalid("upload_interrupted", "the client went away"));
    let body = stream::iter([Ok("image of".into()), cut()]).boxed();
    let error = media.ingest(Upload::from_stream("x", body)).await.unwrap_err();
    assert_eq!(error.code(), "upload_interrupted");
    let empty = media.ingest(Upload::from_bytes("x", "")).await.unwrap_err();
    assert_eq!(empty.code(), "empty_upload");
    assert!(nest.keys().await.is_empty());
    assert!(media.list(&AssetQuery::default(), &PageRequest::first()).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_limit_is_enforced_on_the_way() {
    let mut options = eager();
    options.max_upload_bytes = 10;
    let nest = nest_with(|builder| builder.options(options)).await;
    let media = nest.engine.as_system();
    assert!(media.ingest(Upload::from_bytes("x", "image 6789")).await.is_ok());
    let error = media.ingest(Upload::from_bytes("x", "image 67890")).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::TooLarge, "upload_too_large"));
}

#[tokio::test]
async fn a_repeated_request_gives_the_same_asset() {
    let nest = nest().await;
    let media = nest.engine.as_system();
    let upload = |text: &'static str| Upload::from_bytes("x.jpg", text).idempotency_key("k");
    let (first, created) = media.ingest_once(upload("image once")).await.unwrap();
    assert!(created);
    let (again, created) = media.ingest_once(upload("image once")).await.unwrap();
    assert_eq!((again.id, created), (first.id, false));
    let reused = media.ingest(upload("image other")).await.unwrap_err();
    assert_eq!(reused.code(), "idempotency_key_reused");
    nest.work().await;
    assert_eq!(nest.keys().await.iter().filter(|key| key.starts_with("o/")).count(), 1);
}

#[tokio::test]
async fn staged_assets_are_claimed_or_expire() {
    let mut options = eager();
    options.staged_for = std::time::Duration::from_micros(1);
    let nest = nest_with(|builder| builder.options(options)).await;
    let media = nest.engine.as_system();
    let id = AssetId::new();
    media.ingest(Upload::from_bytes("x", "image kept").with_id(id).staged()).await.unwrap();
    let attached = media.attach(id, "products/42").await.unwrap();
    assert_eq!(attached.attached_to.as_deref(), Some("products/42"));
    assert_eq!(media.attach(id, "products/42").await.unwrap().version, attached.version);
    assert_eq!(media.attach(id, "products/43").await.unwrap_err().code(), "asset_attached");
    let lost = media.ingest(Upload::from_bytes("x", "image lost").staged()).await.unwrap();
    nest.work().await;
    assert!(media.get(lost.id).await.unwrap().is_none());
    assert_eq!(media.require(id).await.unwrap().state, AssetState::Ready);
}

#[tokio::test]
async fn lost_bytes_come_back_with_the_same_upload() {
    let nest = nest_with(|builder| builder).await;
    let asset = nest.put("image kept").await;
    let media = nest.engine.as_system();
    let find = || media.find_original(asset.library_id, &asset.blob.sha256, asset.blob.size);
    assert_eq!(find().await.unwrap().unwrap().id, asset.id);
    for damage in ["", "image ke"] {
        // The asset as it is now: each repair gives it another key.
        let key = media.require(asset.id).await.unwrap().blob.key;
        nest.blobs.delete(&key).await.unwrap();
        if !damage.is_empty() {
            nest.blobs.put_bytes(&key, damage.into()).await.unwrap();
        }
        assert!(find().await.unwrap().is_none(), "who asks is told to bring them");
        let again = media.ingest(Upload::from_bytes("again", "image kept")).await.unwrap();
        for id in [asset.id, again.id] {
            let content = media.content(id, &"content".parse().unwrap()).await.unwrap();
            assert_eq!(&media.read_all(&content).await.unwrap()[..], b"image kept");
        }
        assert_eq!(find().await.unwrap().unwrap().id, asset.id);
        let originals: Vec<_> = nest.keys().await.into_iter().filter(|key| key.starts_with("o/")).collect();
        assert_eq!(originals, [again.blob.key.to_string()], "nothing is left of the lost ones");
    }
}

#[tokio::test]
async fn bytes_that_cannot_be_looked_at_are_kept_twice() {
    let nest = nest_with(|builder| builder).await;
    nest.put("image kept").await;
    nest.blobs.faults.blind.store(true, Ordering::SeqCst);
    let media = nest.engine.as_system();
    let error = media.ingest(Upload::from_bytes("again", "image kept")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(nest.keys().await.iter().filter(|key| key.starts_with("o/")).count(), 2);
}

#[tokio::test]
async fn what_cannot_be_deleted_stops_nothing_else() {
    let nest = nest_with(|builder| builder.options(eager()).recipe(two_pictures())).await;
    let media = nest.engine.as_system();
    let (first, second) = (nest.put("image one").await, nest.put("image two").await);
    *nest.blobs.faults.stuck.lock().unwrap() = Some(first.blob.key.to_string());
    for id in [first.id, second.id] {
        media.trash(id).await.unwrap();
        media.delete(id).await.unwrap();
    }
    let error = nest.engine.housekeeping().once().await.unwrap_err();
    assert_eq!(error.message(), "the bytes are held");
    assert_eq!(nest.keys().await, [first.blob.key.to_string()]);
    *nest.blobs.faults.stuck.lock().unwrap() = None;
    nest.work().await;
    assert!(nest.keys().await.is_empty());
}
