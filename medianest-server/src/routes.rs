use crate::{
    State,
    api::{self, Api},
    edge::{AllowedMethods, Edge},
    forward,
    problem::Failure,
    site,
};
use medianest_core::http::MediaService;
use poem::{Endpoint, Request, Response, Route, endpoint::make, get};
use poem_openapi::OpenApi;

/// All routes, to be served or to be mounted at the root of a poem application: `/api/v1`, signed
/// delivery below `/media`, health, metrics, documentation, keys, and the page at `/`.
///
/// Everything that goes wrong is answered as a problem, and every response carries its request id.
pub fn routes(state: State) -> impl Endpoint<Output = Response> {
    let allowed = AllowedMethods::new("/api/v1", Api::meta());
    let page = site::Page::new(&state.engine.delivery_origins());
    let app = mounted(&state)
        .at("/health/live", get(site::live))
        .at("/health/ready", get(site::ready))
        .at("/metrics", get(site::metrics))
        .at("/openapi.json", site::Fixed::new(|| site::Source::json(openapi_document())))
        .at("/.well-known/jwks.json", jwks(&state))
        .at("/docs", site::docs(api::document_page))
        .nest_no_strip("/", page);
    Edge::new(app, state, allowed)
}

/// The API and signed delivery alone, for a poem application with a page of its own.
pub fn api_routes(state: State) -> impl Endpoint<Output = Response> {
    let allowed = AllowedMethods::new("/api/v1", Api::meta());
    Edge::new(mounted(&state), state, allowed)
}

/// Health and metrics alone, for an address that only those reach who run the program.
#[cfg(feature = "standalone")]
pub(crate) fn monitoring(state: State) -> impl Endpoint<Output = Response> {
    let app = Route::new()
        .at("/health/live", get(site::live))
        .at("/health/ready", get(site::ready))
        .at("/metrics", get(site::open_metrics));
    Edge::new(app, state, AllowedMethods::new("", Vec::new()))
}

fn mounted(state: &State) -> Route {
    let delivery = forward::service(state);
    let signed = make(move |request| signed(delivery.clone(), request));
    Route::new().nest("/api/v1", api::service(state)).at("/media/*path", get(signed))
}

/// Whoever has a signed URL is asked for nothing else.
async fn signed(delivery: MediaService, request: Request) -> poem::Result<Response> {
    let path = request.raw_path_param("path").unwrap_or_default();
    let path = format!("/media/{path}");
    Ok(forward::read(&delivery, &request, &path, None).await.map_err(Failure)?)
}

/// The OpenAPI document of `/api/v1`.
pub fn openapi_document() -> String {
    api::document()
}

/// The keys that tokens are verified with; none, where users are kept elsewhere.
fn jwks(state: &State) -> site::Fixed {
    let none = || serde_json::json!({ "keys": [] });
    let keys = state.accounts.as_ref().map_or_else(none, |accounts| accounts.jwks()).to_string();
    site::Fixed::new(move || site::Source::json(keys.clone()))
}
