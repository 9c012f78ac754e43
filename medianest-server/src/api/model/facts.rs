use super::Text;
use medianest_core::{Facts, MediaKind, Stream, StreamKind, Timestamp};
use poem_openapi::Object;
use serde::Serialize;
use serde_with::skip_serializing_none;
use std::collections::HashMap;

/// What was read from a file.
#[skip_serializing_none]
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Facts", skip_serializing_if_is_none)]
pub(crate) struct FactsBody {
    /// Image, video or audio, by its streams.
    kind: Text<MediaKind>,
    /// The true media type, by content.
    content_type: String,
    /// A short name of the format (`jpeg`, `heic`, `mp4`).
    format: String,
    /// Width as shown, in pixels: upright, with square pixels.
    width: Option<u32>,
    /// Height as shown, in pixels: upright, with square pixels.
    height: Option<u32>,
    /// The turn that leads from the stored to the shown picture, as an EXIF orientation (1 to 8).
    orientation: u8,
    /// Playing time in milliseconds.
    duration_ms: Option<u64>,
    /// When it was taken or recorded.
    captured: Option<CapturedBody>,
    /// Where it was taken.
    location: Option<LocationBody>,
    /// With what it was taken.
    camera: Option<CameraBody>,
    /// Title, artist, album and the like.
    tags: Option<TagsBody>,
    /// The streams of a container, in its order.
    streams: Vec<StreamBody>,
    /// Frames of an animation; 1 for a still.
    frames: Option<u32>,
    /// Whether an audio file carries a cover picture.
    has_cover: bool,
    /// The name of the colour profile, where one is embedded.
    color_profile: Option<String>,
    /// What is wrong with the file though it can be used (`truncated`, …).
    warnings: Vec<String>,
}

/// When something was taken.
#[skip_serializing_none]
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Captured", skip_serializing_if_is_none)]
pub(crate) struct CapturedBody {
    /// The moment; or, when the file does not give it, the local wall clock read as if it were UTC.
    at: Text<Timestamp>,
    /// Whether `at` is the moment.
    is_utc: bool,
    /// Minutes east of UTC of the place where it was taken; absent when the file does not say.
    offset_minutes: Option<i16>,
}

/// A place on earth, WGS 84.
#[skip_serializing_none]
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Location", skip_serializing_if_is_none)]
pub(crate) struct LocationBody {
    /// Degrees north.
    latitude: f64,
    /// Degrees east.
    longitude: f64,
    /// Metres above sea level.
    altitude: Option<f64>,
}

/// With what, and how, a picture was taken.
#[skip_serializing_none]
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Camera", skip_serializing_if_is_none)]
pub(crate) struct CameraBody {
    /// The maker.
    make: Option<String>,
    /// The model.
    model: Option<String>,
    /// The lens.
    lens: Option<String>,
    /// ISO speed.
    iso: Option<u32>,
    /// Aperture as f-number.
    f_number: Option<f64>,
    /// Exposure time in seconds.
    exposure_seconds: Option<f64>,
    /// Focal length in millimetres.
    focal_length_mm: Option<f64>,
}

/// What the file says of its content.
#[skip_serializing_none]
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Tags", skip_serializing_if_is_none)]
pub(crate) struct TagsBody {
    /// Title of the work.
    title: Option<String>,
    /// Who made or performs it.
    artist: Option<String>,
    /// The album or collection.
    album: Option<String>,
    /// Whose album it is.
    album_artist: Option<String>,
    /// Genre, free text.
    genre: Option<String>,
    /// Date of publication as written.
    date: Option<String>,
    /// Number of the track on its disc.
    track: Option<u32>,
    /// Number of the disc.
    disc: Option<u32>,
    /// A caption or comment.
    description: Option<String>,
    /// Keywords.
    keywords: Vec<String>,
    /// Other tags that were kept, by lowercase name.
    other: HashMap<String, String>,
}

/// One stream of a container.
#[skip_serializing_none]
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Stream", skip_serializing_if_is_none)]
pub(crate) struct StreamBody {
    /// What it carries.
    kind: Text<StreamKind>,
    /// FFmpeg's name of the codec (`h264`, `aac`).
    codec: String,
    /// The profile, where there is one.
    profile: Option<String>,
    /// ISO 639-2 language, where it is declared.
    language: Option<String>,
    /// Coded width in pixels.
    width: Option<u32>,
    /// Coded height in pixels.
    height: Option<u32>,
    /// Degrees to turn clockwise before showing.
    rotation: Option<u16>,
    /// Width of a pixel divided by its height, where it is not 1.
    pixel_aspect: Option<f64>,
    /// Average frames per second.
    frame_rate: Option<f64>,
    /// Sound channels.
    channels: Option<u16>,
    /// Samples per second.
    sample_rate: Option<u32>,
    /// Bits per second.
    bit_rate: Option<u64>,
}

impl From<Facts> for FactsBody {
    fn from(facts: Facts) -> Self {
        let (camera, tags) = (facts.camera, facts.tags);
        Self {
            kind: facts.kind.into(),
            content_type: facts.content_type,
            format: facts.format,
            width: facts.width,
            height: facts.height,
            orientation: facts.orientation,
            duration_ms: facts.duration_ms,
            captured: facts.captured.map(|captured| CapturedBody {
                at: captured.at.into(),
                is_utc: captured.is_utc,
                offset_minutes: captured.offset_minutes,
            }),
            location: facts.location.map(|location| LocationBody {
                latitude: location.latitude,
                longitude: location.longitude,
                altitude: location.altitude,
            }),
            camera: (!camera.is_empty()).then_some(CameraBody {
                make: camera.make,
                model: camera.model,
                lens: camera.lens,
                iso: camera.iso,
                f_number: camera.f_number,
                exposure_seconds: camera.exposure_seconds,
                focal_length_mm: camera.focal_length_mm,
            }),
            tags: (!tags.is_empty()).then(|| TagsBody {
                title: tags.title,
                artist: tags.artist,
                album: tags.album,
                album_artist: tags.album_artist,
                genre: tags.genre,
                date: tags.date,
                track: tags.track,
                disc: tags.disc,
                description: tags.description,
                keywords: tags.keywords,
                other: tags.other.into_iter().collect(),
            }),
            streams: facts.streams.into_iter().map(StreamBody::from).collect(),
            frames: facts.frames,
            has_cover: facts.has_cover,
            color_profile: facts.color_profile,
            warnings: facts.warnings,
        }
    }
}

impl From<Stream> for StreamBody {
    fn from(stream: Stream) -> Self {
        Self {
            kind: stream.kind.into(),
            codec: stream.codec,
            profile: stream.profile,
            language: stream.language,
            width: stream.width,
            height: stream.height,
            rotation: stream.rotation,
            pixel_aspect: stream.pixel_aspect,
            frame_rate: stream.frame_rate,
            channels: stream.channels,
            sample_rate: stream.sample_rate,
            bit_rate: stream.bit_rate,
        }
    }
}
