//! What to derive from media, declared in a few lines; and fingerprints, which decide what is stale.

use crate::{Error, Facts, MediaKind, Result};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use std::{collections::BTreeMap, fmt};

/// The declared set of what to derive.
///
/// ```
/// use medianest_core::{Recipe, Resize};
///
/// let recipe = Recipe::standard().image("card", Resize::fill(400, 300).webp(80))?;
/// assert!(recipe.variants().any(|(name, _)| name.as_str() == "card"));
/// # Ok::<(), medianest_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Recipe(BTreeMap<VariantName, Variant>);

impl Recipe {
    /// Nothing at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// What a gallery needs: pictures of 320, 800 and 1600 pixels as WebP of everything that has a
    /// picture (a photo, a frame of a video, the cover of a song), an HLS ladder of 1080, 720 and
    /// 480 lines with AAC sound for video, AAC and a waveform for music.
    pub fn standard() -> Self {
        let required = |resize: Resize| ImageVariant { required: true, ..resize.webp(80) };
        let variants = [
            ("small", Variant::Image(required(Resize::fit(320, 320)))),
            ("medium", Variant::Image(required(Resize::fit(800, 800)))),
            ("large", Variant::Image(required(Resize::fit(1600, 1600)))),
            (
                "poster",
                Variant::Image(ImageVariant {
                    of: vec![MediaKind::Video],
                    ..Resize::fit(1280, 1280).jpeg(82)
                }),
            ),
            ("1080p", Variant::Video(VideoVariant::h264(1080))),
            ("720p", Variant::Video(VideoVariant::h264(720))),
            ("480p", Variant::Video(VideoVariant::h264(480))),
            ("audio", Variant::Audio(AudioVariant::default())),
            ("waveform", Variant::Waveform(WaveformVariant::default())),
        ];
        Self(variants.into_iter().map(|(name, variant)| (VariantName(name.to_owned()), variant)).collect())
    }

    /// Adds a picture, or replaces the variant of that name.
    ///
    /// # Errors
    /// `invalid_variant` when the name or a value is out of range.
    pub fn image(self, name: &str, image: ImageVariant) -> Result<Self> {
        self.with(name, Variant::Image(image))
    }

    /// Adds a rung of the HLS ladder, or replaces the variant of that name.
    ///
    /// # Errors
    /// `invalid_variant` when the name or a value is out of range.
    pub fn video(self, name: &str, video: VideoVariant) -> Result<Self> {
        self.with(name, Variant::Video(video))
    }

    /// Adds a sound rendition, or replaces the variant of that name.
    ///
    /// # Errors
    /// `invalid_variant` when the name or a value is out of range.
    pub fn audio(self, name: &str, audio: AudioVariant) -> Result<Self> {
        self.with(name, Variant::Audio(audio))
    }

    /// Adds a waveform, or replaces the variant of that name.
    ///
    /// # Errors
    /// `invalid_variant` when the name or a value is out of range.
    pub fn waveform(self, name: &str, waveform: WaveformVariant) -> Result<Self> {
        self.with(name, Variant::Waveform(waveform))
    }

    fn with(mut self, name: &str, variant: Variant) -> Result<Self> {
        variant.check().map_err(|error| error.with("variant", name))?;
        self.0.insert(VariantName::new(name)?, variant);
        Ok(self)
    }

    /// Leaves a variant out.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|variant, _| variant.as_str() != name);
        self
    }

    /// The variants by name.
    pub fn variants(&self) -> impl Iterator<Item = (&VariantName, &Variant)> {
        self.0.iter()
    }

    /// The variants that there is something to make of, for media with these facts. Rungs taller
    /// than the source are left out; when all are, the lowest stays, at the size of the source.
    pub fn applicable(&self, facts: &Facts) -> Vec<(&VariantName, &Variant)> {
        let source_lines = facts.width.zip(facts.height).map_or(0, |(width, height)| width.min(height));
        let lowest = self.0.values().filter_map(Variant::lines).min();
        let fits = |lines: u32| lines <= source_lines || Some(lines) == lowest;
        self.0
            .iter()
            .filter(|(_, variant)| variant.applies_to(facts) && variant.lines().is_none_or(fits))
            .collect()
    }

    /// Checks what came from outside.
    ///
    /// # Errors
    /// `invalid_variant` when a value is out of range or there are more than 32 variants.
    pub fn check(&self) -> Result<()> {
        if self.0.len() > 32 {
            return Err(Error::invalid("invalid_variant", "a recipe has at most 32 variants"));
        }
        self.0
            .iter()
            .try_for_each(|(name, variant)| variant.check().map_err(|error| error.with("variant", name)))
    }
}

