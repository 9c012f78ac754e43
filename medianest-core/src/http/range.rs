//! Ranges of [RFC 9110, section 14](https://www.rfc-editor.org/rfc/rfc9110#section-14).

use http::{HeaderMap, header};
use std::ops::Range;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// From the first to before the last byte.
    Part(Range<u64>),
    /// Nothing that is there.
    Unsatisfiable,
}

/// What part of something of this size and tag is asked for. A range that is malformed, of another
/// unit, or one of several is ignored, as the standard allows.
pub(super) fn wanted(headers: &HeaderMap, size: u64, etag: &str) -> Wanted {
    let mut ranges = headers.get_all(header::RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Wanted::Whole };
    if let Some(if_range) = headers.get(header::IF_RANGE) {
        // A date never matches: we send no Last-Modified.
        if if_range.as_bytes() != format!("\"{etag}\"").as_bytes() {
            return Wanted::Whole;
        }
    }
    range.to_str().ok().and_then(|text| parse(text, size)).unwrap_or(Wanted::Whole)
}

fn parse(text: &str, size: u64) -> Option<Wanted> {
    let (unit, spec) = text.split_once('=')?;
    let (first, last) = spec.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || last.contains([',', '-']) {
        return None;
    }
    // A number too large for us is beyond every end.
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse::<u64>().unwrap_or(u64::MAX))
    };
    let range = match (first, last) {
        ("", last) => size.saturating_sub(number(last)?)..size,
        (first, "") => number(first)?..size,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(size)
        }
    };
    Some(if range.start < range.end { Wanted::Part(range) } else { Wanted::Unsatisfiable })
}

/// Whether `If-None-Match` names this tag.
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|tags| tags.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == etag
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(range: &str, if_range: Option<&str>) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(tag) = if_range {
            headers.insert(header::IF_RANGE, tag.parse().unwrap());
        }
        wanted(&headers, 10, "t")
    }

    #[test]
    fn ranges_of_ten_bytes() {
        for (range, expected) in [
            ("bytes=0-", Wanted::Part(0..10)),
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=2-4", Wanted::Part(2..5)),
            ("bytes=9-18446744073709551615", Wanted::Part(9..10)),
            ("bytes=0-99999999999999999999999", Wanted::Part(0..10)),
            ("bytes=-1", Wanted::Part(9..10)),
            ("bytes=-100", Wanted::Part(0..10)),
            ("Bytes=1-2", Wanted::Part(1..3)),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=0-0,2-2", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
            ("nonsense", Wanted::Whole),
        ] {
            assert_eq!(of(range, None), expected, "{range}");
        }
        assert_eq!(of("bytes=0-0", Some("\"t\"")), Wanted::Part(0..1));
        assert_eq!(of("bytes=0-0", Some("\"old\"")), Wanted::Whole);
        assert_eq!(of("bytes=0-0", Some("W/\"t\"")), Wanted::Whole);
    }

    proptest! {
        #[test]
        fn a_part_always_lies_within(range in "[ -~]{0,30}", size in 0_u64..100) {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, format!("bytes={range}").parse().unwrap());
            if let Wanted::Part(part) = wanted(&headers, size, "t") {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }
    }
}
