use http::{HeaderValue, StatusCode, header};
use include_dir::{Dir, include_dir};
use poem::{Endpoint, Request, Response, error::NotFoundError};
use sha2::{Digest, Sha256};

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/web");

/// The files of the page, which are part of the program.
pub(crate) struct Page {
    policy: HeaderValue,
}

impl Page {
    /// The page, that shows media from here and from these origins.
    pub(crate) fn new(origins: &[String]) -> Self {
        let policy = HeaderValue::from_str(&policy(origins));
        Self { policy: policy.unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'")) }
    }
}

/// Nothing but what we serve ourselves runs on the page; media may come as blobs, since players build
/// their streams in memory, and from the stores that we send it to.
fn policy(origins: &[String]) -> String {
    let stores: String = origins.iter().map(|origin| format!(" {origin}")).collect();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:{stores}; \
         media-src 'self' blob:{stores}; connect-src 'self'{stores}; worker-src 'self' blob:; \
         font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

impl Endpoint for Page {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let path = request.uri().path().trim_start_matches('/');
        let path = if path.is_empty() { "index.html" } else { path };
        let file = FILES.get_file(path).filter(|_| !path.starts_with('.')).ok_or(NotFoundError)?;
        let digest = Sha256::digest(file.contents());
        let tag: String = digest[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        let tag = format!("\"{tag}\"");
        let response = Response::builder()
            .header(header::ETAG, &tag)
            .header(header::CACHE_CONTROL, "no-cache")
            .header(header::VARY, "Accept-Encoding")
            .header(header::CONTENT_SECURITY_POLICY, &self.policy);
        if request.header("if-none-match").is_some_and(|known| known.contains(&tag)) {
            return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
        }
        Ok(response.content_type(content_type(path)).body(file.contents()))
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
