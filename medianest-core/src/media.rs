//! What media is: its kind, its type, and the facts that were read from it.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The three kinds of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A still or animated picture.
    Image,
    /// Moving pictures, with or without sound.
    Video,
    /// Sound without moving pictures.
    Audio,
}

impl MediaKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Image, Self::Video, Self::Audio];

    /// The word for it, as in JSON and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A type of media as its first bytes show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MediaType {
    /// Image, video or audio. A container that holds either (MP4, Matroska, Ogg) is a guess until it
    /// is probed: [`Facts::kind`] is the truth.
    pub kind: MediaKind,
    /// The media type that the bytes are served as (`image/jpeg`).
    pub content_type: &'static str,
    /// A short name of the format (`jpeg`, `heic`, `mp4`), for messages.
    pub format: &'static str,
}

/// What was read from a file: the answer of [`MediaProcessor::understand`](crate::MediaProcessor::understand).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Facts {
    /// Image, video or audio, by its streams.
    pub kind: MediaKind,
    /// The true media type, by content.
    pub content_type: String,
    /// A short name of the format (`jpeg`, `heic`, `mp4`).
    pub format: String,
    /// Width as shown: upright, with square pixels. None for audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height as shown: upright, with square pixels. None for audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// The turn that leads from the stored to the shown picture, as an EXIF orientation (1 to 8);
    /// it is applied once, whatever the number of places that declare it.
    pub orientation: u8,
    /// Playing time in milliseconds, of video, audio and animations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// When it was taken or recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured: Option<Captured>,
    /// Where it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// With what it was taken.
    #[serde(skip_serializing_if = "Camera::is_empty")]
    pub camera: Camera,
    /// Title, artist, album and the like.
    #[serde(skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// The streams of a container, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<Stream>,
    /// Frames of an animation; 1 for a still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<u32>,
    /// Whether an audio file carries a cover picture.
    pub has_cover: bool,
    /// The name of the colour profile, where one is embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color_profile: Option<String>,
    /// What is wrong with the file though it can be used (`truncated`, `duration_implausible`, …).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Default for Facts {
    fn default() -> Self {
        Self::new(MediaKind::Image, "application/octet-stream", "unknown")
    }
}

impl Facts {
    /// Facts of which only the type is known.
    pub fn new(kind: MediaKind, content_type: impl Into<String>, format: impl Into<String>) -> Self {
        Self {
            kind,
            content_type: content_type.into(),
            format: format.into(),
            width: None,
            height: None,
            orientation: 1,
            duration_ms: None,
            captured: None,
            location: None,
            camera: Camera::default(),
            tags: Tags::default(),
            streams: Vec::new(),
            frames: None,
            has_cover: false,
            color_profile: None,
            warnings: Vec::new(),
        }
    }

    /// Facts of what the first bytes show.
    pub fn of_type(media_type: &MediaType) -> Self {
        Self::new(media_type.kind, media_type.content_type, media_type.format)
    }

    /// The first video stream that is not a cover.
    pub fn video(&self) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.kind == StreamKind::Video)
    }

    /// The first audio stream.
    pub fn audio(&self) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.kind == StreamKind::Audio)
    }
}

/// When something was taken. Files give the moment with the zone of the place (phones), the moment alone
/// (most videos: UTC), or what a clock on the wall showed (most cameras).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// The moment; or, when the file does not give it, the local wall clock read as if it were UTC.
    pub at: Timestamp,
    /// Whether `at` is the moment.
    #[serde(default)]
    pub is_utc: bool,
    /// Minutes east of UTC of the place where it was taken; None when the file does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_minutes: Option<i16>,
}

impl Captured {
    /// The moment, at a place that the file does not give away.
    pub fn utc(at: Timestamp) -> Self {
        Self { at, is_utc: true, offset_minutes: None }
    }

    /// What the clock showed where it was taken: read as if it were UTC, and so many minutes east of it,
    /// when that is known.
    pub fn local(wall_clock: Timestamp, offset_minutes: Option<i16>) -> Self {
        let east = i64::from(offset_minutes.unwrap_or(0)) * 60_000_000;
        let at = Timestamp::from_micros(wall_clock.as_micros().saturating_sub(east));
        Self { at, is_utc: offset_minutes.is_some(), offset_minutes }
    }
}

/// A place on earth, WGS 84. The place 0°, 0° is what broken devices write: it is never reported.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
    /// Metres above sea level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude: Option<f64>,
}

impl Location {
    /// A place, if the numbers can be one.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let plausible = latitude.is_finite()
            && longitude.is_finite()
            && latitude.abs() <= 90.0
            && longitude.abs() <= 180.0
            && (latitude != 0.0 || longitude != 0.0);
        plausible.then_some(Self { latitude, longitude, altitude: None })
    }
}

/// With what, and how, a picture was taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Camera {
    /// The maker (`Apple`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub make: Option<String>,
    /// The model (`iPhone 7`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The lens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lens: Option<String>,
    /// ISO speed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iso: Option<u32>,
    /// Aperture as f-number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f_number: Option<f64>,
    /// Exposure time in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure_seconds: Option<f64>,
    /// Focal length in millimetres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focal_length_mm: Option<f64>,
}

impl Camera {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What the file says of its content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Tags {
    /// Title of the work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who made or performs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artist: Option<String>,
    /// The album or collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
    /// Whose album it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album_artist: Option<String>,
    /// Genre, free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genre: Option<String>,
    /// Date of publication as written, from a year to a full date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Number of the track on its disc.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<u32>,
    /// Number of the disc.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disc: Option<u32>,
    /// A caption or comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Keywords.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Other tags that were kept, by lowercase name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<String, String>,
}

impl Tags {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StreamKind {
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
    /// Text or bitmap subtitles.
    Subtitle,
    /// A cover picture, attachments, timed metadata.
    #[default]
    Other,
}

/// One stream of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Stream {
    /// What it carries.
    pub kind: StreamKind,
    /// FFmpeg's name of the codec (`h264`, `aac`).
    pub codec: String,
    /// The profile, where there is one (`High`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// ISO 639-2 language, where it is declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Coded width in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Coded height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Degrees to turn clockwise before showing: 0, 90, 180 or 270.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<u16>,
    /// Width of a pixel divided by its height, where it is not 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_aspect: Option<f64>,
    /// Average frames per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<f64>,
    /// Sound channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u16>,
    /// Samples per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// Bits per second, as declared or measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bit_rate: Option<u64>,
}

impl Stream {
    /// A stream of which only the codec is known.
    pub fn new(kind: StreamKind, codec: impl Into<String>) -> Self {
        Self { kind, codec: codec.into(), ..Self::default() }
    }
}