/// The name of a variant: 1 to 32 of `a-z 0-9 - _`, starting with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VariantName(String);

impl VariantName {
    /// Checks a name.
    ///
    /// # Errors
    /// `invalid_variant` when a rule of the type is broken.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if (1..=32).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with(['-', '_']) {
            Ok(Self(name))
        } else {
            Err(Error::invalid("invalid_variant", "a variant's name is 1 to 32 of a-z, 0-9, - and _")
                .with("name", name.chars().take(64).collect::<String>()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for VariantName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::new(name)
    }
}

impl From<VariantName> for String {
    fn from(name: VariantName) -> Self {
        name.0
    }
}

impl fmt::Display for VariantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One thing to derive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Variant {
    /// A picture: of a photo, of a frame of a video, of the cover of a song.
    Image(ImageVariant),
    /// A rung of the HLS ladder: pictures without sound, as fMP4 parts.
    Video(VideoVariant),
    /// The sound of a video or a song, as fMP4 parts.
    Audio(AudioVariant),
    /// The loudness over time of a song, as JSON.
    Waveform(WaveformVariant),
}

impl Variant {
    /// Whether there is something to make of media with these facts.
    pub fn applies_to(&self, facts: &Facts) -> bool {
        match self {
            Self::Image(image) => {
                (image.of.is_empty() || image.of.contains(&facts.kind))
                    && (facts.kind != MediaKind::Audio || facts.has_cover)
            }
            Self::Video(_) => facts.kind == MediaKind::Video,
            Self::Audio(_) => facts.kind != MediaKind::Image && facts.audio().is_some(),
            Self::Waveform(_) => facts.kind == MediaKind::Audio,
        }
    }

    /// Whether an asset it applies to is not `ready` without it.
    pub fn required(&self) -> bool {
        match self {
            Self::Image(image) => image.required,
            Self::Video(video) => video.required,
            Self::Audio(audio) => audio.required,
            Self::Waveform(_) => false,
        }
    }

    /// Whether making it takes long: decoding and encoding of the whole duration.
    pub fn is_heavy(&self) -> bool {
        matches!(self, Self::Video(_) | Self::Audio(_))
    }

    fn lines(&self) -> Option<u32> {
        if let Self::Video(video) = self { Some(video.lines) } else { None }
    }

    fn check(&self) -> Result<()> {
        let refuse = |message: &'static str| Err(Error::invalid("invalid_variant", message));
        match self {
            Self::Image(image) => {
                if !(1..=16_384).contains(&image.resize.width) || !(1..=16_384).contains(&image.resize.height)
                {
                    return refuse("width and height are 1 to 16384");
                }
                if !(1..=100).contains(&image.quality) {
                    return refuse("quality is 1 to 100");
                }
                if image.effort > 6 {
                    return refuse("effort is 0 to 6");
                }
            }
            Self::Video(video) => {
                if !(64..=4320).contains(&video.lines) {
                    return refuse("lines is 64 to 4320");
                }
                if video.crf > 51 || !(100..=100_000).contains(&video.max_kbps) {
                    return refuse("crf is 0 to 51 and max_kbps 100 to 100000");
                }
                if !(1..=20).contains(&video.segment_seconds) || !(1..=240).contains(&video.max_frame_rate) {
                    return refuse("segment_seconds is 1 to 20 and max_frame_rate 1 to 240");
                }
            }
            Self::Audio(audio) => {
                if !(16..=512).contains(&audio.kbps) || !(1..=2).contains(&audio.channels) {
                    return refuse("kbps is 16 to 512 and channels 1 or 2");
                }
                if !(1..=20).contains(&audio.segment_seconds) {
                    return refuse("segment_seconds is 1 to 20");
                }
            }
            Self::Waveform(waveform) => {
                if !(10..=20_000).contains(&waveform.points) {
                    return refuse("points is 10 to 20000");
                }
            }
        }
        Ok(())
    }

    /// The fingerprint of what `renderer` makes of this definition: SHA-256 over canonical JSON
    /// (sorted keys, only fields that differ from their default) and the renderer's own revision.
    /// Versions of libraries and hardware are no part of it, so that an upgrade makes nothing stale.
    pub fn fingerprint(&self, renderer: &str) -> Fingerprint {
        // `required` and `of` say when to make it, not what comes out.
        let mut definition = self.clone();
        match &mut definition {
            Self::Image(image) => {
                image.required = false;
                image.of.clear();
            }
            Self::Video(video) => video.required = VideoVariant::default().required,
            Self::Audio(audio) => audio.required = AudioVariant::default().required,
            Self::Waveform(_) => {}
        }
        let text = canonical(&serde_json::json!({ "renderer": renderer, "variant": definition }));
        let digest = sha2::Sha256::digest(text.as_bytes());
        Fingerprint(digest[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// JSON with sorted keys and no white space, whichever order the build's serde_json keeps.
fn canonical(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            let fields: Vec<_> = sorted
                .into_iter()
                .map(|(key, value)| format!("{}:{}", serde_json::Value::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        plain => plain.to_string(),
    }
}

/// Decides whether a rendition is stale; see [`Variant::fingerprint`]. 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// One that was stored.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The fingerprint as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a picture is fitted into a box; never enlarged beyond its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// Width of the box in pixels.
    pub width: u32,
    /// Height of the box in pixels.
    pub height: u32,
    /// What happens when the shapes differ.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: ResizeMode,
}

/// What happens when picture and box have different shapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResizeMode {
    /// The whole picture within the box.
    #[default]
    Fit,
    /// The box is filled; what sticks out is cropped evenly. A source smaller than the box is
    /// cropped to the shape of the box.
    Fill,
}

impl Resize {
    /// The whole picture within a box.
    pub const fn fit(width: u32, height: u32) -> Self {
        Self { width, height, mode: ResizeMode::Fit }
    }

    /// A box that the picture fills.
    pub const fn fill(width: u32, height: u32) -> Self {
        Self { width, height, mode: ResizeMode::Fill }
    }

    /// As lossy WebP of a quality from 1 to 100.
    pub fn webp(self, quality: u8) -> ImageVariant {
        ImageVariant { format: ImageFormat::Webp, quality, ..ImageVariant::of_size(self) }
    }

    /// As JPEG of a quality from 1 to 100; transparency becomes white.
    pub fn jpeg(self, quality: u8) -> ImageVariant {
        ImageVariant { format: ImageFormat::Jpeg, quality, ..ImageVariant::of_size(self) }
    }
}

/// What pictures are written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImageFormat {
    /// Lossy WebP.
    #[default]
    Webp,
    /// Baseline JPEG.
    Jpeg,
}

/// A picture: upright, in sRGB, without metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ImageVariant {
    /// The box it is fitted into.
    pub resize: Resize,
    /// What it is written as.
    #[serde(default, skip_serializing_if = "is_default")]
    pub format: ImageFormat,
    /// Quality, 1 to 100.
    #[serde(default = "default_quality", skip_serializing_if = "is_default_quality")]
    pub quality: u8,
    /// How hard the encoder tries, 0 to 6; more takes longer and gives smaller files.
    #[serde(default = "default_effort", skip_serializing_if = "is_default_effort")]
    pub effort: u8,
    /// The kinds of media it is made of; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<MediaKind>,
    /// Whether an asset is not `ready` without it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub required: bool,
}

impl ImageVariant {
    fn of_size(resize: Resize) -> Self {
        Self {
            resize,
            format: ImageFormat::default(),
            quality: default_quality(),
            effort: default_effort(),
            of: Vec::new(),
            required: false,
        }
    }

    /// How hard the encoder tries, 0 to 6.
    #[must_use]
    pub fn effort(mut self, effort: u8) -> Self {
        self.effort = effort;
        self
    }

    /// Only of these kinds of media.
    #[must_use]
    pub fn only(mut self, kinds: impl IntoIterator<Item = MediaKind>) -> Self {
        self.of = kinds.into_iter().collect();
        self
    }

    /// An asset is not `ready` without it.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// A rung of an HLS ladder: H.264 without sound, fMP4 segments, square pixels, upright, 8-bit 4:2:0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct VideoVariant {
    /// The shorter side in pixels at most (720 for "720p", also of a portrait); never enlarged.
    pub lines: u32,
    /// Constant rate factor of x264; lower is better and larger.
    #[serde(skip_serializing_if = "is_default_crf")]
    pub crf: u8,
    /// Cap of the bit rate in kbit/s.
    pub max_kbps: u32,
    /// Frames per second at most; above, frames are dropped evenly.
    #[serde(skip_serializing_if = "is_default_max_frame_rate")]
    pub max_frame_rate: u32,
    /// Target length of a segment in seconds; all rungs of an asset should agree.
    #[serde(skip_serializing_if = "is_default_segment_seconds")]
    pub segment_seconds: u32,
    /// Speed of x264.
    #[serde(skip_serializing_if = "is_default")]
    pub preset: VideoPreset,
    /// Whether an asset is not `ready` without it.
    #[serde(skip_serializing_if = "is_true")]
    pub required: bool,
}

/// Speed of x264: faster means larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are x264's own")]
pub enum VideoPreset {
    Ultrafast,
    Superfast,
    #[default]
    Veryfast,
    Faster,
    Fast,
    Medium,
}

impl VideoPreset {
    /// The name as x264 knows it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ultrafast => "ultrafast",
            Self::Superfast => "superfast",
            Self::Veryfast => "veryfast",
            Self::Faster => "faster",
            Self::Fast => "fast",
            Self::Medium => "medium",
        }
    }
}

