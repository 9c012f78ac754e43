//! Places as containers write them.

use medianest_core::Location;

/// A place in the notation of ISO 6709, annex H, as MP4 and QuickTime hold it: `+34.0592-118.4460/`,
/// also in degrees and minutes or seconds (`+3403.55-11826.76`), with or without altitude.
pub(crate) fn parse_iso6709(text: &str) -> Option<Location> {
    let text = text.trim().trim_end_matches('\0');
    let text = text.split_once("CRS").map_or(text, |(numbers, _)| numbers).trim_end_matches('/');
    let starts: Vec<usize> = text.match_indices(['+', '-']).map(|(at, _)| at).collect();
    let number = |index: usize| {
        let start = *starts.get(index)?;
        text.get(start..starts.get(index + 1).copied().unwrap_or(text.len()))
    };
    if starts.first() != Some(&0) {
        return None;
    }
    let mut location = Location::new(angle(number(0)?, 2)?, angle(number(1)?, 3)?)?;
    location.altitude = number(2).and_then(|text| text.parse().ok()).filter(|metres: &f64| metres.is_finite());
    Some(location)
}

/// Degrees of so many digits, then minutes and seconds of two.
fn angle(text: &str, degree_digits: usize) -> Option<f64> {
    let (sign, digits) = text.split_at_checked(1)?;
    let whole = digits.split('.').next()?.len();
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let value = if whole <= degree_digits {
        digits.parse().ok()?
    } else {
        let (degrees, rest) = digits.split_at_checked(degree_digits)?;
        let degrees: f64 = degrees.parse().ok()?;
        if whole <= degree_digits + 2 {
            degrees + rest.parse::<f64>().ok()? / 60.0
        } else {
            let (minutes, seconds) = rest.split_at_checked(2)?;
            degrees + minutes.parse::<f64>().ok()? / 60.0 + seconds.parse::<f64>().ok()? / 3600.0
        }
    };
    Some(if sign == "-" { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_notations() {
        let close = |text: &str, latitude: f64, longitude: f64, altitude: Option<f64>| {
            let found = parse_iso6709(text).unwrap_or_else(|| panic!("{text}"));
            assert!((found.latitude - latitude).abs() < 1e-4, "{text}: {found:?}");
            assert!((found.longitude - longitude).abs() < 1e-4, "{text}: {found:?}");
            assert_eq!(found.altitude, altitude, "{text}");
        };
        close("+34.0592-118.4460/", 34.0592, -118.446, None);
        close("+27.5916+086.5640+8850/", 27.5916, 86.564, Some(8850.0));
        close("-90+000+2800/", -90.0, 0.0, Some(2800.0));
        close("+4852.4+00220.1/", 48.8733, 2.335, None);
        close("+352139+1384339+3776CRSWGS_84/", 35.3608, 138.7275, Some(3776.0));
        for nonsense in ["", "+00.0000+000.0000/", "34,118", "+91+000/", "+1", "++", "+ä-ö", "x+1-1"] {
            assert_eq!(parse_iso6709(nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[+-]{0,1}.{0,30}") {
            let _ = parse_iso6709(&text);
        }
    }
}
