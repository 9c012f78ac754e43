//! What is around every route: request id, limits, problems, headers, log.

mod access_log;
mod allow;
mod headers;
mod linger;

pub(crate) use allow::AllowedMethods;

use crate::{
    State,
    forward::Verb,
    problem::{self, Asked, Failure},
};
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use http::{HeaderValue, StatusCode, header};
use medianest_core::{Error, ErrorKind, Origin};
use poem::{Body, Endpoint, IntoResponse, Request, Response};
use poem_openapi::OperationId;
use std::{panic::AssertUnwindSafe, time::Instant};
use tracing::Instrument;

/// Wraps all routes.
pub(crate) struct Edge<E> {
    inner: E,
    state: State,
    allowed: AllowedMethods,
}

impl<E> Edge<E> {
    pub(crate) fn new(inner: E, state: State, allowed: AllowedMethods) -> Self {
        Self { inner, state, allowed }
    }
}

impl<E: Endpoint> Endpoint for Edge<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let begun = Instant::now();
        let id = uuid::Uuid::now_v7().simple().to_string();
        let method = request.method().clone();
        let path = request.original_uri().path().to_owned();
        request.set_data(self.state.clone());
        request.set_data(Verb(method.clone()));
        let client = self.state.counters.client(&request, &self.state.settings);
        request.set_data(client);
        request.set_data(Origin { request_id: Some(id.clone()), address: client.ip() });
        let asked = Asked { request_id: &id, path: &path };
        let rest = linger::Rest::of(&mut request);

        let answered = async {
            // Who asks whether we live is never too many: a wrong answer would be the end of us.
            if !path.starts_with("/health/") {
                self.state.counters.request(&self.state.settings.rates, client).map_err(Failure)?;
            }
            let request = limit(request, &self.state).await?;
            Ok::<_, poem::Error>(self.inner.call(request).await?.into_response())
        };
        let answered = answered.instrument(tracing::info_span!("request", id));
        let answered = AssertUnwindSafe(answered).catch_unwind().await;
        let operation = match &answered {
            Ok(Ok(response)) => response.data::<OperationId>(),
            Ok(Err(error)) => error.data::<OperationId>(),
            Err(_) => None,
        };
        let operation = operation.map(|id| id.0);
        let mut response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => problem::respond(error, &asked),
            Err(_) => problem::respond_to(&Error::internal("a handler panicked"), &asked),
        };
        if let Some(rest) = rest.filter(|_| !response.status().is_success()) {
            rest.discard().await;
        }
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(header::ALLOW, self.allowed.of(&path));
        }
        headers::secure(&mut response, &self.state.settings);
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("x-request-id", id);
        }
        let recorded = access_log::Recorded { method: &method, path: &path, operation, id: &id };
        access_log::record(&recorded, &response, begun);
        Ok(response)
    }
}

/// Refuses encoded bodies (an upload is stored as it comes, and JSON is small), and reads JSON within
/// its limits, so that no handler waits for it.
async fn limit(mut request: Request, state: &State) -> poem::Result<Request> {
    if let Some(encoding) = request.headers().get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(poem::Error::from_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let is_json = request.content_type().is_some_and(|given| {
        let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        essence.starts_with("application/") && essence.ends_with("json")
    });
    if is_json {
        let (limit, timeout) = (state.settings.max_json_bytes, state.settings.body_timeout);
        let bytes = tokio::time::timeout(timeout, read(request.take_body(), limit)).await.map_err(|_| {
            Failure(Error::new(ErrorKind::TimedOut, "request_timeout", "the body came too slowly"))
        })?;
        request.set_body(Body::from_bytes(bytes?));
    }
    Ok(request)
}

async fn read(body: Body, limit: usize) -> poem::Result<Bytes> {
    let mut chunks = body.into_bytes_stream();
    let (mut bytes, mut size) = (Vec::new(), 0_usize);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| poem::Error::from_status(StatusCode::BAD_REQUEST))?;
        size += chunk.len();
        if size > limit {
            return Err(poem::Error::from_status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}
