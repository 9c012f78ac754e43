use super::Text;
use medianest_core::{MediaKind, StoredFacts, StreamKind, Timestamp};
use poem_openapi::{
    Object,
    registry::{MetaSchemaRef, Registry},
    types::{ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::{Value, value::RawValue};
use std::{borrow::Cow, collections::HashMap};

/// Facts as the catalog keeps them: passed on as they are, since to read and to write them again is a good part of
/// the work of a list. Described by [`FactsBody`].
#[derive(Debug)]
pub(crate) struct FactsJson(StoredFacts);

impl From<StoredFacts> for FactsJson {
    fn from(facts: StoredFacts) -> Self {
        Self(facts)
    }
}

impl Type for FactsJson {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        FactsBody::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        FactsBody::schema_ref()
    }

    fn register(registry: &mut Registry) {
        FactsBody::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for FactsJson {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Ok(Self(StoredFacts::from_json(value.unwrap_or_default().to_string())))
    }
}

impl ToJSON for FactsJson {
    fn to_json(&self) -> Option<Value> {
        serde_json::from_str(self.0.json()).ok()
    }
}

impl Serialize for FactsJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(self.0.json()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// What was read from a file.
#[derive(Debug, Object)]
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
    /// The streams of a container, in its order; absent when it has none.
    streams: Option<Vec<StreamBody>>,
    /// Frames of an animation; 1 for a still.
    frames: Option<u32>,
    /// Whether an audio file carries a cover picture.
    has_cover: bool,
    /// The name of the colour profile, where one is embedded.
    color_profile: Option<String>,
    /// What is wrong with the file though it can be used (`truncated`, …); absent when nothing is.
    warnings: Option<Vec<String>>,
}

/// When something was taken.
#[derive(Debug, Object)]
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
#[derive(Debug, Object)]
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
#[derive(Debug, Object)]
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
#[derive(Debug, Object)]
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
    /// Keywords; absent when there are none.
    keywords: Option<Vec<String>>,
    /// Other tags that were kept, by lowercase name; absent when there are none.
    other: Option<HashMap<String, String>>,
}

/// One stream of a container.
#[derive(Debug, Object)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use medianest_core::{Camera, Captured, Facts, Location, Stream, Tags};

    fn full() -> Facts {
        let mut camera = Camera::default();
        camera.make = Some("Apple".into());
        camera.model = Some("iPhone 7".into());
        camera.lens = Some("f/1.8".into());
        camera.iso = Some(20);
        camera.f_number = Some(1.8);
        camera.exposure_seconds = Some(0.0025);
        camera.focal_length_mm = Some(3.99);
        let mut tags = Tags::default();
        let text = || Some(String::from("Ω \"quoted\""));
        (tags.title, tags.artist, tags.album, tags.album_artist) = (text(), text(), text(), text());
        (tags.genre, tags.date, tags.description) = (text(), text(), text());
        (tags.track, tags.disc) = (Some(3), Some(1));
        tags.keywords = vec!["summer".into()];
        tags.other.insert("label".into(), "none".into());
        let mut stream = Stream::new(StreamKind::Video, "h264");
        (stream.profile, stream.language) = (Some("High".into()), Some("deu".into()));
        (stream.width, stream.height, stream.rotation) = (Some(1920), Some(1080), Some(90));
        (stream.pixel_aspect, stream.frame_rate) = (Some(1.25), Some(29.97));
        (stream.channels, stream.sample_rate, stream.bit_rate) = (Some(2), Some(48_000), Some(128_000));
        let mut facts = Facts::new(MediaKind::Video, "video/mp4", "mp4");
        (facts.width, facts.height, facts.duration_ms) = (Some(1080), Some(1920), Some(1_500));
        facts.captured = Some(Captured::local(Timestamp::from_micros(1_553_180_000_000_000), Some(60)));
        facts.location = Location::new(48.1, 11.5).map(|place| Location { altitude: Some(519.0), ..place });
        (facts.camera, facts.tags, facts.streams) = (camera, tags, vec![stream]);
        (facts.frames, facts.has_cover) = (Some(1), true);
        (facts.color_profile, facts.warnings) = (Some("Display P3".into()), vec!["truncated".into()]);
        facts
    }

    /// What is sent is what the document says: every field, under the same name, of the same type.
    #[test]
    fn stored_facts_are_as_described() {
        for facts in [full(), Facts::new(MediaKind::Audio, "audio/mpeg", "mp3")] {
            let stored = StoredFacts::of(&facts).unwrap();
            let sent = serde_json::to_string(&FactsJson(stored.clone())).unwrap();
            assert_eq!(sent, stored.json());
            let json: Value = serde_json::from_str(&sent).unwrap();
            let described = FactsBody::parse_from_json(Some(json.clone())).unwrap();
            assert_eq!(described.to_json(), Some(json));
        }
    }
}