impl Default for VideoVariant {
    fn default() -> Self {
        Self {
            lines: 720,
            crf: default_crf(),
            max_kbps: 3_500,
            max_frame_rate: default_max_frame_rate(),
            segment_seconds: default_segment_seconds(),
            preset: VideoPreset::default(),
            required: true,
        }
    }
}

impl VideoVariant {
    /// A rung of so many lines, with a fitting cap of the bit rate.
    pub fn h264(lines: u32) -> Self {
        let max_kbps = match lines {
            ..=360 => 900,
            361..=480 => 1_600,
            481..=720 => 3_500,
            721..=1080 => 6_500,
            1081..=1440 => 12_000,
            _ => 25_000,
        };
        Self { lines, max_kbps, ..Self::default() }
    }
}

/// The sound of a video or a song: AAC-LC at 48 kHz, fMP4 segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AudioVariant {
    /// Bit rate in kbit/s.
    #[serde(skip_serializing_if = "is_default_kbps")]
    pub kbps: u32,
    /// Channels at most; more are mixed down.
    #[serde(skip_serializing_if = "is_default_channels")]
    pub channels: u8,
    /// Target length of a segment in seconds.
    #[serde(skip_serializing_if = "is_default_segment_seconds")]
    pub segment_seconds: u32,
    /// Whether an asset is not `ready` without it.
    #[serde(skip_serializing_if = "is_true")]
    pub required: bool,
}

