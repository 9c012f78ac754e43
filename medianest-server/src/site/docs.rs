use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::header;
use poem::{Endpoint, Request, Response};
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// The documentation as a page of its own, without anything from elsewhere. Made when it is first
/// asked for: it is some megabytes of script.
pub(crate) struct Docs<F> {
    make: F,
    made: OnceLock<(String, String)>,
}

impl<F: Fn() -> String + Send + Sync> Docs<F> {
    pub(crate) fn new(make: F) -> Self {
        Self { make, made: OnceLock::new() }
    }
}

impl<F: Fn() -> String + Send + Sync> Endpoint for Docs<F> {
    type Output = Response;

    async fn call(&self, _: Request) -> poem::Result<Response> {
        let (html, policy) = self.made.get_or_init(|| {
            let html = (self.make)();
            let policy = policy(&html);
            (html, policy)
        });
        Ok(Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, policy)
            .header(header::CACHE_CONTROL, "no-cache")
            .body(html.clone()))
    }
}

/// Lets exactly the scripts of the page run, by their digests.
fn policy(html: &str) -> String {
    let scripts = html.split("<script").skip(1).filter_map(|rest| {
        let rest = &rest[rest.find('>')? + 1..];
        Some(&rest[..rest.find("</script>")?])
    });
    let digests: Vec<_> = scripts
        .map(|script| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(script))))
        .collect();
    format!(
        "default-src 'none'; script-src {}; style-src 'unsafe-inline'; img-src 'self' data:; font-src data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        digests.join(" ")
    )
}
