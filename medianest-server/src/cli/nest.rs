//! How commands reach the library: over the socket of the server that owns the data directory, or,
//! when none runs, by the same routes within this process. Either way they speak the HTTP contract.

use crate::{
    composition::{Migrate, Nest, Role, compose},
    config::Config,
    data_dir, routes,
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use medianest_core::{Engine, Error, ErrorKind, Principal, Result, TenantId};
use poem::{Body, Endpoint, Request, Response};
use serde_json::Value;
use std::path::Path;

/// Says on whose behalf a command on the local socket acts.
pub(crate) const ACT_AS: HeaderName = HeaderName::from_static("x-medianest-act-as");

pub(super) struct Reached {
    reach: Reach,
    act_as: Option<HeaderValue>,
}

enum Reach {
    /// The socket of the owner.
    #[cfg(unix)]
    Server(std::path::PathBuf),
    /// Ourselves.
    Here { nest: Nest, routes: poem::endpoint::BoxEndpoint<'static, Response> },
}

impl Reached {
    /// Reaches the library of this configuration.
    pub(super) async fn open(config: &Config) -> Result<Self> {
        #[cfg(unix)]
        if config.database_url()?.is_none() && is_served(&config.data_dir).await {
            return Ok(Self { reach: Reach::Server(data_dir::socket(&config.data_dir)), act_as: None });
        }
        let nest = compose(config, Migrate::Yes, Role::Command).await?;
        let routes = poem::EndpointExt::boxed(as_system(routes(nest.state(config))));
        Ok(Self { reach: Reach::Here { nest, routes }, act_as: None })
    }

    /// The same on behalf of a user, by id.
    pub(super) fn acting_as(mut self, user: &str) -> Result<Self> {
        let value = HeaderValue::from_str(user)
            .map_err(|source| Error::invalid("invalid_user", "not the id of a user").caused_by(source))?;
        self.act_as = Some(value);
        Ok(self)
    }

    /// A JSON request; its JSON answer, null when there is none.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let mut request = Request::builder().method(method).uri_str(format!("/api/v1{path}"));
        let body = match body {
            Some(body) => {
                request = request.content_type("application/json");
                Body::from_string(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body)).await
    }

    /// All rows of a list, page after page.
    pub(super) async fn all(&self, path: &str) -> Result<Vec<Value>> {
        let mut rows = Vec::new();
        let mut next = format!("{path}?limit=200");
        loop {
            let mut page = self.call(Method::GET, &next, None).await?;
            if let Some(items) = page["items"].as_array_mut() {
                rows.append(items);
            }
            let Some(cursor) = page["next_cursor"].as_str() else { return Ok(rows) };
            next = format!("{path}?limit=200&cursor={}", encode(cursor));
        }
    }

    /// Any request below `/api/v1`.
    pub(super) async fn send(&self, mut request: Request) -> Result<Value> {
        if let Some(act_as) = &self.act_as {
            request.headers_mut().insert(ACT_AS, act_as.clone());
        }
        let response = match &self.reach {
            #[cfg(unix)]
            Reach::Server(socket) => over(socket, request).await?,
            Reach::Here { routes, .. } => routes.get_response(request).await,
        };
        let status = response.status();
        let text = response.into_body().into_bytes_limit(64 << 20).await.map_err(|source| {
            Error::unavailable("server_away", "the running server went away in the middle").caused_by(source)
        })?;
        let value: Value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&text)
                .map_err(|source| Error::internal("the server answered nonsense").caused_by(source))?
        };
        if status.is_success() { Ok(value) } else { Err(failed(status, &value)) }
    }

    /// The engine, where nobody else works on this library unless others share its database.
    pub(super) fn engine(&self) -> Option<&Engine> {
        match &self.reach {
            #[cfg(unix)]
            Reach::Server(_) => None,
            Reach::Here { nest, .. } => Some(&nest.engine),
        }
    }

    /// Ends what was opened for this.
    pub(super) async fn close(self) {
        if let Reach::Here { nest, .. } = self.reach {
            nest.engine.catalog().close().await;
        }
    }
}

/// The id of what was answered.
pub(super) fn id(value: &Value) -> Result<&str> {
    value["id"].as_str().ok_or_else(|| Error::internal("the server answered nonsense"))
}

/// A value within a query.
pub(super) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// The error behind a problem.
fn failed(status: StatusCode, problem: &Value) -> Error {
    let kind = match status {
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::CONFLICT => ErrorKind::Conflict,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorKind::TooLarge,
        StatusCode::SERVICE_UNAVAILABLE => ErrorKind::Unavailable,
        StatusCode::INSUFFICIENT_STORAGE => ErrorKind::StorageFull,
        status if status.is_client_error() => ErrorKind::InvalidInput,
        _ => ErrorKind::Internal,
    };
    let text = |key: &str, absent: &str| problem[key].as_str().unwrap_or(absent).to_owned();
    let error = Error::new(kind, text("code", "unknown"), text("detail", "the server refused"));
    match problem["errors"].as_array().and_then(|errors| errors.first()) {
        Some(first) => error.with("because", first["reason"].as_str().unwrap_or_default()),
        None => error,
    }
}

/// Routes for somebody who may do everything: whoever can open the data directory.
pub(crate) fn as_system<E>(routes: E) -> impl Endpoint<Output = Response>
where
    E: Endpoint<Output = Response>,
{
    poem::EndpointExt::before(routes, |mut request: Request| async move {
        let principal = match request.headers().get(ACT_AS).and_then(|value| value.to_str().ok()) {
            Some(user) => Principal::user(user),
            None => Principal::system(TenantId::DEFAULT),
        };
        request.set_data(principal);
        Ok(request)
    })
}

#[cfg(unix)]
async fn is_served(data_dir: &Path) -> bool {
    tokio::net::UnixStream::connect(data_dir::socket(data_dir)).await.is_ok()
}

#[cfg(unix)]
async fn over(socket: &Path, mut request: Request) -> Result<Response> {
    use http_body_util::combinators::BoxBody;
    use hyper_util::rt::TokioIo;

    let away = |source: Box<dyn std::error::Error + Send + Sync>| {
        Error::unavailable("server_away", "the running server does not answer").caused_by(source)
    };
    let stream = tokio::net::UnixStream::connect(socket).await.map_err(|source| away(source.into()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|source| away(source.into()))?;
    tokio::spawn(connection);
    request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
    let request: http::Request<BoxBody<bytes::Bytes, std::io::Error>> = request.into();
    let response = sender.send_request(request).await.map_err(|source| away(source.into()))?;
    let response = response.map(|body| {
        use http_body_util::BodyExt;
        body.map_err(std::io::Error::other)
    });
    Ok(response.into())
}
