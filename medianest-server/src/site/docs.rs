use super::{Fixed, Source};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

/// The documentation as a page of its own, without anything from elsewhere: some megabytes of script.
pub(crate) fn docs(html: impl Fn() -> String + Send + Sync + 'static) -> Fixed {
    Fixed::new(move || {
        let html = html();
        let policy = Some(policy(&html));
        Source { content_type: "text/html; charset=utf-8", body: html.into(), policy }
    })
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
