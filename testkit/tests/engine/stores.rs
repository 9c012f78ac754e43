//! Several stores, and libraries on their way from one to another.

use crate::support::{Nest, eager, nest_with};
use async_trait::async_trait;
use futures::{future::BoxFuture, stream::BoxStream};
use medianest_core::{
    Asset, AssetId, AssetState, BlobKey, BlobMeta, BlobStore, BlobStoreExt, ByteStream, ErrorKind, JobState,
    LibraryId, MemoryBlobs, PageRequest, Result, StoreName, Upload,
    catalog::{AssetQuery, Catalog},
    engine::{Delivery, EngineOptions, MediaPath},
    event_kinds,
};
use std::{
    collections::VecDeque,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

type Hook = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// A store in memory that does something else before what is put next is there, or damages it.
#[derive(Clone, Default)]
struct Archive {
    store: MemoryBlobs,
    hooks: Arc<Mutex<VecDeque<Hook>>>,
    spoil: Arc<AtomicBool>,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.store.fmt(f)
    }
}

impl Archive {
    fn during_next_put<F: Future<Output = ()> + Send + 'static>(
        &self,
        hook: impl FnOnce() -> F + Send + 'static,
    ) {
        self.hooks.lock().unwrap().push_back(Box::new(|| Box::pin(hook())));
    }
}

