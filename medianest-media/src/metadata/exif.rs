//! EXIF ([CIPA DC-008](https://www.cipa.jp/e/std/std-sec.html)).

use super::{cleaned, date, decoded};
use crate::tiff::{
    Tag::{self, Exif as Taken, Gps, Main},
    Tiff,
};
use medianest_core::{Camera, Captured, Location, Result};

const IMAGE_DESCRIPTION: Tag = Main(0x010e);
const MAKE: Tag = Main(0x010f);
const MODEL: Tag = Main(0x0110);
const ARTIST: Tag = Main(0x013b);
const COPYRIGHT: Tag = Main(0x8298);
const XP_TITLE: Tag = Main(0x9c9b);
const XP_KEYWORDS: Tag = Main(0x9c9e);
const EXPOSURE_TIME: Tag = Taken(0x829a);
const F_NUMBER: Tag = Taken(0x829d);
const SENSITIVITY: Tag = Taken(0x8827);
const ISO_SPEED: Tag = Taken(0x8833);
const DATE_TIME_ORIGINAL: Tag = Taken(0x9003);
const DATE_TIME_DIGITIZED: Tag = Taken(0x9004);
const OFFSET_TIME: Tag = Taken(0x9010);
const OFFSET_TIME_ORIGINAL: Tag = Taken(0x9011);
const OFFSET_TIME_DIGITIZED: Tag = Taken(0x9012);
const SUB_SEC_ORIGINAL: Tag = Taken(0x9291);
const SUB_SEC_DIGITIZED: Tag = Taken(0x9292);
const FOCAL_LENGTH: Tag = Taken(0x920a);
const LENS_MODEL: Tag = Taken(0xa434);
const LATITUDE_REF: Tag = Gps(1);
const LATITUDE: Tag = Gps(2);
const LONGITUDE_REF: Tag = Gps(3);
const LONGITUDE: Tag = Gps(4);
const ALTITUDE_REF: Tag = Gps(5);
const ALTITUDE: Tag = Gps(6);
const TIME_STAMP: Tag = Gps(7);
const DATE_STAMP: Tag = Gps(0x1d);

const ALL: &[Tag] = &[
    IMAGE_DESCRIPTION,
    MAKE,
    MODEL,
    ARTIST,
    COPYRIGHT,
    XP_TITLE,
    XP_KEYWORDS,
    EXPOSURE_TIME,
    F_NUMBER,
    SENSITIVITY,
    ISO_SPEED,
    DATE_TIME_ORIGINAL,
    DATE_TIME_DIGITIZED,
    OFFSET_TIME,
    OFFSET_TIME_ORIGINAL,
    OFFSET_TIME_DIGITIZED,
    SUB_SEC_ORIGINAL,
    SUB_SEC_DIGITIZED,
    FOCAL_LENGTH,
    LENS_MODEL,
    LATITUDE_REF,
    LATITUDE,
    LONGITUDE_REF,
    LONGITUDE,
    ALTITUDE_REF,
    ALTITUDE,
    TIME_STAMP,
    DATE_STAMP,
];

/// The readable part of an EXIF structure.
#[derive(Default)]
pub(super) struct Exif(Tiff);

impl Exif {
    pub(super) fn read(blocks: crate::tiff::Exif<'_>) -> Result<Self> {
        blocks.read(ALL).map(Self)
    }

    /// When the shutter opened, by the camera's clock.
    pub(super) fn taken(&self) -> Option<Captured> {
        let written = |at, fraction, offset| {
            let offset = self.text(offset).or_else(|| self.text(OFFSET_TIME));
            date::with_fields(&self.text(at)?, self.text(fraction).as_deref(), offset.as_deref())
        };
        written(DATE_TIME_ORIGINAL, SUB_SEC_ORIGINAL, OFFSET_TIME_ORIGINAL)
            .or_else(|| written(DATE_TIME_DIGITIZED, SUB_SEC_DIGITIZED, OFFSET_TIME_DIGITIZED))
    }

