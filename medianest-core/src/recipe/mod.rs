//! What to derive from media, declared in a few lines; and fingerprints, which decide what is stale.

mod audio;
mod fingerprint;
mod image;
mod name;
mod set;
mod variant;
mod video;
mod wire;

#[cfg(test)]
mod tests;

pub use audio::{AudioVariant, WaveformVariant};
pub use fingerprint::Fingerprint;
pub use image::{ImageFormat, ImageVariant, Resize, ResizeMode};
pub use name::VariantName;
pub use set::Recipe;
pub use variant::Variant;
pub use video::{VideoPreset, VideoVariant};