impl Default for AudioVariant {
    fn default() -> Self {
        Self {
            kbps: default_kbps(),
            channels: default_channels(),
            segment_seconds: default_segment_seconds(),
            required: true,
        }
    }
}

/// The loudness over time: `{"version":1,"channels":1,"sample_rate":…,"points":[[min,max],…]}` with
/// values from -128 to 127.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WaveformVariant {
    /// Points over the whole duration.
    pub points: u32,
}

impl Default for WaveformVariant {
    fn default() -> Self {
        Self { points: 1_000 }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_true(value: &bool) -> bool {
    *value
}

macro_rules! defaults {
    ($($default:ident, $is_default:ident: $type:ty = $value:expr;)+) => {$(
        fn $default() -> $type {
            $value
        }

        fn $is_default(value: &$type) -> bool {
            *value == $value
        }
    )+};
}

defaults! {
    default_quality, is_default_quality: u8 = 80;
    default_effort, is_default_effort: u8 = 4;
    default_crf, is_default_crf: u8 = 23;
    default_max_frame_rate, is_default_max_frame_rate: u32 = 60;
    default_segment_seconds, is_default_segment_seconds: u32 = 6;
    default_kbps, is_default_kbps: u32 = 160;
    default_channels, is_default_channels: u8 = 2;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Stream, StreamKind};

    fn video(width: u32, height: u32) -> Facts {
        let mut facts = Facts::new(MediaKind::Video, "video/mp4", "mp4");
        (facts.width, facts.height) = (Some(width), Some(height));
        facts.streams = vec![Stream { kind: StreamKind::Audio, ..Stream::default() }];
        facts
    }

    fn names(facts: &Facts) -> Vec<String> {
        let recipe = Recipe::standard();
        recipe.applicable(facts).into_iter().map(|(name, _)| name.to_string()).collect()
    }

    /// These values are in the catalogs of everybody who runs the engine: a change makes all of their
    /// renditions stale.
    #[test]
    fn fingerprints_never_change() {
        let golden: Vec<_> = Recipe::standard()
            .variants()
            .map(|(name, variant)| format!("{name} {}", variant.fingerprint("renderer/1").as_str()))
            .collect();
        insta::assert_snapshot!(golden.join("\n"));
    }

    #[test]
    fn a_fingerprint_is_of_what_comes_out() {
        let base = Resize::fit(320, 320).webp(80);
        let print = |image: &ImageVariant| Variant::Image(image.clone()).fingerprint("image/1");
        assert_eq!(print(&base), print(&base.clone().required().only([MediaKind::Video])));
        assert_ne!(print(&base), print(&Resize::fit(320, 320).webp(81)));
        assert_ne!(print(&base), print(&Resize::fill(320, 320).webp(80)));
        assert_ne!(print(&base), Variant::Image(base.clone()).fingerprint("image/2"));
    }

    #[test]
    fn rungs_never_enlarge() {
        assert_eq!(
            names(&video(1920, 1080)),
            ["1080p", "480p", "720p", "audio", "large", "medium", "poster", "small"]
        );
        assert_eq!(names(&video(720, 1280)), ["480p", "720p", "audio", "large", "medium", "poster", "small"]);
        assert_eq!(names(&video(320, 240)), ["480p", "audio", "large", "medium", "poster", "small"]);
    }

    #[test]
    fn each_kind_has_its_variants() {
        let photo = Facts::new(MediaKind::Image, "image/jpeg", "jpeg");
        assert_eq!(names(&photo), ["large", "medium", "small"]);
        let mut song = Facts::new(MediaKind::Audio, "audio/flac", "flac");
        song.streams = vec![Stream { kind: StreamKind::Audio, ..Stream::default() }];
        assert_eq!(names(&song), ["audio", "waveform"]);
        song.has_cover = true;
        assert_eq!(names(&song), ["audio", "large", "medium", "small", "waveform"]);
    }

    #[test]
    fn a_recipe_survives_json_and_refuses_nonsense() {
        let recipe = Recipe::standard();
        let json = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe);
        assert!(Recipe::empty().image("Bad Name", Resize::fit(1, 1).webp(80)).is_err());
        assert!(Recipe::empty().image("a", Resize::fit(0, 1).webp(80)).is_err());
        assert!(Recipe::empty().image("a", Resize::fit(1, 1).webp(0)).is_err());
        assert!(
            serde_json::from_str::<Recipe>(r#"{"a":{"type":"image","resize":{"width":1,"height":1},"x":1}}"#)
                .is_err()
        );
    }
}
