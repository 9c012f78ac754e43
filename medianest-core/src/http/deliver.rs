use super::{MediaBody, range};
use crate::{
    Error, PresignedHeaders, Result, Timestamp,
    engine::{Content, Media, REDIRECT_FOR},
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use std::time::Duration;

/// How content is cached: not by shared caches, since who may see it can change; and only what never
/// changes without asking again.
const CACHE: &str = "private, max-age=3600, immutable";
const NO_CACHE: &str = "private, no-cache";
/// What is delivered never runs, whatever it is.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a HeaderMap,
    /// It is to be saved, not shown.
    pub(super) download: bool,
    /// What is there never changes, and may be kept.
    pub(super) immutable: bool,
    /// When the permission ends, where the URL itself is one.
    pub(super) until: Option<Timestamp>,
}

/// Content as a response: `200`, `206`, `304`, `307` or `416`.
pub(super) async fn respond(
    media: &Media,
    content: &Content,
    asked: Asked<'_>,
) -> Result<Response<MediaBody>> {
    let Asked { method, headers, download, immutable, .. } = asked;
    let cache = if immutable { CACHE } else { NO_CACHE };
    let mut response = Response::new(MediaBody::empty());
    let out = response.headers_mut();
    out.insert(header::ETAG, value(&format!("\"{}\"", content.etag))?);
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if range::is_known(headers, &content.etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let shown = is_shown(&content.content_type) && !download;
    let disposition = disposition(&content.file_name, shown);
    if method == Method::GET {
        let headers = PresignedHeaders {
            content_type: content.content_type.clone(),
            content_disposition: disposition.clone(),
            cache_control: cache.to_owned(),
        };
        if let Some(redirect) = redirect(media, content, &headers, asked).await? {
            return Ok(redirect);
        }
    }
    out.insert(header::CONTENT_TYPE, value(&content.content_type)?);
    out.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    out.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    out.insert("cross-origin-resource-policy", HeaderValue::from_static("same-site"));
    out.insert(header::CONTENT_DISPOSITION, value(&disposition)?);
    let range = match range::wanted(headers, content.size, &content.etag) {
        range::Wanted::Whole => 0..content.size,
        range::Wanted::Part(part) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let text = format!("bytes {}-{}/{}", part.start, part.end - 1, content.size);
            response.headers_mut().insert(header::CONTENT_RANGE, value(&text)?);
            part
        }
        range::Wanted::Unsatisfiable => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            let text = format!("bytes */{}", content.size);
            response.headers_mut().insert(header::CONTENT_RANGE, value(&text)?);
            return Ok(response);
        }
    };
    let size = range.end - range.start;
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    if method != Method::HEAD {
        *response.body_mut() = MediaBody::stream(media.read(content, Some(range)).await?, Some(size));
    }
    Ok(response)
}

/// The way to the store itself, where there is one. It ends with the signature that led to it; a browser
/// remembers it for a third of its time, so that what it leads to can still be fetched at leisure.
async fn redirect(
    media: &Media,
    content: &Content,
    headers: &PresignedHeaders,
    asked: Asked<'_>,
) -> Result<Option<Response<MediaBody>>> {
    let left = asked.until.map(|until| until.since(media.engine().now()));
    let valid = left.unwrap_or(REDIRECT_FOR).min(REDIRECT_FOR);
    if valid < Duration::from_secs(1) {
        return Ok(None);
    }
    let Some(url) = media.presigned(content, headers, valid).await? else { return Ok(None) };
    let cache = match asked.immutable {
        true => format!("private, max-age={}", valid.as_secs() / 3),
        false => NO_CACHE.to_owned(),
    };
    let mut response = Response::new(MediaBody::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(header::LOCATION, value(&url)?);
    response.headers_mut().insert(header::CACHE_CONTROL, value(&cache)?);
    Ok(Some(response))
}

fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text)
        .map_err(|source| Error::internal("a header has a forbidden character").caused_by(source))
}

/// Whether a browser may show it in place; all else is saved. SVG can carry scripts.
fn is_shown(content_type: &str) -> bool {
    content_type != "image/svg+xml"
        && ["image/", "video/", "audio/", "application/vnd.apple.mpegurl", "application/json"]
            .iter()
            .any(|shown| content_type.starts_with(shown))
}

/// `Content-Disposition` of [RFC 6266](https://www.rfc-editor.org/rfc/rfc6266), with the name in ASCII
/// and, where that loses something, in UTF-8 ([RFC 8187](https://www.rfc-editor.org/rfc/rfc8187)).
fn disposition(name: &str, shown: bool) -> String {
    let kind = if shown { "inline" } else { "attachment" };
    let ascii: String = name
        .chars()
        .map(|c| if (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\' | '%') { c } else { '_' })
        .collect();
    if ascii == name {
        return format!("{kind}; filename=\"{ascii}\"");
    }
    let encoded: String = name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_in_headers() {
        assert_eq!(disposition("a b.jpg", true), "inline; filename=\"a b.jpg\"");
        assert_eq!(
            disposition("é\"\\.jpg", false),
            "attachment; filename=\"___.jpg\"; filename*=UTF-8''%C3%A9%22%5C.jpg"
        );
    }

    proptest! {
        #[test]
        fn every_name_is_a_valid_header(name in ".*") {
            prop_assert!(value(&disposition(&name, true)).is_ok());
        }
    }
}