    /// When the position was fixed, by the satellites: UTC.
    pub(super) fn satellite_time(&self) -> Option<Captured> {
        let day = self.text(DATE_STAMP)?;
        let [hour, minute, second] = *self.0.fractions(TIME_STAMP)?.first_chunk()?;
        let plausible =
            hour < 24.0 && minute < 60.0 && second < 61.0 && hour >= 0.0 && minute >= 0.0 && second >= 0.0;
        let text =
            plausible.then(|| format!("{day} {:02}:{:02}:{second:09.6}Z", hour as u8, minute as u8))?;
        date::parse_date(&text)
    }

    pub(super) fn location(&self) -> Option<Location> {
        let angle = |value, reference, negative: &str| {
            let degrees = self.0.fractions(value)?.into_iter().zip([1.0, 60.0, 3600.0]);
            let degrees: f64 = degrees.map(|(part, per_degree)| part / per_degree).sum();
            let south_or_west = self.text(reference).is_some_and(|text| text.eq_ignore_ascii_case(negative));
            Some(if south_or_west { -degrees } else { degrees })
        };
        let latitude = angle(LATITUDE, LATITUDE_REF, "S")?;
        let mut location = Location::new(latitude, angle(LONGITUDE, LONGITUDE_REF, "W")?)?;
        let below_sea = self.number(ALTITUDE_REF) == Some(1);
        location.altitude = self
            .fraction(ALTITUDE)
            .filter(|metres| (-12_000.0..=100_000.0).contains(metres))
            .map(|metres| if below_sea { -metres } else { metres });
        Some(location)
    }

    pub(super) fn camera(&self) -> Camera {
        let positive = |tag| self.fraction(tag).filter(|value| *value > 0.0);
        let mut camera = Camera::default();
        camera.make = self.text(MAKE);
        camera.model = self.text(MODEL);
        camera.lens = self.text(LENS_MODEL);
        // 65535 means "look at ISOSpeed".
        camera.iso = self
            .number(SENSITIVITY)
            .filter(|iso| *iso != 0 && *iso != 65_535)
            .or_else(|| self.number(ISO_SPEED));
        camera.f_number = positive(F_NUMBER);
        camera.exposure_seconds = positive(EXPOSURE_TIME);
        camera.focal_length_mm = positive(FOCAL_LENGTH);
        camera
    }

    pub(super) fn title(&self) -> Option<String> {
        self.wide_text(XP_TITLE)
    }

    pub(super) fn description(&self) -> Option<String> {
        self.text(IMAGE_DESCRIPTION)
    }

    pub(super) fn artist(&self) -> Option<String> {
        self.text(ARTIST)
    }

    pub(super) fn copyright(&self) -> Option<String> {
        self.text(COPYRIGHT)
    }

    pub(super) fn keywords(&self) -> Vec<String> {
        let keywords = self.wide_text(XP_KEYWORDS).unwrap_or_default();
        keywords.split(';').filter_map(cleaned).collect()
    }

    fn text(&self, tag: Tag) -> Option<String> {
        decoded(self.0.bytes(tag)?.split(|byte| *byte == 0).next()?)
    }

    /// A text of Windows: UTF-16, little-endian.
    fn wide_text(&self, tag: Tag) -> Option<String> {
        let units: Vec<u16> =
            self.0.bytes(tag)?.as_chunks().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
        cleaned(String::from_utf16_lossy(&units).trim_end_matches('\0'))
    }

    fn number(&self, tag: Tag) -> Option<u32> {
        self.0.number(tag)
    }

    fn fraction(&self, tag: Tag) -> Option<f64> {
        let value = match self.0.fractions(tag) {
            Some(fractions) => *fractions.first()?,
            None => f64::from(self.0.number(tag)?),
        };
        value.is_finite().then_some(value)
    }
}
