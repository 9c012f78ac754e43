//! Cookies are sent by browsers whoever causes the request. So what changes something and is
//! authorised by a cookie must come from a page of ours, as the browser says.

use crate::Settings;
use http::{HeaderMap, header};
use medianest_core::{Error, ErrorKind, Result};

/// The value of a cookie. When it is sent twice (a subdomain can plant one), there is none.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(given, _)| *given == name)
        .map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}

/// Lets a request pass that a page of the same origin caused.
///
/// Browsers say so in `Sec-Fetch-Site` where the connection is secure, and in `Origin` everywhere. A
/// request with neither comes from no browser of today, and may use a bearer token instead.
///
/// # Errors
/// `cross_site` (Forbidden).
pub(crate) fn require_same_site(headers: &HeaderMap, settings: &Settings) -> Result<()> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let same = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => is_ours(origin, text("host"), settings),
        (None, None) => false,
    };
    if same {
        return Ok(());
    }
    let message = match &settings.public_url {
        Some(url) => format!("this server is used at {url}; open the page there"),
        None => "a request with a cookie that changes something must come from the same origin".into(),
    };
    Err(Error::new(ErrorKind::Forbidden, "cross_site", message))
}

fn is_ours(origin: &str, host: Option<&str>, settings: &Settings) -> bool {
    match &settings.public_url {
        Some(url) => url.trim_end_matches('/').eq_ignore_ascii_case(origin),
        None => origin
            .strip_prefix("http://")
            .zip(host)
            .is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_our_own_pages_may_change_something() {
        let plain = Settings::default();
        let behind_proxy =
            Settings { public_url: Some("https://media.example.org".into()), ..Settings::default() };
        let host = ("host", "nas.local:8080");
        for (settings, given, passes) in [
            (&plain, vec![host, ("origin", "http://nas.local:8080")], true),
            (&plain, vec![host, ("origin", "http://nas.local")], false),
            (&plain, vec![host, ("origin", "http://nas.local:8080.evil.example")], false),
            (&plain, vec![host, ("origin", "null")], false),
            (&plain, vec![host], false),
            (&plain, vec![("origin", "http://nas.local:8080")], false),
            (&plain, vec![host, ("sec-fetch-site", "same-origin")], true),
            (&plain, vec![host, ("sec-fetch-site", "same-site")], false),
            (
                &plain,
                vec![host, ("sec-fetch-site", "cross-site"), ("origin", "http://nas.local:8080")],
                false,
            ),
            (&plain, vec![host, ("sec-fetch-site", "none")], false),
            (&behind_proxy, vec![host, ("origin", "https://media.example.org")], true),
            (&behind_proxy, vec![host, ("origin", "http://nas.local:8080")], false),
        ] {
            assert_eq!(require_same_site(&headers(&given), settings).is_ok(), passes, "{given:?}");
        }
    }

    #[test]
    fn a_cookie_that_comes_twice_is_none() {
        assert_eq!(cookie(&headers(&[("cookie", "a=1; medianest=x; b=2")]), "medianest"), Some("x"));
        assert_eq!(cookie(&headers(&[("cookie", "medianest=x; medianest=y")]), "medianest"), None);
        let split = [("cookie", "medianest=x"), ("cookie", "medianest=y")];
        assert_eq!(cookie(&headers(&split), "medianest"), None);
        assert_eq!(cookie(&headers(&[("cookie", "medianestx=x")]), "medianest"), None);
    }
}