#[async_trait]
impl BlobStore for Archive {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64> {
        let size = self.store.put(key, body).await?;
        let hook = self.hooks.lock().unwrap().pop_front();
        if let Some(hook) = hook {
            hook().await;
        }
        if self.spoil.load(Ordering::SeqCst) {
            self.store.put_bytes(key, vec![b'?'; size as usize].into()).await?;
        }
        Ok(size)
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<ByteStream> {
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
}

fn archive() -> StoreName {
    StoreName::new("archive").unwrap()
}

async fn two_stores(options: EngineOptions) -> (Nest, Archive) {
    let other = Archive::default();
    let store = other.clone();
    let nest = nest_with(|builder| builder.options(options).store(archive(), store, Delivery::Proxy)).await;
    (nest, other)
}

/// The trash, and bytes that were replaced, are kept for a while, as in production.
fn patient() -> EngineOptions {
    let mut options = eager();
    options.delete_retention = Duration::from_secs(3600);
    options.trash_retention = Duration::from_secs(3600);
    options
}

async fn keys(store: &dyn BlobStore) -> Vec<String> {
    use futures::TryStreamExt;
    let stored: Vec<_> = store.list(None).try_collect().await.unwrap();
    stored.into_iter().map(|blob| blob.key.to_string()).collect()
}

async fn read(nest: &Nest, asset: AssetId, path: &MediaPath) -> Result<String> {
    let media = nest.engine.as_system();
    let content = media.content(asset, path).await?;
    Ok(String::from_utf8(media.read_all(&content).await?.to_vec()).unwrap())
}

fn path(text: &str) -> MediaPath {
    text.parse().unwrap()
}

/// Everything of a video: the original, a rung as a whole, and by its playlist.
async fn play(nest: &Nest, video: AssetId, text: &str) {
    assert_eq!(read(nest, video, &MediaPath::Original).await.unwrap(), text);
    let whole: String = (0..4).map(|part| format!("[720p {part}]")).collect();
    assert_eq!(read(nest, video, &path("renditions/720p")).await.unwrap(), whole);
    let playlist = read(nest, video, &path("hls/720p/index.m3u8")).await.unwrap();
    follow(nest, video, &playlist).await;
}

/// The parts that a playlist names, which somebody may have had for a while.
async fn follow(nest: &Nest, video: AssetId, playlist: &str) {
    for part in 1..4 {
        let line = playlist.lines().find(|line| line.ends_with(&format!("/{part}.mp4"))).unwrap();
        let bytes = read(nest, video, &path(&format!("hls/720p/{line}"))).await.unwrap();
        assert_eq!(bytes, format!("[720p {part}]"));
    }
}

async fn complete(nest: &Nest, library: LibraryId) -> bool {
    nest.engine.as_system().library_store(library).await.unwrap().complete
}

/// Where the bytes of a library are, by the rows.
async fn places(nest: &Nest, library: LibraryId) -> Vec<StoreName> {
    let media = nest.engine.as_system();
    let mut places = Vec::new();
    for trashed in [false, true] {
        let query = AssetQuery { library: Some(library), trashed, ..AssetQuery::default() };
        let page = PageRequest::new(Some(200), None).unwrap();
        for asset in media.list(&query, &page).await.unwrap().items {
            let renditions = nest.catalog.list_renditions(asset.id).await.unwrap();
            places.extend(renditions.into_iter().map(|rendition| rendition.store));
            places.push(asset.blob.store);
        }
    }
    places.sort();
    places.dedup();
    places
}

#[tokio::test]
async fn new_media_goes_to_the_store_of_its_library() {
    let (nest, other) = two_stores(eager()).await;
    let media = nest.engine.as_system();
    let library = media.create_library("archived").await.unwrap();
    media.move_library(library.id, &archive()).await.unwrap();
    let here = nest.put("video x").await;
    let upload = Upload::from_bytes("there.mp4", "video x").into_library(library.id);
    let there = media.ingest(upload).await.unwrap();
    nest.work().await;
    assert_eq!((here.blob.store, there.blob.store), (StoreName::DEFAULT, archive()));
    assert_eq!(nest.keys().await.len(), keys(&other).await.len(), "each has its own");
    assert_eq!(places(&nest, library.id).await, [archive()]);
    for asset in [here.id, there.id] {
        play(&nest, asset, "video x").await;
    }
    // Deleting in one leaves the other.
    media.trash(there.id).await.unwrap();
    media.delete(there.id).await.unwrap();
    nest.engine.housekeeping().once().await.unwrap();
    assert!(keys(&other).await.is_empty());
    play(&nest, here.id, "video x").await;
}

/// Read all the time, put in, deleted, trashed and made again meanwhile.
#[tokio::test]
async fn a_library_moves_while_it_is_used() {
    let (nest, other) = two_stores(patient()).await;
    let nest = Arc::new(nest);
    let media = nest.engine.as_system();
    let video = nest.put("video x").await;
    let (again, deleted) = (nest.put("image again").await, nest.put("image deleted").await);
    let (twin, trashed) = (nest.put("video x").await, nest.put("image trashed").await);
    assert_eq!(twin.blob.id, video.blob.id);
    media.trash(trashed.id).await.unwrap();
    media.trash(deleted.id).await.unwrap();
    let library = video.library_id;
    let playlist = read(&nest, video.id, &path("hls/720p/index.m3u8")).await.unwrap();

    let late = Arc::new(Mutex::new(None));
    let meanwhile = {
        let (nest, playlist, late) = (Arc::clone(&nest), playlist.clone(), Arc::clone(&late));
        move || async move {
            let media = nest.engine.as_system();
            play(&nest, video.id, "video x").await;
            follow(&nest, video.id, &playlist).await;
            media.delete(deleted.id).await.unwrap();
            media.reprocess(again.id).await.unwrap();
            let asset = media.ingest(Upload::from_bytes("late.jpg", "image late")).await.unwrap();
            assert_eq!(asset.blob.store, archive(), "what comes in goes there at once");
            *late.lock().unwrap() = Some(asset.id);
        }
    };
    other.during_next_put(meanwhile);
    let named = media.move_library(library, &archive()).await.unwrap();
    assert!(!named.complete);

    // Somebody reads without a pause.
    let moved = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (nest, moved) = (Arc::clone(&nest), Arc::clone(&moved));
        async move {
            let mut reads = 0;
            while !moved.load(Ordering::SeqCst) {
                play(&nest, video.id, "video x").await;
                reads += 1;
                tokio::task::yield_now().await;
            }
            reads
        }
    });
    nest.work().await;
    moved.store(true, Ordering::SeqCst);
    assert!(reader.await.unwrap() > 0);

    assert!(complete(&nest, library).await);
    assert_eq!(places(&nest, library).await, [archive()]);
    assert!(media.get(deleted.id).await.unwrap().is_none());
    for asset in [video.id, twin.id] {
        play(&nest, asset, "video x").await;
    }
    // Whoever plays by the playlist of before goes on.
    follow(&nest, video.id, &playlist).await;
    let rows = [video.id, twin.id, again.id, late.lock().unwrap().unwrap()];
    for id in rows {
        assert_eq!(media.require(id).await.unwrap().state, AssetState::Ready);
    }
    let (one, two) = (media.require(video.id).await.unwrap(), media.require(twin.id).await.unwrap());
    assert_eq!((one.blob.id, one.blob.store), (two.blob.id, archive()), "copied once");
    media.restore(trashed.id).await.unwrap();
    assert_eq!(read(&nest, trashed.id, &MediaPath::Original).await.unwrap(), "image trashed");
    assert_eq!(media.recipe(library).await.unwrap().1, 1);
    assert_eq!(media.apply_recipe(library).await.unwrap().declared, 0, "nothing is to be made anew");
}

