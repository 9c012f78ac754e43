//! What is near at hand is never more than what the catalog allows.

use crate::support::{Nest, eager, nest_with};
use async_trait::async_trait;
use bytes::Bytes;
use medianest_core::{
    AssetId, Cache, Media, MemberRole, MemoryCache, Principal, Result, Upload, VariantName,
    engine::{ContentBody, MediaPath},
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// A cache that is looked at.
#[derive(Debug)]
struct Seen {
    kept: MemoryCache,
    keys: Mutex<BTreeSet<String>>,
    hits: AtomicU32,
}

#[async_trait]
impl Cache for Seen {
    async fn get(&self, key: &str) -> Option<Bytes> {
        let found = self.kept.get(key).await;
        self.hits.fetch_add(u32::from(found.is_some()), Ordering::SeqCst);
        found
    }

    async fn put(&self, key: &str, value: Bytes, keep: Duration) {
        self.keys.lock().unwrap().insert(key.to_owned());
        self.kept.put(key, value, keep).await;
    }

    async fn remove(&self, key: &str) {
        self.kept.remove(key).await;
    }
}

impl Seen {
    fn hits(&self) -> u32 {
        self.hits.swap(0, Ordering::SeqCst)
    }

    async fn holds_all(&self) -> bool {
        let keys: Vec<_> = self.keys.lock().unwrap().iter().cloned().collect();
        let mut held = !keys.is_empty();
        for key in keys {
            held &= self.kept.get(&key).await.is_some();
        }
        held
    }
}

async fn watched() -> (Nest, Arc<Seen>) {
    let kept = MemoryCache::new(1 << 20);
    let seen = Arc::new(Seen { kept, keys: Mutex::default(), hits: AtomicU32::new(0) });
    let cache: Arc<dyn Cache> = seen.clone();
    (nest_with(|builder| builder.options(eager()).cache(cache)).await, seen)
}

async fn read(media: &Media, asset: AssetId, path: &MediaPath) -> Result<String> {
    let content = media.content(asset, path).await?;
    Ok(String::from_utf8(media.read_all(&content).await?.to_vec()).unwrap())
}

/// A part of a rung, its playlist, and the rung as a whole.
async fn paths(media: &Media, asset: AssetId) -> [(MediaPath, &'static str); 3] {
    let variant = VariantName::new("720p").unwrap();
    let renditions = media.renditions(asset).await.unwrap();
    let rung = renditions.into_iter().find(|rendition| rendition.variant == variant).unwrap();
    [
        (MediaPath::HlsPart(variant.clone(), rung.id, 2), "[720p 2]"),
        (MediaPath::HlsPlaylist(variant.clone()), "#EXT-X-ENDLIST"),
        (MediaPath::Rendition(variant), "[720p 0][720p 1][720p 2][720p 3]"),
    ]
}

#[tokio::test]
async fn what_was_played_is_near_and_what_is_damaged_there_is_read_again() {
    let (nest, cache) = watched().await;
    let asset = nest.put("video x").await.id;
    let media = nest.engine.as_system();
    let paths = paths(&media, asset).await;
    // The playlist and the whole have the same parts.
    for hits in [1, 3, 3] {
        for (path, text) in &paths {
            assert!(read(&media, asset, path).await.unwrap().contains(text), "{path}");
        }
        assert_eq!(cache.hits(), hits);
    }
    let keys = cache.keys.lock().unwrap().clone();
    let foreign = media.content(nest.put("video y").await.id, &MediaPath::Original).await.unwrap();
    let ContentBody::Blobs(_, blobs) = foreign.body else { panic!("an original is a blob") };
    let forged = format!("[[2,\"{}\",{},1]]", blobs[0].0, blobs[0].1);
    for wrong in [Bytes::from_static(b"damaged"), Bytes::from(forged)] {
        for key in &keys {
            cache.put(key, wrong.clone(), Duration::from_secs(3600)).await;
        }
        for (path, text) in &paths {
            assert!(read(&media, asset, path).await.unwrap().contains(text), "{path}");
        }
    }
    let missing = MediaPath::HlsPart(VariantName::new("720p").unwrap(), rendition(&paths[0].0), 99);
    for _ in 0..2 {
        assert_eq!(media.content(asset, &missing).await.unwrap_err().code(), "rendition_not_found");
    }
}

fn rendition(path: &MediaPath) -> medianest_core::RenditionId {
    match path {
        MediaPath::HlsPart(_, id, _) => *id,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn nothing_near_is_for_who_may_no_longer_see_it() {
    let (nest, cache) = watched().await;
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|name| nest.engine.acting_as(Principal::user(name)));
    let library = ann.create_library("Films").await.unwrap().id;
    let upload = Upload::from_bytes("a.mp4", "video x").into_library(library);
    let asset = ann.ingest(upload).await.unwrap().id;
    nest.work().await;
    ann.put_member(library, "bob", MemberRole::Viewer).await.unwrap();
    let paths = paths(&ann, asset).await;
    for (path, text) in &paths {
        assert!(read(&bob, asset, path).await.unwrap().contains(text));
    }
    cache.hits();
    ann.remove_member(library, "bob").await.unwrap();
    for (path, _) in &paths {
        for stranger in [&bob, &eve] {
            assert_eq!(read(stranger, asset, path).await.unwrap_err().code(), "asset_not_found", "{path}");
        }
    }
    // Nor through something of their own.
    let upload = Upload::from_bytes("b.mp4", "video y");
    let own = eve.ingest(upload).await.unwrap().id;
    nest.work().await;
    let foreign = &paths[0].0;
    assert_eq!(read(&eve, own, foreign).await.unwrap_err().code(), "rendition_not_found");
    ann.trash(asset).await.unwrap();
    for (path, _) in &paths {
        assert_eq!(read(&ann, asset, path).await.unwrap_err().code(), "asset_trashed", "{path}");
    }
    assert_eq!(cache.hits(), 0, "it was not even asked");
    assert!(cache.holds_all().await, "though all was there");
}

#[tokio::test]
async fn what_is_purged_or_replaced_is_not_served_though_it_is_near() {
    let (nest, cache) = watched().await;
    let (asset, media) = (nest.put("video x").await.id, nest.engine.as_system());
    let paths = paths(&media, asset).await;
    for (path, text) in &paths {
        assert!(read(&media, asset, path).await.unwrap().contains(text));
    }
    media.reprocess(asset).await.unwrap();
    nest.work().await;
    nest.engine.housekeeping().once().await.unwrap();
    let part = &paths[0].0;
    assert_eq!(read(&media, asset, part).await.unwrap_err().code(), "rendition_not_found");
    let playlist = read(&media, asset, &paths[1].0).await.unwrap();
    assert!(!playlist.contains(&rendition(part).to_string()), "{playlist}");

    let service = medianest_core::http::MediaService::new(nest.engine.clone());
    let url = media.url(asset).hls().sign().replace("index.m3u8", "720p/index.m3u8");
    let status = async || {
        let request = http::Request::builder().uri(&url).body(http_body_util::Full::new(Bytes::new()));
        service.handle(request.unwrap()).await.status()
    };
    assert_eq!(status().await, 200);
    media.trash(asset).await.unwrap();
    media.delete(asset).await.unwrap();
    nest.engine.housekeeping().once().await.unwrap();
    assert_eq!(nest.keys().await, Vec::<String>::new(), "the bytes are gone");
    for (path, _) in &paths {
        assert_eq!(read(&media, asset, path).await.unwrap_err().code(), "asset_not_found", "{path}");
    }
    assert_eq!(status().await, 404);
    assert!(cache.holds_all().await, "though all is near");
}
