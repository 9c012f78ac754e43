use crate::problem::Failure;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, Method, StatusCode, header};
use medianest_core::Error;
use poem::{Endpoint, Request, Response, error::MethodNotAllowedError};
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, io::Write as _, sync::Arc};
use tokio::sync::OnceCell;

/// An answer that is the same for everybody while the program runs. It is made when it is first asked
/// for, and sent from memory that all who ask share.
pub(crate) struct Fixed {
    make: Arc<dyn Fn() -> Source + Send + Sync>,
    made: OnceCell<Made>,
}

/// What there is to answer.
pub(crate) struct Source {
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// What a page may do, where there is one.
    pub(crate) policy: Option<String>,
}

impl Source {
    pub(crate) fn json(text: impl Into<Bytes>) -> Self {
        Self { content_type: "application/json", body: text.into(), policy: None }
    }
}

struct Made {
    source: Source,
    /// The same compressed, where that makes it smaller.
    gzip: Option<Bytes>,
    /// Changes with the bytes.
    tag: String,
}

impl Fixed {
    pub(crate) fn new(make: impl Fn() -> Source + Send + Sync + 'static) -> Self {
        Self { make: Arc::new(make), made: OnceCell::new() }
    }

    async fn made(&self) -> Result<&Made, Error> {
        let make = || async {
            let make = Arc::clone(&self.make);
            tokio::task::spawn_blocking(move || Made::of(make()))
                .await
                .map_err(|source| Error::internal("cannot make an answer").caused_by(source))
        };
        self.made.get_or_try_init(make).await
    }
}

impl Endpoint for Fixed {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(MethodNotAllowedError.into());
        }
        let made = self.made().await.map_err(Failure)?;
        let gzip = made.gzip.as_ref().filter(|_| takes_gzip(request.headers()));
        let tag = match gzip {
            Some(_) => format!("\"{}-gzip\"", made.tag),
            None => format!("\"{}\"", made.tag),
        };
        let mut response = Response::builder()
            .header(header::ETAG, &tag)
            .header(header::CACHE_CONTROL, "no-cache")
            .header(header::VARY, "Accept-Encoding");
        if let Some(policy) = &made.source.policy {
            response = response.header(header::CONTENT_SECURITY_POLICY, policy);
        }
        if request.header("if-none-match").is_some_and(|known| known.contains(&made.tag)) {
            return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
        }
        response = response.content_type(made.source.content_type);
        Ok(match gzip {
            Some(gzip) => response.header(header::CONTENT_ENCODING, "gzip").body(gzip.clone()),
            None => response.body(made.source.body.clone()),
        })
    }
}

impl Made {
    fn of(source: Source) -> Self {
        let tag = Sha256::digest(&source.body)[..12].iter().fold(String::new(), |mut tag, byte| {
            // Writing to a string does not fail.
            let _ = write!(tag, "{byte:02x}");
            tag
        });
        let gzip = compressed(&source.body).filter(|gzip| gzip.len() < source.body.len());
        Self { source, gzip, tag }
    }
}

fn compressed(bytes: &[u8]) -> Option<Bytes> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes).ok()?;
    Some(gzip.finish().ok()?.into())
}

/// Whether `Accept-Encoding` ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3)) has gzip.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = values.flat_map(|value| value.split(','));
    codings.any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let refused = quality.trim().strip_prefix("q=").and_then(|q| q.parse().ok()) == Some(0.0);
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_who_asks_for_it() {
        for (given, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0, br", false),
            ("identity", false),
            ("x-gzip", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, given.parse().unwrap())]);
            assert_eq!(takes_gzip(&headers), takes, "{given}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
