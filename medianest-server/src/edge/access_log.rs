use poem::Response;
use std::{borrow::Cow, time::Instant};

/// One line per request, and its time. Queries are left out: they may hold what somebody searched for;
/// and so are signatures: whoever reads the log could use them.
pub(super) fn record(method: &http::Method, path: &str, response: &Response, id: &str, begun: Instant) {
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
    let labels = [("method", method_label(method)), ("status", class(status))];
    metrics::counter!("medianest_http_requests_total", &labels).increment(1);
    metrics::histogram!("medianest_http_request_seconds", &labels).record(elapsed.as_secs_f64());
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

/// A client may send any word as a method: not each of them becomes a time series.
fn method_label(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
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
    use super::shown;

    #[test]
    fn signatures_are_not_logged() {
        assert_eq!(shown("/media/k1.o.abc.secret/id/content"), "/media/…/id/content");
        assert_eq!(shown("/api/v1/assets"), "/api/v1/assets");
        assert_eq!(shown(&"/x".repeat(1000)).chars().count(), 257);
    }
}
