//! What media is: understand and render photos, videos and music from files you do not trust.

#[cfg(feature = "ffmpeg")]
mod ffmpeg;
#[cfg(feature = "image")]
mod image;
#[cfg(feature = "metadata")]
mod metadata;
mod picture;
mod processor;
#[cfg(all(feature = "sandbox", target_os = "linux"))]
pub mod sandbox;
mod sniff;
#[cfg(any(feature = "image", feature = "metadata"))]
mod source;

#[cfg(feature = "image")]
pub use image::thumbnail;
pub use medianest_core::{ImageVariant, Limits, Resize};
pub use picture::Picture;
pub use processor::InProcess;
pub use sniff::sniff;
