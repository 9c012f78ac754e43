//! Hands requests to the framework-neutral service of the core, which delivers bytes and events.

use crate::{State, caller::Caller};
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use http::Method;
use http_body_util::Empty;
use medianest_core::{
    Error, Principal, Result, SessionId, TenantId,
    auth::Authenticator,
    http::{MediaService, SessionGate, set_caller},
};
use poem::{Body, Request, Response};
use std::sync::Arc;

/// Asks who a session belongs to that a signed URL names.
struct Gate(Arc<dyn Authenticator>);

#[async_trait]
impl SessionGate for Gate {
    async fn principal(&self, tenant: TenantId, session: SessionId) -> Result<Option<Principal>> {
        let identity = self.0.session(tenant, session).await?;
        Ok(identity.filter(|identity| !identity.must_change_password).map(|identity| identity.principal))
    }
}

/// The service over the state's engine.
pub(crate) fn service(state: &State) -> MediaService {
    MediaService::new(state.engine.clone()).sessions(Arc::new(Gate(Arc::clone(&state.authenticator))))
}

/// The method that was asked for: of what has no route of its own for `HEAD`, poem makes a `GET`, which may
/// be sent elsewhere with a URL that is no good for `HEAD`.
#[derive(Clone)]
pub(crate) struct Verb(pub(crate) Method);

/// The answer of the service to a read of `path`, with the headers and the query of `request`.
pub(crate) async fn read(
    service: &MediaService,
    request: &Request,
    path: &str,
    caller: Option<Caller>,
) -> Result<Response> {
    let uri = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let method = request.data::<Verb>().map_or_else(|| request.method(), |verb| &verb.0);
    let mut forwarded = http::Request::builder()
        .method(method)
        .uri(uri)
        .body(Empty::<Bytes>::new())
        .map_err(|source| Error::invalid("invalid_path", "this is not a path").caused_by(source))?;
    forwarded.headers_mut().extend(request.headers().clone());
    if let Some(caller) = caller {
        set_caller(&mut forwarded, Arc::new(caller));
    }
    let (parts, body) = service.try_handle(forwarded).await?.into_parts();
    let mut response =
        Response::builder().body(Body::from_bytes_stream(body.into_stream().map_err(std::io::Error::other)));
    response.set_status(parts.status);
    *response.headers_mut() = parts.headers;
    Ok(response)
}
