//! Delivery by the store itself.

use crate::support::{Nest, nest_with};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use medianest_core::{
    BlobKey, BlobMeta, BlobStore, ByteStream, Capabilities, Clock, ManualClock, MemoryBlobs, Presign,
    PresignedHeaders, Principal, Result, Timestamp, Upload,
    engine::Delivery,
    http::{MediaService, set_caller},
};
use std::{ops::Range, sync::Arc, time::Duration};

/// A store that gives out URLs which say what was asked for.
#[derive(Debug, Default)]
struct Presigning(MemoryBlobs);

#[async_trait]
impl BlobStore for Presigning {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64> {
        self.0.put(key, body).await
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.0.get(key, range).await
    }

    async fn head(&self, key: &BlobKey) -> Result<Option<BlobMeta>> {
        self.0.head(key).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.0.delete(key).await
    }

    fn list(&self, prefix: Option<&BlobKey>) -> BoxStream<'static, Result<BlobMeta>> {
        self.0.list(prefix)
    }

    fn capabilities(&self) -> Capabilities<'_> {
        let mut capabilities = Capabilities::default();
        capabilities.presign = Some(self);
        capabilities
    }
}

#[async_trait]
impl Presign for Presigning {
    fn origin(&self) -> &str {
        "https://store.example.org"
    }

    async fn presign_get(
        &self,
        key: &BlobKey,
        headers: &PresignedHeaders,
        valid: Duration,
    ) -> Result<String> {
        let name = headers.content_disposition.replace([' ', '"'], "");
        Ok(format!("{}/{key}?type={}&as={name}&for={}", self.origin(), headers.content_type, valid.as_secs()))
    }
}

async fn presigning(delivery: Delivery) -> (Nest, MediaService, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_800_000_000)));
    let shared: Arc<dyn Clock> = clock.clone();
    let nest =
        nest_with(|builder| builder.blobs(Presigning::default()).delivery(delivery).clock(shared)).await;
    let service = MediaService::new(nest.engine.clone());
    (nest, service, clock)
}

async fn ask(
    service: &MediaService,
    method: Method,
    path: &str,
    caller: Option<&str>,
) -> (StatusCode, HeaderMap) {
    let mut request = Request::builder().method(method).uri(path).body(Full::new(Bytes::new())).unwrap();
    if let Some(subject) = caller {
        set_caller(&mut request, Arc::new(Principal::user(subject)));
    }
    let answer = service.handle(request).await;
    (answer.status(), answer.headers().clone())
}

#[tokio::test]
async fn one_blob_comes_from_the_store_for_a_while() {
    let (nest, service, clock) = presigning(Delivery::Redirect).await;
    assert_eq!(nest.engine.delivery_origins(), ["https://store.example.org"]);
    let asset = nest.put("video x").await;
    let url = nest.engine.as_system().url(asset.id).expires_in(Duration::from_secs(7200)).sign();
    let (status, headers) = ask(&service, Method::GET, &format!("{url}?download=true"), None).await;
    assert_eq!(
        (status, headers["cache-control"].to_str().unwrap()),
        (StatusCode::TEMPORARY_REDIRECT, "private, max-age=300")
    );
    let location = headers["location"].to_str().unwrap();
    let expected = "?type=image/x-test&as=attachment;filename=name.jpg&for=900";
    assert!(
        location.starts_with("https://store.example.org/o/") && location.ends_with(expected),
        "{location}"
    );

    // Not for longer than the URL that led there.
    clock.advance(Duration::from_secs(3 * 3600 - 60));
    let (_, headers) = ask(&service, Method::GET, &url, None).await;
    assert!(headers["location"].to_str().unwrap().ends_with("&for=60"), "{headers:?}");
    assert_eq!(headers["cache-control"], "private, max-age=20");
    clock.advance(Duration::from_secs(60));
    assert_eq!(ask(&service, Method::GET, &url, None).await.0, StatusCode::GONE);
}

#[tokio::test]
async fn the_rest_comes_through_us() {
    let (nest, service, _) = presigning(Delivery::Redirect).await;
    let asset = nest.put("video x").await;
    let system = nest.engine.as_system();
    let original = system.url(asset.id).sign();
    let (status, headers) = ask(&service, Method::HEAD, &original, None).await;
    assert_eq!((status, headers.get("location")), (StatusCode::OK, None), "a URL is for one method");

    // Playlists are made here; what they lead to may come from the store; four blobs are no one blob.
    let index = system.url(asset.id).hls().sign();
    let base = index.strip_suffix("index.m3u8").unwrap();
    assert_eq!(ask(&service, Method::GET, &index, None).await.0, StatusCode::OK);
    assert_eq!(ask(&service, Method::GET, &format!("{base}720p/index.m3u8"), None).await.0, StatusCode::OK);
    let rendition = system.renditions(asset.id).await.unwrap();
    let rendition = rendition.iter().find(|rendition| rendition.variant.as_str() == "720p").unwrap().id;
    let part = ask(&service, Method::GET, &format!("{base}720p/{rendition}/1.mp4"), None).await;
    assert_eq!(part.0, StatusCode::TEMPORARY_REDIRECT);
    let whole = system.url(asset.id).rendition("720p".to_owned().try_into().unwrap()).sign();
    assert_eq!(ask(&service, Method::GET, &whole, None).await.0, StatusCode::OK);

    let (nest, service, _) = presigning(Delivery::Proxy).await;
    let asset = nest.put("image x").await;
    let url = nest.engine.as_system().url(asset.id).sign();
    assert_eq!(ask(&service, Method::GET, &url, None).await.0, StatusCode::OK);
    assert!(nest.engine.delivery_origins().is_empty());
}

#[tokio::test]
async fn only_who_may_see_it_is_sent_there() {
    let (nest, service, _) = presigning(Delivery::Redirect).await;
    let ann = nest.engine.acting_as(Principal::user("ann"));
    let asset = ann.ingest(Upload::from_bytes("a", "image x")).await.unwrap();
    let path = format!("/assets/{}/content", asset.id);
    let (status, headers) = ask(&service, Method::GET, &path, Some("ann")).await;
    assert_eq!(
        (status, headers["cache-control"].to_str().unwrap()),
        (StatusCode::TEMPORARY_REDIRECT, "private, no-cache")
    );
    assert_eq!(ask(&service, Method::GET, &path, Some("eve")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&service, Method::GET, &path, None).await.0, StatusCode::UNAUTHORIZED);
}
