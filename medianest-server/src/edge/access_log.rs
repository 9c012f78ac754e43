use poem::Response;
use std::{borrow::Cow, time::Instant};

/// One line per request, and its time. Queries are left out: they may hold what somebody searched for;
/// and so are signatures: whoever reads the log could use them.
pub(super) fn record(request: &Recorded<'_>, response: &Response, begun: Instant) {
    let &Recorded { method, path, operation, id } = request;
    let elapsed = begun.elapsed();
    let status = response.status().as_u16();
    tracing::info!(
        target: "medianest::access",
        %method,
        path = %shown(path),
        status,
        ms = elapsed.as_millis() as u64,
        request_id = id,
    );
    let labels = [("operation", operation_label(operation, path)), ("status", class(status))];
    metrics::histogram!("medianest_http_request_seconds", &labels).record(elapsed.as_secs_f64());
}

/// A request that was answered.
pub(super) struct Recorded<'a> {
    pub(super) method: &'a http::Method,
    pub(super) path: &'a str,
    /// Of the API; none where it did not come to one.
    pub(super) operation: Option<&'static str>,
    pub(super) id: &'a str,
}

fn shown(path: &str) -> Cow<'_, str> {
    let signed = path.strip_prefix("/media/").and_then(|rest| rest.split_once('/'));
    let path = match signed {
        Some((_, rest)) => Cow::from(format!("/media/…/{rest}")),
        None => Cow::from(path),
    };
    match path.char_indices().nth(256) {
        Some((end, _)) => Cow::from(format!("{}…", &path[..end])),
        None => path,
    }
}

/// A client may ask for any path: not each of them becomes a time series.
fn operation_label(operation: Option<&'static str>, path: &str) -> &'static str {
    let first = path.split('/').nth(1).unwrap_or_default();
    match (operation, first) {
        (Some(operation), _) => operation,
        (None, "api") => "none",
        (None, "media") => "media",
        (None, "health") => "health",
        (None, "metrics") => "metrics",
        (None, _) => "page",
    }
}

fn class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::{operation_label, shown};

    #[test]
    fn labels_are_few() {
        assert_eq!(operation_label(Some("getJob"), "/api/v1/jobs/1"), "getJob");
        for (path, label) in [
            ("/api/v1/nothing", "none"),
            ("/media/k1.o.abc/id/content", "media"),
            ("/health/live", "health"),
            ("/metrics", "metrics"),
            ("/", "page"),
            ("/anything/at/all", "page"),
            ("", "page"),
        ] {
            assert_eq!(operation_label(None, path), label, "{path}");
        }
    }

    #[test]
    fn signatures_are_not_logged() {
        assert_eq!(shown("/media/k1.o.abc.secret/id/content"), "/media/…/id/content");
        assert_eq!(shown("/api/v1/assets"), "/api/v1/assets");
        assert_eq!(shown(&"/x".repeat(1000)).chars().count(), 257);
    }
}
