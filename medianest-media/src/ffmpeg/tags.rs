//! What the tags of a container mean.

use medianest_core::{Camera, Captured, Location, Tags, Timestamp};
use std::collections::BTreeMap;

/// Tags by lowercase name.
pub(super) type Raw = BTreeMap<String, String>;

/// Tags that describe the file and not its content.
const STRUCTURE: [&str; 12] = [
    "major_brand",
    "minor_version",
    "compatible_brands",
    "creation_time",
    "encoder",
    "encoded_by",
    "duration",
    "handler_name",
    "vendor_id",
    "language",
    "rotate",
    "timecode",
];
const MOST_OTHERS: usize = 64;
const LONGEST_OTHER: usize = 1_000;

fn first<'a>(raw: &'a Raw, names: &[&str]) -> Option<&'a str> {
    names.iter().filter_map(|name| raw.get(*name)).map(|value| value.trim()).find(|value| !value.is_empty())
}

/// When it was recorded. What a phone writes with its zone is better than the time of the container,
/// which is UTC by the letter, and set when the file was finished.
pub(super) fn captured(raw: &Raw) -> Option<Captured> {
    first(raw, &["com.apple.quicktime.creationdate"])
        .and_then(moment)
        .or_else(|| first(raw, &["creation_time", "date-eng"]).and_then(moment))
        .filter(|captured| captured.at.as_secs() > 0)
}

/// Reads `2019-07-24T11:25:40+0300`, `2019-07-24T08:25:57.000000Z`, `2012-09-10 20:52:00`.
pub(super) fn moment(text: &str) -> Option<Captured> {
    let (clock, zone) = match text.rfind(['+', '-', 'Z']).filter(|at| *at >= 19) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let written: Timestamp = format!("{}Z", clock.trim().replacen(' ', "T", 1)).parse().ok()?;
    Some(match zone {
        "Z" => Captured::utc(written),
        "" => Captured::local(written, None),
        _ => Captured::local(written, Some(offset(zone)?)),
    })
}

/// Reads `+0300`, `-05:30`, `+02`.
fn offset(zone: &str) -> Option<i16> {
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = match digits.len() {
        2 => (digits.as_str(), "0"),
        4 => digits.split_at(2),
        _ => return None,
    };
    let minutes: i16 = hours.parse::<i16>().ok()? * 60 + minutes.parse::<i16>().ok()?;
    (minutes <= 15 * 60).then_some(sign * minutes)
}

/// Where it was recorded.
pub(super) fn location(raw: &Raw) -> Option<Location> {
    let names = ["com.apple.quicktime.location.iso6709", "location", "location-eng"];
    names.iter().filter_map(|name| raw.get(*name)).find_map(|text| iso6709(text))
}

/// Reads a place in the notation of ISO 6709, annex H: `+32.0929+034.8620+028.516/`.
fn iso6709(text: &str) -> Option<Location> {
    let text = text.trim().split(['/', 'C']).next()?;
    let mut starts: Vec<usize> = text.match_indices(['+', '-']).map(|(at, _)| at).collect();
    starts.push(text.len());
    let mut numbers = starts.windows(2).map(|pair| &text[pair[0]..pair[1]]);
    let latitude = degrees(numbers.next()?, 2)?;
    let longitude = degrees(numbers.next()?, 3)?;
    let altitude =
        numbers.next().and_then(|number| number.parse().ok()).filter(|metres: &f64| metres.is_finite());
    Some(Location { altitude, ..Location::new(latitude, longitude)? })
}

/// Reads `±DD.DD`, `±DDMM.MM` or `±DDMMSS.SS`, with so many digits of whole degrees.
fn degrees(text: &str, whole: usize) -> Option<f64> {
    let (sign, number) = (if text.starts_with('-') { -1.0 } else { 1.0 }, text.get(1..)?);
    let digits = number.find('.').unwrap_or(number.len());
    if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let part = |from: usize, to: usize| number.get(from..to)?.parse::<f64>().ok();
    let end = number.len();
    let value = match digits.checked_sub(whole) {
        Some(2) => part(0, whole)? + part(whole, end)? / 60.0,
        Some(4) => part(0, whole)? + part(whole, whole + 2)? / 60.0 + part(whole + 2, end)? / 3600.0,
        _ => part(0, end)?,
    };
    Some(sign * value)
}

/// With what it was recorded.
pub(super) fn camera(raw: &Raw) -> Camera {
    let mut camera = Camera::default();
    camera.make =
        first(raw, &["com.apple.quicktime.make", "com.android.manufacturer", "make"]).map(str::to_owned);
    camera.model =
        first(raw, &["com.apple.quicktime.model", "com.android.model", "model"]).map(str::to_owned);
    camera
}