/// When their retention is over.
#[tokio::test]
async fn the_bytes_of_before_go() {
    let (nest, other) = two_stores(eager()).await;
    let asset = nest.put("video x").await;
    nest.put("image y").await;
    let before = nest.keys().await.len();
    nest.engine.as_system().move_library(asset.library_id, &archive()).await.unwrap();
    nest.work().await;
    nest.engine.housekeeping().once().await.unwrap();
    assert!(nest.keys().await.is_empty());
    assert_eq!(keys(&other).await.len(), before);
    play(&nest, asset.id, "video x").await;
    let mut stored = keys(&other).await;
    stored.sort();
    assert_eq!(stored, expected_keys(&nest, asset.library_id).await);
}

/// Those that were left behind are as good as new ones, or are replaced: soon they are all there is.
#[tokio::test]
async fn what_a_library_comes_back_to_is_read_first() {
    let (nest, other) = two_stores(patient()).await;
    let media = nest.engine.as_system();
    let (rotten, lost, sound) =
        (nest.put("video x").await, nest.put("image lost").await, nest.put("image y").await);
    let library = sound.library_id;
    media.move_library(library, &archive()).await.unwrap();
    nest.work().await;
    let store = &nest.blobs.store;
    store.put_bytes(&key_of(&rotten), "video y".into()).await.unwrap();
    store.delete(&key_of(&lost)).await.unwrap();

    media.move_library(library, &StoreName::DEFAULT).await.unwrap();
    nest.work().await;
    assert!(complete(&nest, library).await);
    assert_eq!(places(&nest, library).await, [StoreName::DEFAULT]);
    for blob in keys(&other).await {
        other.delete(&BlobKey::new(&blob).unwrap()).await.unwrap();
    }
    play(&nest, rotten.id, "video x").await;
    assert_eq!(read(&nest, lost.id, &MediaPath::Original).await.unwrap(), "image lost");
    assert_eq!(read(&nest, sound.id, &MediaPath::Original).await.unwrap(), "image y");
    for (asset, stays) in [(&rotten, false), (&lost, false), (&sound, true)] {
        let now = media.require(asset.id).await.unwrap().blob;
        assert_eq!((now.id, now.key == asset.blob.key), (asset.blob.id, stays));
        assert_eq!(store.head(&asset.blob.key).await.unwrap().is_some(), stays);
    }
}

#[tokio::test]
async fn another_library_keeps_the_bytes_it_shares() {
    let (nest, _other) = two_stores(eager()).await;
    let media = nest.engine.as_system();
    let mine = nest.put("video x").await;
    let library = media.create_library("another").await.unwrap();
    let yours = media.ingest(Upload::from_bytes("y.mp4", "video x").into_library(library.id)).await.unwrap();
    nest.work().await;
    media.move_library(library.id, &archive()).await.unwrap();
    nest.work().await;
    nest.engine.housekeeping().once().await.unwrap();
    assert_eq!(places(&nest, library.id).await, [archive()]);
    assert_eq!(places(&nest, mine.library_id).await, [StoreName::DEFAULT]);
    for asset in [mine.id, yours.id] {
        play(&nest, asset, "video x").await;
    }
}

#[tokio::test]
async fn a_library_may_move_back_while_it_moves() {
    let (nest, other) = two_stores(eager()).await;
    let nest = Arc::new(nest);
    let assets = [nest.put("video x").await, nest.put("image y").await];
    let library = assets[0].library_id;
    let before = nest.keys().await.len();
    let back = Arc::clone(&nest);
    other.during_next_put(move || async move {
        back.engine.as_system().move_library(library, &StoreName::DEFAULT).await.unwrap();
    });
    nest.engine.as_system().move_library(library, &archive()).await.unwrap();
    nest.work().await;
    nest.engine.housekeeping().once().await.unwrap();
    assert!(complete(&nest, library).await);
    assert_eq!(places(&nest, library).await, [StoreName::DEFAULT]);
    assert!(keys(&other).await.is_empty());
    assert_eq!(nest.keys().await.len(), before);
    play(&nest, assets[0].id, "video x").await;
}

