//! The framework-neutral service.

use crate::support::nest;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use medianest_core::{
    Asset, Principal, SessionId, TenantId,
    http::{MediaBody, MediaService, SessionGate, set_caller},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
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
    assert!(
        playlist.contains("#EXT-X-MAP:URI=\"0.mp4\"") && playlist.ends_with("#EXT-X-ENDLIST\n"),
        "{playlist}"
    );
    let part = get(&service, &format!("{base}720p/2.mp4"), &[]).await;
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