/// What it says of its content.
pub(super) fn tags(raw: &Raw) -> Tags {
    let mut used = Vec::new();
    let mut take = |names: &[&'static str]| {
        used.extend_from_slice(names);
        first(raw, names).map(str::to_owned)
    };
    let mut tags = Tags::default();
    tags.title = take(&["title", "com.apple.quicktime.title"]);
    tags.artist = take(&["artist", "author", "com.apple.quicktime.artist"]);
    tags.album = take(&["album"]);
    tags.album_artist = take(&["album_artist"]);
    tags.genre = take(&["genre"]);
    tags.date = take(&["date", "year"]);
    tags.track = take(&["track"]).and_then(|text| number(&text));
    tags.disc = take(&["disc"]).and_then(|text| number(&text));
    tags.description = take(&["description", "comment", "synopsis", "com.apple.quicktime.description"]);
    if let Some(keywords) = take(&["keywords", "com.apple.quicktime.keywords"]) {
        tags.keywords = keywords
            .split([',', ';'])
            .map(|word| word.trim().to_owned())
            .filter(|word| !word.is_empty())
            .collect();
    }
    tags.other = raw
        .iter()
        .filter(|(name, value)| {
            !name.is_empty()
                && !value.trim().is_empty()
                && value.len() <= LONGEST_OTHER
                && !STRUCTURE.contains(&name.as_str())
                && !used.contains(&name.as_str())
                && !name.contains("location")
                && !name.starts_with("com.")
        })
        .take(MOST_OTHERS)
        .map(|(name, value)| (name.clone(), value.trim().to_owned()))
        .collect();
    tags
}

/// Reads `3` and `3/10`.
fn number(text: &str) -> Option<u32> {
    text.split('/').next()?.trim().parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw(pairs: &[(&str, &str)]) -> Raw {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_time_with_a_zone_wins() {
        let captured = captured(&raw(&[
            ("creation_time", "2019-07-24T08:25:57.000000Z"),
            ("com.apple.quicktime.creationdate", "2019-07-24T11:25:40+0300"),
        ]))
        .unwrap();
        assert_eq!(captured.at, "2019-07-24T08:25:40Z".parse().unwrap());
        assert_eq!(captured.offset_minutes, Some(180));
    }

    #[test]
    fn times_in_other_notations() {
        let at = |text: &str| text.parse().unwrap();
        assert_eq!(
            moment("2012-09-10 20:52:00"),
            Some(Captured { at: at("2012-09-10T20:52:00Z"), is_utc: false, offset_minutes: None })
        );
        assert_eq!(
            moment("2016-05-31T17:01:35.000000Z"),
            Some(Captured { at: at("2016-05-31T17:01:35Z"), is_utc: true, offset_minutes: None })
        );
        assert_eq!(
            moment("2024-01-01T00:00:00-05:30"),
            Some(Captured { at: at("2024-01-01T05:30:00Z"), is_utc: true, offset_minutes: Some(-330) })
        );
        assert_eq!(moment("yesterday"), None);
        assert_eq!(captured(&raw(&[("creation_time", "1904-01-01T00:00:00.000000Z")])), None);
    }

    #[test]
    fn places() {
        let place = iso6709("+32.0929+034.8620+028.516/").unwrap();
        assert_eq!((place.latitude, place.longitude, place.altitude), (32.0929, 34.862, Some(28.516)));
        let place = iso6709("+51.5335-000.1261/").unwrap();
        assert_eq!((place.latitude, place.longitude, place.altitude), (51.5335, -0.1261, None));
        let place = iso6709("+4030.0-07345.0/").unwrap();
        assert_eq!((place.latitude, place.longitude), (40.5, -73.75));
        assert_eq!(iso6709("+00.0000+000.0000/"), None);
        assert_eq!(iso6709("+95.0+000.0/"), None);
    }

    #[test]
    fn what_is_left_is_kept() {
        let tags = tags(&raw(&[
            ("title", "Horned Viper"),
            ("track", "6/10"),
            ("major_brand", "isom"),
            ("composer", "C. Steel"),
            ("com.apple.quicktime.software", "12.3"),
        ]));
        assert_eq!((tags.title.as_deref(), tags.track), (Some("Horned Viper"), Some(6)));
        assert_eq!(
            tags.other.into_iter().collect::<Vec<_>>(),
            [("composer".to_owned(), "C. Steel".to_owned())]
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,40}") {
            moment(&text);
            iso6709(&text);
        }

        #[test]
        fn a_place_is_read_as_it_was_written(latitude in -90.0_f64..90.0, longitude in -180.0_f64..180.0) {
            let place = iso6709(&format!("{latitude:+08.4}{longitude:+09.4}/")).unwrap();
            prop_assert!((place.latitude - latitude).abs() < 1e-4 && (place.longitude - longitude).abs() < 1e-4);
        }
    }
}
