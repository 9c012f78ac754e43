//! Times as cameras and programs write them.

use medianest_core::{Captured, Timestamp};
use time::{Date, Month, PrimitiveDateTime, Time};

/// A moment from any of the usual spellings: EXIF (`2008:10:22 16:28:39`), RFC 3339, ISO 8601 with or
/// without a colon in the zone (`2019-07-24T11:25:40+0300`), with a fraction of a second, without
/// seconds, or a date alone. None for what is no time, such as the zeros of an unset clock.
pub(super) fn parse_date(text: &str) -> Option<Captured> {
    let text = text.trim().trim_end_matches('\0').trim_end();
    let mut rest = Cursor(text);
    let date = date(&mut rest)?;
    if !rest.skip(&['T', ' ', 't']) {
        return rest.0.is_empty().then(|| Captured::local(written(date, Time::MIDNIGHT), None));
    }
    let written = written(date, time_of_day(&mut rest)?);
    match rest.0.trim_start() {
        "" => Some(Captured::local(written, None)),
        "Z" | "z" => Some(Captured::utc(written)),
        zone => Some(Captured::local(written, Some(parse_offset(zone)?))),
    }
}

/// Minutes east of UTC: `+03:00`, `-0330`, `+3`.
fn parse_offset(text: &str) -> Option<i16> {
    let text = text.trim().trim_end_matches('\0');
    let (sign, digits) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let mut rest = Cursor(digits);
    let hours = rest.number(1, 2)?;
    rest.skip(&[':']);
    let minutes = if rest.0.is_empty() { 0 } else { rest.number(2, 2)? };
    let offset = i16::try_from(hours * 60 + minutes).ok()?;
    // From Baker Island to Kiribati.
    (rest.0.is_empty() && minutes < 60 && offset <= 14 * 60).then_some(sign * offset)
}

/// The same with a fraction of a second and a zone from fields of their own.
pub(super) fn with_fields(text: &str, fraction: Option<&str>, offset: Option<&str>) -> Option<Captured> {
    let mut captured = parse_date(text)?;
    if let Some(digits) = fraction.map(str::trim).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
    {
        let micros = format!("{digits:0<6}").get(..6).and_then(|digits| digits.parse::<i64>().ok())?;
        let second = captured.at.as_micros().div_euclid(1_000_000) * 1_000_000;
        captured.at = Timestamp::from_micros(second + micros);
    }
    if let (false, Some(minutes)) = (captured.is_utc, offset.and_then(parse_offset)) {
        captured = Captured::local(captured.at, Some(minutes));
    }
    Some(captured)
}

/// Read as if it were UTC.
fn written(date: Date, time: Time) -> Timestamp {
    let at = PrimitiveDateTime::new(date, time).assume_utc();
    Timestamp::from_micros(at.unix_timestamp() * 1_000_000 + i64::from(at.microsecond()))
}

fn date(rest: &mut Cursor<'_>) -> Option<Date> {
    let year = rest.number(4, 4)?;
    let separated = rest.skip(&[':', '-', '/', '.']);
    let month = rest.number(1 + u32::from(!separated), 2)?;
    rest.skip(&[':', '-', '/', '.']);
    let day = rest.number(1 + u32::from(!separated), 2)?;
    // The year 0 and the like are what unset clocks write.
    let year = i32::try_from(year).ok().filter(|year| *year >= 1800)?;
    Date::from_calendar_date(year, Month::try_from(month as u8).ok()?, day as u8).ok()
}

fn time_of_day(rest: &mut Cursor<'_>) -> Option<Time> {
    let hour = rest.number(1, 2)?;
    rest.skip(&[':']);
    let minute = rest.number(2, 2)?;
    let second = if rest.skip(&[':']) || rest.starts_with_digit() { rest.number(2, 2)? } else { 0 };
    let mut micros = 0;
    if rest.skip(&['.', ',']) {
        let digits = rest.take_digits();
        micros = format!("{digits:0<6}").get(..6)?.parse().ok()?;
    }
    // A leap second is shown as the one before it.
    Time::from_hms_micro(hour as u8, minute as u8, second.min(59) as u8, micros).ok()
}

struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn skip(&mut self, any: &[char]) -> bool {
        let rest = self.0.strip_prefix(any);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn starts_with_digit(&self) -> bool {
        self.0.starts_with(|c: char| c.is_ascii_digit())
    }

    fn take_digits(&mut self) -> &'a str {
        let end = self.0.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        digits
    }

    /// A number of `least` to `most` digits, at most 4.
    fn number(&mut self, least: u32, most: u32) -> Option<u32> {
        let end = self.0.bytes().take(most as usize).position(|byte| !byte.is_ascii_digit());
        let end = end.unwrap_or(self.0.len().min(most as usize));
        let (digits, rest) =
            self.0.split_at_checked(end).filter(|(digits, _)| digits.len() >= least as usize)?;
        self.0 = rest;
        digits.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Option<String> {
        parse_date(text).map(|captured| match (captured.offset_minutes, captured.is_utc) {
            (Some(minutes), true) => format!("{} {minutes:+}", captured.at),
            (None, true) => format!("{} in UTC", captured.at),
            (None, false) => captured.at.to_string(),
            (Some(_), false) => format!("{captured:?}"),
        })
    }

    #[test]
    fn usual_spellings() {
        for (text, expected) in [
            ("2008:10:22 16:28:39", "2008-10-22T16:28:39Z"),
            ("2008:10:22 16:28:39\0", "2008-10-22T16:28:39Z"),
            ("2019-07-24T11:25:40+0300", "2019-07-24T08:25:40Z +180"),
            ("2019-07-24T11:25:40.25-03:30", "2019-07-24T14:55:40.25Z -210"),
            ("2022:01:10 21:15:33.519Z", "2022-01-10T21:15:33.519Z in UTC"),
            ("2016-05-31T17:01:35.000000Z", "2016-05-31T17:01:35Z in UTC"),
            ("2017-01-29T13:05", "2017-01-29T13:05:00Z"),
            ("20170129T130501", "2017-01-29T13:05:01Z"),
            ("2017-01-29", "2017-01-29T00:00:00Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z in UTC"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        for nonsense in [
            "",
            "0000:00:00 00:00:00",
            "    :  :     :  :  ",
            "2019:13:01 00:00:00",
            "2019-07-24T11:25:40+99:00",
            "soon",
            "ä",
        ] {
            assert_eq!(shown(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn fields_of_their_own() {
        let captured = with_fields("2026:01:07 15:20:14", Some("930"), Some("+01:00")).unwrap();
        assert_eq!(captured.at.to_string(), "2026-01-07T14:20:14.93Z");
        assert_eq!(captured.offset_minutes, Some(60));
        let captured = with_fields("2018:09:10 12:16:13", Some("023"), None).unwrap();
        assert_eq!(
            (captured.at.to_string().as_str(), captured.offset_minutes),
            ("2018-09-10T12:16:13.023Z", None)
        );
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,40}", fraction in ".{0,10}", offset in ".{0,10}") {
            let _ = (parse_date(&text), with_fields("2008:10:22 16:28:39", Some(&fraction), Some(&offset)));
        }

        #[test]
        fn what_is_written_is_read(micros in -5_000_000_000_000_000i64..250_000_000_000_000_000) {
            let at = Timestamp::from_micros(micros);
            prop_assert_eq!(parse_date(&at.to_string()), Some(Captured::utc(at)));
        }
    }
}
