//! What media is: understand and render photos, videos and music from files you do not trust.
//!
//! ```
//! # #[cfg(feature = "image")] {
//! use medianest_media::{Limits, Resize, thumbnail};
//!
//! // Or std::fs::read("photo.jpg")?
//! let photo = b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
//! let small = thumbnail(photo, &Resize::fit(320, 320).jpeg(80), &Limits::default())?;
//! assert_eq!(medianest_media::sniff(&small).unwrap().content_type, "image/jpeg");
//! # }
//! # Ok::<(), medianest_core::Error>(())
//! ```
//!
//! For whole recipes, use a [`MediaProcessor`](medianest_core::MediaProcessor): [`InProcess`] for files
//! that you trust, `sandbox::Sandboxed` for all others. Both are blocking and bound to no runtime.
//!
//! # Features
//!
//! | feature | understands | makes | needs |
//! |---|---|---|---|
//! | `image` (default) | JPEG, PNG, GIF, WebP, TIFF, BMP; the previews within DNG, CR2, CR3 and NEF | JPEG | |
//! | `metadata` (default) | EXIF, XMP, IPTC; music (MP3, FLAC, Ogg, M4A, WAV, AIFF) and its covers | | |
//! | `webp` | | lossy WebP | a C compiler |
//! | `turbojpeg` | JPEG, faster: shrinks while it decodes | | cmake, nasm, a C compiler |
//! | `heif` | HEIC, HEIF, AVIF | | libheif 1.14 or newer, clang, pkg-config |
//! | `jxl` | JPEG XL | | |
//! | `svg` | SVG, without text | | |
//! | `ffmpeg` | MP4, MOV, Matroska, WebM, AVI, MPEG, 3GP; all music | frames, H.264 and AAC as fMP4 parts, waveforms | FFmpeg 5.1 or newer, clang, pkg-config |
//! | `sandbox` | | any of the above in processes that may crash | Linux 5.9 or newer |
//!
//! A type that is known but not compiled in fails with `unsupported_codec`, and names the feature.
//! The default features need nothing but Rust.

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
mod tiff;

#[cfg(feature = "ffmpeg")]
pub use ffmpeg::check_encoders;
#[cfg(feature = "image")]
pub use image::thumbnail;
pub use medianest_core::{ImageVariant, Limits, Resize};
pub use picture::Picture;
pub use processor::InProcess;
pub use sniff::sniff;