/// It stops, and goes on when it is asked for again.
#[tokio::test]
async fn a_move_can_be_called_off() {
    let (nest, other) = two_stores(eager()).await;
    let nest = Arc::new(nest);
    let media = nest.engine.as_system();
    let asset = nest.put("video x").await;
    nest.put("image y").await;
    let library = asset.library_id;
    let job = media.move_library(library, &archive()).await.unwrap().job.unwrap();
    let caller = Arc::clone(&nest);
    other.during_next_put(move || async move {
        assert!(caller.engine.as_system().cancel_job(job.id).await.unwrap());
    });
    nest.work().await;
    assert_eq!(media.job(job.id).await.unwrap().state, JobState::Cancelled);
    assert!(!complete(&nest, library).await);
    play(&nest, asset.id, "video x").await;
    let next = media.move_library(library, &archive()).await.unwrap().job.unwrap();
    assert_ne!(next.id, job.id);
    nest.work().await;
    nest.engine.housekeeping().once().await.unwrap();
    assert!(complete(&nest, library).await && nest.keys().await.is_empty());
    assert_eq!(places(&nest, library).await, [archive()]);
}

/// The keys of all that a library consists of.
async fn expected_keys(nest: &Nest, library: LibraryId) -> Vec<String> {
    let query = AssetQuery { library: Some(library), ..AssetQuery::default() };
    let page = PageRequest::new(Some(200), None).unwrap();
    let mut keys = Vec::new();
    for asset in nest.engine.as_system().list(&query, &page).await.unwrap().items {
        keys.push(asset.blob.key.to_string());
        for rendition in nest.catalog.list_renditions(asset.id).await.unwrap() {
            let parts = nest.catalog.list_parts(rendition.id).await.unwrap();
            keys.extend(parts.into_iter().map(|part| part.key.to_string()));
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

async fn not_moved(nest: &Nest) -> Vec<(String, String)> {
    while nest.catalog.sequence(1000).await.unwrap() > 0 {}
    let tail = nest.catalog.event_tail().await.unwrap();
    let (events, _) = nest.catalog.read_all_events(tail, 10_000).await.unwrap();
    let told = events.into_iter().filter(|event| event.kind == event_kinds::ASSET_NOT_MOVED);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    told.map(|event| (text(&event.data["asset_id"]), text(&event.data["failure"]["code"]))).collect()
}

fn key_of(asset: &Asset) -> BlobKey {
    asset.blob.key.clone()
}

/// What is damaged or lost stays, and is told of; once it is mended, the next move brings it.
#[tokio::test]
async fn damaged_bytes_stay_and_the_rest_goes_on() {
    let (nest, other) = two_stores(eager()).await;
    let media = nest.engine.as_system();
    let (damaged, lost) = (nest.put("image damaged").await, nest.put("image lost").await);
    let (short, fine) = (nest.put("video short").await, nest.put("video fine").await);
    let library = fine.library_id;
    let store = &nest.blobs.store;
    store.put_bytes(&key_of(&damaged), "image DAMAGED".into()).await.unwrap();
    store.delete(&key_of(&lost)).await.unwrap();
    let rung = nest.catalog.ready_rendition(short.id, &"720p".to_owned().try_into().unwrap()).await.unwrap();
    let part = nest.catalog.get_part(rung.unwrap().id, 2).await.unwrap().unwrap();
    store.put_bytes(&part.key, "[7".into()).await.unwrap();

    media.move_library(library, &archive()).await.unwrap();
    nest.work().await;
    let state = media.library_store(library).await.unwrap();
    let job = state.job.unwrap();
    assert_eq!((state.complete, job.state), (false, JobState::Dead));
    let failure = job.failure.unwrap();
    assert_eq!(failure.code, "move_incomplete");
    assert!(failure.message.starts_with("3 originals or renditions"), "{failure:?}");
    let mut told = not_moved(&nest).await;
    told.sort();
    let mut expected = vec![
        (damaged.id.to_string(), "original_damaged".to_owned()),
        (lost.id.to_string(), "original_lost".to_owned()),
        (short.id.to_string(), "rendition_damaged".to_owned()),
    ];
    expected.sort();
    assert_eq!(told, expected);
    play(&nest, fine.id, "video fine").await;
    assert_eq!(media.require(fine.id).await.unwrap().blob.store, archive());
    assert_eq!(media.require(damaged.id).await.unwrap().blob, damaged.blob, "as it was");
    store.put_bytes(&key_of(&damaged), "image damaged".into()).await.unwrap();
    store.put_bytes(&part.key, "[720p 2]".into()).await.unwrap();
    // The same media again, which goes where the library says by now.
    nest.put("image lost").await;
    media.retry_job(job.id).await.unwrap();
    nest.work().await;
    nest.engine.housekeeping().once().await.unwrap();
    assert!(complete(&nest, library).await && nest.keys().await.is_empty());
    let mut stored = keys(&other).await;
    stored.sort();
    assert_eq!(stored, expected_keys(&nest, library).await, "nothing is left of the attempts");
    play(&nest, short.id, "video short").await;
    assert_eq!(read(&nest, lost.id, &MediaPath::Original).await.unwrap(), "image lost");
}

/// What is read back is what counts.
#[tokio::test]
async fn a_copy_that_is_damaged_is_no_copy() {
    let (nest, other) = two_stores(eager()).await;
    let asset = nest.put("video x").await;
    other.spoil.store(true, Ordering::SeqCst);
    let media = nest.engine.as_system();
    media.move_library(asset.library_id, &archive()).await.unwrap();
    nest.work().await;
    assert!(not_moved(&nest).await.contains(&(asset.id.to_string(), "original_copy_damaged".to_owned())));
    assert!(keys(&other).await.is_empty());
    assert_eq!(places(&nest, asset.library_id).await, [StoreName::DEFAULT]);
    play(&nest, asset.id, "video x").await;
}

/// It is no 404: the bytes may be there.
#[tokio::test]
async fn a_store_that_nobody_configured_is_unavailable() {
    let (nest, _other) = two_stores(eager()).await;
    let media = nest.engine.as_system();
    let asset = nest.put("video x").await;
    let refused =
        media.move_library(asset.library_id, &StoreName::new("nowhere").unwrap()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Conflict, "no_such_store"));

    let event = media.principal().clone();
    let event = medianest_core::NewEvent::about_subject(
        event.tenant,
        event.subject,
        event_kinds::LIBRARY_UPDATED,
        nest.engine.now(),
        serde_json::json!({}),
    );
    // As another process does that knows it.
    let nowhere = StoreName::new("nowhere").unwrap();
    let library = asset.library_id;
    nest.catalog.set_library_store(asset.tenant, library, &nowhere, event).await.unwrap();
    let refused = media.ingest(Upload::from_bytes("y.jpg", "image y")).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Unavailable, "store_unknown"));
    play(&nest, asset.id, "video x").await;
    media.move_library(library, &archive()).await.unwrap();
    nest.work().await;
    nest.engine.housekeeping().once().await.unwrap();

    let processor: Arc<dyn medianest_core::MediaProcessor> = nest.processor.clone();
    let ignorant = medianest_core::Engine::builder()
        .catalog(Arc::clone(&nest.catalog) as Arc<dyn Catalog>)
        .blobs(nest.blobs.clone())
        .processor(processor)
        .build()
        .unwrap();
    let media = ignorant.as_system();
    let content = media.content(asset.id, &MediaPath::Original).await.unwrap();
    let refused = media.read_all(&content).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Unavailable, "store_unknown"));
}

#[tokio::test]
async fn only_who_operates_the_tenant_moves() {
    let (nest, _other) = two_stores(eager()).await;
    let ann = nest.engine.acting_as(medianest_core::Principal::user("ann"));
    let library = ann.own_library().await.unwrap().id;
    for refused in [
        ann.move_library(library, &archive()).await.unwrap_err(),
        ann.library_store(library).await.unwrap_err(),
    ] {
        assert_eq!(refused.kind(), ErrorKind::Forbidden);
    }
    let unknown = nest.engine.as_system().library_store(LibraryId::new()).await.unwrap_err();
    assert_eq!(unknown.code(), "library_not_found");
}
