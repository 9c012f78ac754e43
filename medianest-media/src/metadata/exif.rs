//! EXIF ([CIPA DC-008](https://www.cipa.jp/e/std/std-sec.html)).

use super::{cleaned, date, decoded};
use exif::{Context, Field, In, Rational, Tag, Value};
use medianest_core::{Camera, Captured, Location};

const XP_TITLE: Tag = Tag(Context::Tiff, 0x9c9b);
const XP_KEYWORDS: Tag = Tag(Context::Tiff, 0x9c9e);

/// The readable part of an EXIF structure.
#[derive(Default)]
pub(super) struct Exif(Option<exif::Exif>);

impl Exif {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut reader = exif::Reader::new();
        let read = reader.continue_on_error(true).read_raw(bytes.to_vec());
        Self(read.or_else(|error| error.distill_partial_result(|_| {})).ok())
    }

    /// When the shutter opened, by the camera's clock.
    pub(super) fn taken(&self) -> Option<Captured> {
        let written = |at, fraction, offset| {
            let offset = self.text(offset).or_else(|| self.text(Tag::OffsetTime));
            date::with_fields(&self.text(at)?, self.text(fraction).as_deref(), offset.as_deref())
        };
        written(Tag::DateTimeOriginal, Tag::SubSecTimeOriginal, Tag::OffsetTimeOriginal)
            .or_else(|| written(Tag::DateTimeDigitized, Tag::SubSecTimeDigitized, Tag::OffsetTimeDigitized))
    }

    /// When the position was fixed, by the satellites: UTC.
    pub(super) fn satellite_time(&self) -> Option<Captured> {
        let day = self.text(Tag::GPSDateStamp)?;
        let [hour, minute, second] =
            self.rationals(Tag::GPSTimeStamp)?.first_chunk()?.map(|part| part.to_f64());
        let plausible =
            hour < 24.0 && minute < 60.0 && second < 61.0 && hour >= 0.0 && minute >= 0.0 && second >= 0.0;
        let text =
            plausible.then(|| format!("{day} {:02}:{:02}:{second:09.6}Z", hour as u8, minute as u8))?;
        date::parse_date(&text)
    }

    pub(super) fn location(&self) -> Option<Location> {
        let angle = |value, reference, negative: &str| {
            let degrees = self.rationals(value)?.iter().take(3).zip([1.0, 60.0, 3600.0]);
            let degrees: f64 = degrees.map(|(part, per_degree)| part.to_f64() / per_degree).sum();
            let south_or_west = self.text(reference).is_some_and(|text| text.eq_ignore_ascii_case(negative));
            Some(if south_or_west { -degrees } else { degrees })
        };
        let latitude = angle(Tag::GPSLatitude, Tag::GPSLatitudeRef, "S")?;
        let mut location = Location::new(latitude, angle(Tag::GPSLongitude, Tag::GPSLongitudeRef, "W")?)?;
        let below_sea = self.number(Tag::GPSAltitudeRef) == Some(1);
        location.altitude = self
            .rational(Tag::GPSAltitude)
            .filter(|metres| (-12_000.0..=100_000.0).contains(metres))
            .map(|metres| if below_sea { -metres } else { metres });
        Some(location)
    }

    pub(super) fn camera(&self) -> Camera {
        let positive = |tag| self.rational(tag).filter(|value| *value > 0.0);
        let mut camera = Camera::default();
        camera.make = self.text(Tag::Make);
        camera.model = self.text(Tag::Model);
        camera.lens = self.text(Tag::LensModel);
        // 65535 means "look at ISOSpeed".
        camera.iso = self
            .number(Tag::PhotographicSensitivity)
            .filter(|iso| *iso != 0 && *iso != 65_535)
            .or_else(|| self.number(Tag::ISOSpeed));
        camera.f_number = positive(Tag::FNumber);
        camera.exposure_seconds = positive(Tag::ExposureTime);
        camera.focal_length_mm = positive(Tag::FocalLength);
        camera
    }

    pub(super) fn title(&self) -> Option<String> {
        self.wide_text(XP_TITLE)
    }

    pub(super) fn description(&self) -> Option<String> {
        self.text(Tag::ImageDescription)
    }

    pub(super) fn artist(&self) -> Option<String> {
        self.text(Tag::Artist)
    }

    pub(super) fn copyright(&self) -> Option<String> {
        self.text(Tag::Copyright)
    }

    pub(super) fn keywords(&self) -> Vec<String> {
        let keywords = self.wide_text(XP_KEYWORDS).unwrap_or_default();
        keywords.split(';').filter_map(cleaned).collect()
    }

    fn field(&self, tag: Tag) -> Option<&Field> {
        self.0.as_ref()?.get_field(tag, In::PRIMARY)
    }

    fn text(&self, tag: Tag) -> Option<String> {
        match &self.field(tag)?.value {
            Value::Ascii(texts) => decoded(texts.first()?),
            Value::Byte(bytes) | Value::Undefined(bytes, _) => {
                decoded(bytes.split(|byte| *byte == 0).next().unwrap_or_default())
            }
            _ => None,
        }
    }

    /// A text of Windows: UTF-16, little-endian.
    fn wide_text(&self, tag: Tag) -> Option<String> {
        let (Value::Byte(bytes) | Value::Undefined(bytes, _)) = &self.field(tag)?.value else { return None };
        let units: Vec<u16> = bytes.as_chunks().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
        cleaned(String::from_utf16_lossy(&units).trim_end_matches('\0'))
    }

    fn number(&self, tag: Tag) -> Option<u32> {
        self.field(tag)?.value.get_uint(0)
    }

    fn rationals(&self, tag: Tag) -> Option<&[Rational]> {
        match &self.field(tag)?.value {
            Value::Rational(values) => Some(values),
            _ => None,
        }
    }

    fn rational(&self, tag: Tag) -> Option<f64> {
        let value = match &self.field(tag)?.value {
            Value::Rational(values) => values.first()?.to_f64(),
            Value::SRational(values) => values.first()?.to_f64(),
            other => f64::from(other.get_uint(0)?),
        };
        value.is_finite().then_some(value)
    }
}
