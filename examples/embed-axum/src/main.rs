//! An axum application with users of its own: it says who calls, and mounts delivery, direct upload and
//! events of the engine below `/media-api`. Try it:
//!
//! ```sh
//! cargo run -p embed-axum &
//! curl -H 'x-user: ann' --data-binary @photo.jpg 'http://127.0.0.1:8080/media-api/uploads?name=photo.jpg'
//! curl -H 'x-user: ann' -N 'http://127.0.0.1:8080/media-api/events?after=1:0'
//! ```

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use medianest_core::{
    Engine, MemoryBlobs, Principal,
    catalog::Catalog,
    http::{MediaService, set_caller},
};
use medianest_media::InProcess;
use medianest_storage::SqliteCatalog;
use std::{error::Error, sync::Arc};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let engine = engine().await?;
    tokio::spawn(engine.worker().run());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    axum::serve(listener, app(engine)).await?;
    Ok(())
}

/// Everything in memory; photos only, decoded in this process: this application trusts its users.
async fn engine() -> Result<Engine, Box<dyn Error>> {
    let catalog = SqliteCatalog::in_memory().await?;
    catalog.migrate().await?;
    Ok(Engine::builder().catalog(catalog).blobs(MemoryBlobs::new()).processor(InProcess).build()?)
}

fn app(engine: Engine) -> Router {
    let media = MediaService::new(engine).prefix("/media-api");
    Router::new()
        .route("/", axum::routing::get(|| async { "an application with media" }))
        .route_service("/media-api/{*path}", media)
        .layer(middleware::from_fn(identify))
}

/// Tells the engine who calls: here by a header, in earnest by the application's own sessions.
async fn identify(mut request: Request, next: Next) -> Response {
    let user = request.headers().get("x-user").and_then(|user| user.to_str().ok()).map(str::to_owned);
    if let Some(user) = user {
        set_caller(&mut request, Arc::new(Principal::user(user)));
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Body, http::StatusCode};
    use http_body_util::BodyExt;
    use medianest_core::{Asset, AssetState};
    use tower::ServiceExt;

    /// A PNG of one red pixel.
    const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\0\0\0\x0cIDATx\x9cc\xf8\xcf\xc0\0\0\x03\x01\x01\0\xc9\xfe\x92\xef\0\0\0\0IEND\xaeB`\x82";

    async fn call(
        app: &Router,
        method: &str,
        path: &str,
        user: Option<&str>,
        body: &'static [u8],
    ) -> (StatusCode, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(user) = user {
            request = request.header("x-user", user);
        }
        let response = app.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status();
        (status, response.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    #[tokio::test]
    async fn users_of_the_application_have_media() {
        let engine = engine().await.unwrap();
        let app = app(engine.clone());
        let upload = "/media-api/uploads?name=pixel.png";
        assert_eq!(call(&app, "POST", upload, None, PIXEL).await.0, StatusCode::UNAUTHORIZED);
        let (status, body) = call(&app, "POST", upload, Some("ann"), PIXEL).await;
        assert_eq!(status, StatusCode::CREATED);
        let asset: Asset = serde_json::from_slice(&body).unwrap();
        engine.worker().run_until_idle().await.unwrap();
        assert_eq!(engine.as_system().require(asset.id).await.unwrap().state, AssetState::Ready);
        let small = format!("/media-api/assets/{}/renditions/small", asset.id);
        let (status, picture) = call(&app, "GET", &small, Some("ann"), b"").await;
        assert_eq!((status, &picture[..4]), (StatusCode::OK, &b"RIFF"[..]));
        assert_eq!(call(&app, "GET", &small, Some("bob"), b"").await.0, StatusCode::NOT_FOUND);
        let url = engine.as_system().url(asset.id).rendition("small".to_owned().try_into().unwrap()).sign();
        assert_eq!(call(&app, "GET", &format!("/media-api{url}"), None, b"").await.1, picture);
    }
}
