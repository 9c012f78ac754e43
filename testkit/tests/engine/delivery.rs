//! The framework-neutral service.

use crate::support::{eager, nest, nest_with};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use medianest_core::{
    Asset, Principal, RenditionId, SessionId, TenantId,
    http::{Caller, MediaBody, MediaService, SessionGate, set_caller},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

type Answer = Response<MediaBody>;

async fn get(service: &MediaService, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    service.handle(request.body(Full::new(Bytes::new())).unwrap()).await
}

async fn text(answer: Answer) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn header_of<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn one_signature_opens_the_whole_hls_tree_and_nothing_else() {
    let nest = nest().await;
    let asset = nest.put("video x").await;
    let service = MediaService::new(nest.engine.clone());
    let url = nest.engine.as_system().url(asset.id).hls().sign();
    let index = text(get(&service, &url, &[]).await).await;
    assert!(index.contains("720p/index.m3u8") && index.contains("audio/index.m3u8"), "{index}");
    let base = url.strip_suffix("index.m3u8").unwrap();
    let playlist = text(get(&service, &format!("{base}720p/index.m3u8"), &[]).await).await;
    assert!(playlist.contains("/0.mp4\"") && playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    let part = playlist.lines().find(|line| line.ends_with("/2.mp4")).unwrap();
    let part = get(&service, &format!("{base}720p/{part}"), &[]).await;
    assert_eq!(header_of(&part, "content-type"), "video/mp4");
    assert_eq!(text(part).await, "[720p 2]");

    let original = url.replace("hls/index.m3u8", "content");
    assert_eq!(get(&service, &original, &[]).await.status(), StatusCode::FORBIDDEN);
    let small = url.replace("hls/index.m3u8", "renditions/small");
    assert_eq!(get(&service, &small, &[]).await.status(), StatusCode::FORBIDDEN);
    let forged = url.replacen(".h.", ".o.", 1).replace("hls/index.m3u8", "content");
    assert_eq!(get(&service, &forged, &[]).await.status(), StatusCode::FORBIDDEN);
    for path in ["/media/x/y/z", "/media/", "/media/a.b.c.d.e.f/x/content", &format!("{base}../content")] {
        assert!(get(&service, path, &[]).await.status().is_client_error(), "{path}");
    }
}

/// What a rendition is, browsers keep; which one it is, they ask each time.
#[tokio::test]
async fn who_plays_goes_on_while_a_film_is_made_again() {
    let mut options = eager();
    options.delete_retention = Duration::from_secs(3600);
    let nest = nest_with(|builder| builder.options(options)).await;
    let asset = nest.put("video x").await;
    let service = MediaService::new(nest.engine.clone());
    let index = nest.engine.as_system().url(asset.id).hls().sign();
    let rung = index.replace("hls/index.m3u8", "hls/720p/index.m3u8");
    assert_eq!(header_of(&get(&service, &index, &[]).await, "cache-control"), "private, no-cache");
    let playlist = get(&service, &rung, &[]).await;
    assert_eq!(header_of(&playlist, "cache-control"), "private, no-cache");
    let tag = header_of(&playlist, "etag").to_owned();
    let playlist = text(playlist).await;
    let known = get(&service, &rung, &[("if-none-match", &tag)]).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);

    nest.engine.as_system().reprocess(asset.id).await.unwrap();
    nest.work().await;
    let changed = get(&service, &rung, &[("if-none-match", &tag)]).await;
    assert_eq!(changed.status(), StatusCode::OK);
    let changed = text(changed).await;
    for (playlist, other) in [(&playlist, &changed), (&changed, &playlist)] {
        let part = playlist.lines().find(|line| line.ends_with("/1.mp4")).unwrap();
        let (rendition, _) = part.split_once('/').unwrap();
        assert!(!other.contains(rendition), "{other}");
        let part = get(&service, &rung.replace("index.m3u8", part), &[]).await;
        assert_eq!(header_of(&part, "cache-control"), "private, max-age=3600, immutable");
        assert_eq!(header_of(&part, "etag"), format!("\"{rendition}-1\""));
        assert_eq!(text(part).await, "[720p 1]");
    }
}

#[tokio::test]
async fn only_an_exact_url_is_kept_without_asking() {
    let nest = nest().await;
    let asset = nest.put("image x").await;
    let media = nest.engine.as_system();
    let service = MediaService::new(nest.engine.clone());
    let small =
        media.renditions(asset.id).await.unwrap().into_iter().find(|row| row.variant.as_str() == "small");
    let small = small.unwrap();
    let present = media.url(asset.id).rendition(small.variant.clone()).sign();
    let exact = media.url(asset.id).exact_rendition(small.variant.clone(), small.id).sign();
    for (url, cached) in [(&present, "private, no-cache"), (&exact, "private, max-age=3600, immutable")] {
        let answer = get(&service, url, &[]).await;
        assert_eq!(header_of(&answer, "cache-control"), cached);
        assert_eq!(text(answer).await, "[small 0]");
    }
    let other = exact.replace("renditions/small", "renditions/large");
    assert_eq!(get(&service, &other, &[]).await.status(), StatusCode::FORBIDDEN);
    let unknown = media.url(asset.id).exact_rendition(small.variant, RenditionId::new()).sign();
    assert_eq!(get(&service, &unknown, &[]).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn ranges_tags_and_names() {
    let nest = nest().await;
    let asset = nest.put("image 0123456789").await;
    let service = MediaService::new(nest.engine.clone());
    let url = nest.engine.as_system().url(asset.id).sign();
    let whole = get(&service, &url, &[]).await;
    assert_eq!((whole.status(), header_of(&whole, "content-length")), (StatusCode::OK, "16"));
    assert_eq!(header_of(&whole, "x-content-type-options"), "nosniff");
    assert_eq!(header_of(&whole, "content-disposition"), "inline; filename=\"name.jpg\"");
    let tag = header_of(&whole, "etag").to_owned();
    assert_eq!(text(whole).await, "image 0123456789");

    let part = get(&service, &url, &[("range", "bytes=6-8")]).await;
    assert_eq!(header_of(&part, "content-range"), "bytes 6-8/16");
    assert_eq!((part.status(), text(part).await.as_str()), (StatusCode::PARTIAL_CONTENT, "012"));
    let beyond = get(&service, &url, &[("range", "bytes=16-")]).await;
    assert_eq!(header_of(&beyond, "content-range"), "bytes */16");
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let known = get(&service, &url, &[("if-none-match", &tag)]).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    let saved = get(&service, &format!("{url}?download=true"), &[]).await;
    assert!(header_of(&saved, "content-disposition").starts_with("attachment"));

    let whole_rung = nest.put("video y").await;
    let url =
        nest.engine.as_system().url(whole_rung.id).rendition("720p".to_owned().try_into().unwrap()).sign();
    let across = get(&service, &url, &[("range", "bytes=6-17")]).await;
    assert_eq!(text(across).await, "0][720p 1][7", "a range reaches over parts");
}

/// Somebody whose role changes.
struct Changing(Mutex<Principal>);

#[async_trait::async_trait]
impl Caller for Changing {
    async fn principal(&self) -> medianest_core::Result<Principal> {
        Ok(self.0.lock().unwrap().clone())
    }
}

#[tokio::test]
async fn an_open_event_stream_does_not_outlive_a_role() {
    let nest = nest().await;
    let service = MediaService::new(nest.engine.clone());
    let caller = Arc::new(Changing(Mutex::new(Principal::admin("ann"))));
    let mut request = Request::builder().uri("/events").body(Full::new(Bytes::new())).unwrap();
    set_caller(&mut request, caller.clone());
    let mut stream = service.handle(request).await.into_body();
    stream.frame().await.unwrap().unwrap();

    // What only an administrator sees is there to be read when the role goes.
    nest.put("image of others").await;
    *caller.0.lock().unwrap() = Principal::user("ann");
    nest.engine.acting_as(Principal::user("ann")).create_library("Mine").await.unwrap();
    nest.work().await;
    let frame = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    let frame = String::from_utf8(frame.to_vec()).unwrap();
    assert!(!frame.contains("asset."), "{frame}");
    assert!(frame.contains("library.created") && frame.contains("Mine"), "{frame}");
}

#[derive(Default)]
struct Gate(AtomicBool);

#[async_trait::async_trait]
impl SessionGate for Gate {
    async fn principal(&self, tenant: TenantId, _: SessionId) -> medianest_core::Result<Option<Principal>> {
        Ok(self.0.load(Ordering::SeqCst).then(|| Principal::user("ann").in_tenant(tenant)))
    }
}

#[tokio::test]
async fn a_url_that_names_a_session_ends_with_it() {
    let nest = nest().await;
    let ann = nest.engine.acting_as(Principal::user("ann"));
    let asset = ann.ingest(medianest_core::Upload::from_bytes("a", "image x")).await.unwrap();
    let url = ann.url(asset.id).for_session(SessionId::new()).sign();
    let gate = Arc::new(Gate(AtomicBool::new(true)));
    let service = MediaService::new(nest.engine.clone()).sessions(gate.clone());
    assert_eq!(get(&service, &url, &[]).await.status(), StatusCode::OK);
    let other = nest.put("image of others").await;
    let foreign = ann.url(other.id).for_session(SessionId::new()).sign();
    assert_eq!(get(&service, &foreign, &[]).await.status(), StatusCode::NOT_FOUND, "what ann does not see");
    gate.0.store(false, Ordering::SeqCst);
    assert_eq!(get(&service, &url, &[]).await.status(), StatusCode::UNAUTHORIZED);
    let without_gate = MediaService::new(nest.engine.clone());
    assert_eq!(get(&without_gate, &url, &[]).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_caller_uploads_and_follows_events() {
    let nest = nest().await;
    let service = MediaService::new(nest.engine.clone()).prefix("/api");
    let post = |caller: bool, path: &str| {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .body(Full::new(Bytes::from("image x")))
            .unwrap();
        if caller {
            set_caller(&mut request, Arc::new(Principal::user("ann")));
        }
        request
    };
    assert_eq!(
        service.handle(post(false, "/api/uploads?name=a.jpg")).await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(service.handle(post(true, "/api/uploads")).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(service.handle(post(true, "/uploads?name=a.jpg")).await.status(), StatusCode::NOT_FOUND);
    let answer = service.handle(post(true, "/api/uploads?name=a%20b.jpg")).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let asset: Asset = serde_json::from_str(&text(answer).await).unwrap();
    assert_eq!((asset.name.as_str(), asset.owner.as_str()), ("a b.jpg", "ann"));
    nest.work().await;

    let mut request = Request::builder().uri("/api/events?after=1:0").body(Full::new(Bytes::new())).unwrap();
    set_caller(&mut request, Arc::new(Principal::user("ann")));
    let mut stream = service.handle(request).await.into_body();
    let frame = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    let frame = String::from_utf8(frame.to_vec()).unwrap();
    assert!(frame.contains("event: asset.ready\n") && frame.contains(&asset.id.to_string()), "{frame}");

    let mut request = Request::builder()
        .uri("/api/events")
        .header("last-event-id", "9:1")
        .body(Full::new(Bytes::new()))
        .unwrap();
    set_caller(&mut request, Arc::new(Principal::user("ann")));
    assert_eq!(service.handle(request).await.status(), StatusCode::GONE);
}
