use super::{
    Caller, MediaBody,
    deliver::{self, Asked},
    events,
    problem::problem,
    upload,
};
use crate::{
    AssetId, Engine, Error, ErrorKind, Principal, Result, SessionId, TenantId,
    engine::{Media, MediaPath},
};
use async_trait::async_trait;
use bytes::Buf;
use http::{Method, Request, Response, request::Parts};
use http_body::Body;
use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// Says whose sign-in a signed URL names, while it is valid.
#[async_trait]
pub trait SessionGate: Send + Sync + 'static {
    /// The principal of a valid session; None when it has ended.
    ///
    /// # Errors
    /// `Unavailable`: the request fails, rather than going through unchecked.
    async fn principal(&self, tenant: TenantId, session: SessionId) -> Result<Option<Principal>>;
}

/// The service; cheap to clone. See [the module](super).
#[derive(Clone)]
pub struct MediaService {
    engine: Engine,
    sessions: Option<Arc<dyn SessionGate>>,
    prefix: Arc<str>,
}

impl fmt::Debug for MediaService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaService").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl MediaService {
    /// The service of an engine.
    pub fn new(engine: Engine) -> Self {
        Self { engine, sessions: None, prefix: Arc::from("") }
    }

    /// Checks the sessions that signed URLs name; without, such URLs are refused.
    #[must_use]
    pub fn sessions(mut self, sessions: Arc<dyn SessionGate>) -> Self {
        self.sessions = Some(sessions);
        self
    }

    /// What stands before the routes in the paths of requests (`/api`).
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = Arc::from(prefix.trim_end_matches('/'));
        self
    }

    /// Answers a request; what goes wrong becomes a problem response.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<MediaBody>
    where
        B: Body + Send + 'static,
        B::Data: Buf + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.try_handle(request).await.unwrap_or_else(|error| problem(&error))
    }

    /// As [`handle`](Self::handle), for hosts with error responses of their own.
    ///
    /// # Errors
    /// What goes wrong.
    pub async fn try_handle<B>(&self, request: Request<B>) -> Result<Response<MediaBody>>
    where
        B: Body + Send + 'static,
        B::Data: Buf + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        self.route(&parts, body).await
    }

    async fn route<B>(&self, parts: &Parts, body: B) -> Result<Response<MediaBody>>
    where
        B: Body + Send + 'static,
        B::Data: Buf + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let unknown = || Error::new(ErrorKind::NotFound, "path_not_found", "there is nothing at this path");
        let path = parts.uri.path().strip_prefix(&*self.prefix).ok_or_else(unknown)?;
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        if let Some(path) = path.strip_prefix("/media/").filter(|_| reads) {
            return self.signed(path, parts, &query).await;
        }
        if let Some(path) = path.strip_prefix("/assets/").filter(|_| reads) {
            let (asset, path) = path.split_once('/').ok_or_else(unknown)?;
            let media = self.media(parts).await?;
            let id = asset.parse().map_err(|_| unknown())?;
            let content = media.content_or_trashed(id, &path.parse()?).await?;
            let download = query.get("download") == Some("true");
            let Parts { method, headers, .. } = parts;
            let asked = Asked { method, headers, download, immutable: false, until: None };
            return deliver::respond(&media, &content, asked).await;
        }
        match (&parts.method, path) {
            (&Method::POST, "/uploads") => {
                let media = self.media(parts).await?;
                upload::respond(&media, upload::bytes(body), &parts.headers, &query).await
            }
            (&Method::GET, "/events") => {
                let caller = Self::caller(parts)?;
                let after = events::cursor(&parts.headers, query.get("after"))?;
                let mut feed = self.engine.acting_as(caller.principal().await?).events(after).await?;
                // The first batch tells whether the cursor is still good, while there is a status to say it.
                let first = feed.take().await?;
                events::respond(feed, first, caller)
            }
            _ => Err(unknown()),
        }
    }

    fn caller(parts: &Parts) -> Result<Arc<dyn Caller>> {
        parts
            .extensions
            .get::<Arc<dyn Caller>>()
            .cloned()
            .ok_or_else(|| Error::new(ErrorKind::Unauthenticated, "not_signed_in", "sign in first"))
    }

    async fn media(&self, parts: &Parts) -> Result<Media> {
        Ok(self.engine.acting_as(Self::caller(parts)?.principal().await?))
    }

    async fn signed(&self, path: &str, parts: &Parts, query: &Query) -> Result<Response<MediaBody>> {
        let invalid = || {
            Error::new(ErrorKind::Forbidden, "invalid_signature", "the signature of this URL is not valid")
        };
        let mut segments = path.splitn(3, '/');
        let (signature, asset, path) = (segments.next(), segments.next(), segments.next());
        let (Some(signature), Some(asset), Some(path)) = (signature, asset, path) else {
            return Err(invalid());
        };
        let asset: AssetId = asset.parse().map_err(|_| invalid())?;
        let path: MediaPath = path.parse()?;
        let claims = self.engine.url_keys().verify(signature, asset, self.engine.now())?;
        if !path.is_covered_by(&claims.scope) {
            return Err(invalid());
        }
        let principal = match (claims.session, &self.sessions) {
            (None, _) => Principal::system(claims.tenant),
            (Some(session), Some(gate)) => {
                gate.principal(claims.tenant, session).await?.ok_or_else(|| {
                    Error::new(
                        ErrorKind::Unauthenticated,
                        "session_ended",
                        "the sign-in of this URL has ended",
                    )
                })?
            }
            (Some(_), None) => return Err(invalid()),
        };
        let media = self.engine.acting_as(principal);
        let content = media.content(asset, &path).await?;
        let download = query.get("download") == Some("true");
        let Parts { method, headers, .. } = parts;
        let (immutable, until) = (path.is_immutable(), Some(claims.expires_at));
        deliver::respond(&media, &content, Asked { method, headers, download, immutable, until }).await
    }
}

impl<B> tower_service::Service<Request<B>> for MediaService
where
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<MediaBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<MediaBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.handle(request).await) })
    }
}

/// The parameters of a query string; of several of a name the first counts.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).take(32);
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// Decodes `application/x-www-form-urlencoded`; what is not valid stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = |place: usize| bytes.get(place).and_then(|digit| char::from(*digit).to_digit(16));
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("name=a%20b+c%C3%A9&x&name=2&bad=%zz");
        assert_eq!(query.get("name"), Some("a b cé"));
        assert_eq!(query.get("x"), Some(""));
        assert_eq!(query.get("bad"), Some("%zz"));
        assert_eq!(query.get("none"), None);
    }
}
