use super::{Fixed, Source};
use bytes::Bytes;
use include_dir::{Dir, DirEntry, include_dir};
use poem::{Endpoint, Request, Response, error::NotFoundError};
use std::collections::HashMap;

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/web");

/// The files of the page, which are part of the program.
pub(crate) struct Page(HashMap<&'static str, Fixed>);

impl Page {
    /// The page, that shows media from here and from these origins.
    pub(crate) fn new(origins: &[String]) -> Self {
        let mut files = HashMap::new();
        collect(&FILES, &policy(origins), &mut files);
        Self(files)
    }
}

fn collect(folder: &'static Dir<'static>, policy: &str, files: &mut HashMap<&'static str, Fixed>) {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => collect(folder, policy, files),
            DirEntry::File(file) => {
                if let Some(path) = file.path().to_str().filter(|path| !path.starts_with('.')) {
                    let policy = policy.to_owned();
                    let source = move || Source {
                        content_type: content_type(path),
                        body: Bytes::from_static(file.contents()),
                        policy: Some(policy.clone()),
                    };
                    files.insert(path, Fixed::new(source));
                }
            }
        }
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
        self.0.get(path).ok_or(NotFoundError)?.call(request).await
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
