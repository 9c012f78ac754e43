use super::{AudioVariant, ImageVariant, Resize, Variant, VariantName, VideoVariant, WaveformVariant};
use crate::{Error, Facts, MediaKind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
