//! The corpus: real media and hostile files, each with what is true of it.

use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The folder of the corpus: `$MEDIANEST_CORPUS`, else beside the workspace.
///
/// # Panics
/// When there is none.
pub fn folder() -> PathBuf {
    let folder = std::env::var_os("MEDIANEST_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"), PathBuf::from);
    assert!(
        folder.join("manifest.json").is_file(),
        "tests need the media corpus: set MEDIANEST_CORPUS to the folder with its manifest.json (looked in {})",
        folder.display()
    );
    folder
}

/// All files of the corpus, in the order of the manifest.
///
/// # Panics
/// When there is no corpus, or its manifest cannot be read.
pub fn files() -> Vec<CorpusFile> {
    #[derive(Deserialize)]
    struct Manifest {
        files: Vec<CorpusFile>,
    }
    let folder = folder();
    let text = std::fs::read(folder.join("manifest.json")).expect("the manifest can be read");
    let Manifest { mut files } = serde_json::from_slice(&text).expect("the manifest is as described here");
    for file in &mut files {
        file.path = folder.join(&file.name);
    }
    files
}

/// The file whose name starts so: names start with a number that is unique (`044`, `h07`, `s02`).
///
/// # Panics
/// When there is no such file, or more than one.
pub fn file(prefix: &str) -> CorpusFile {
    let mut found: Vec<_> = files().into_iter().filter(|file| file.name.starts_with(prefix)).collect();
    assert_eq!(found.len(), 1, "files of the corpus that start with {prefix:?}");
    found.remove(0)
}

/// A file, with what is true of it.
#[derive(Clone, Debug, Deserialize)]
pub struct CorpusFile {
    /// Its name in the folder.
    pub name: String,
    /// What it is, from general to special: `photo.heic.rot6`, `hostile.lfi.hls`.
    pub kind: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 as 64 hexadecimal digits.
    pub sha256: String,
    /// Whether it was made for the corpus.
    pub synthetic: bool,
    /// What several tools say of it.
    pub truth: Truth,
    /// What must come of a hostile or odd file, in words.
    pub expect: Option<String>,
    /// Where it is.
    #[serde(skip)]
    pub path: PathBuf,
}

impl CorpusFile {
    /// The first word of the kind: `photo`, `raw`, `video`, `audio` or `hostile`.
    pub fn family(&self) -> &str {
        self.kind.split('.').next().unwrap_or_default()
    }

    /// Its bytes.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn read(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap_or_else(|error| panic!("{}: {error}", self.path.display()))
    }
}

/// What exiftool, ffprobe, mediainfo, ImageMagick and libvips say of a file. Where they disagree the
/// file is a hard case, not a mistake.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are the manifest's own")]
pub struct Truth {
    pub mime_by_exiftool: Option<String>,
    pub mime_by_libmagic: Option<String>,
    pub type_by_exiftool: Option<String>,
    /// Stored pixels of an image, coded size of a video.
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// As shown: after EXIF orientation, pixel aspect and rotation. Only given where it was worked out;
    /// see [`Truth::display_size`].
    pub display: Option<Size>,
    /// As shown of a HEIF file, after irot, imir and clap.
    pub heif_display: Option<Size>,
    pub heif_irot_degrees_ccw: Option<u32>,
    /// EXIF orientation, 1 to 8.
    pub orientation: Option<u8>,
    #[serde(default)]
    pub capture: Capture,
    pub gps: Option<Gps>,
    pub make: Option<Value>,
    pub model: Option<String>,
    pub lens: Option<String>,
    pub iso: Option<Value>,
    pub f_number: Option<f64>,
    pub exposure_s: Option<f64>,
    pub focal_mm: Option<f64>,
    pub icc: Option<String>,
    /// ffprobe's names of the demuxer.
    pub container: Option<String>,
    pub duration_s: Option<f64>,
    pub bit_rate: Option<u64>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    #[serde(default)]
    pub video: Vec<VideoTruth>,
    #[serde(default)]
    pub audio: Vec<AudioTruth>,
    #[serde(default)]
    pub subtitles: Vec<Value>,
    #[serde(default)]
    pub cover_art: Vec<VideoTruth>,
    pub video_has_audio: Option<bool>,
    /// ImageMagick's answer.
    pub identify: Option<Value>,
    /// libvips' answer.
    pub vips: Option<Value>,
    /// All that has no field of its own.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Truth {
    /// The size as shown, by the best that is known: worked out, by libheif, or stored pixels turned
    /// by the EXIF orientation.
    pub fn display_size(&self) -> Option<Size> {
        let stored = || {
            let size = Size { width: self.width?, height: self.height? };
            Some(if self.orientation.is_some_and(|orientation| orientation >= 5) {
                size.turned()
            } else {
                size
            })
        };
        self.display.or(self.heif_display).or_else(stored)
    }

    /// Frames of an animation, by ImageMagick or exiftool.
    pub fn frames(&self) -> Option<u64> {
        let identified = || self.identify.as_ref()?.get("frames")?.as_u64();
        let counted =
            ["FrameCount", "AnimationFrames"].iter().find_map(|name| self.other.get(*name)?.as_u64());
        counted.or_else(identified)
    }
}

/// Pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl Size {
    /// The same after a quarter turn.
    #[must_use]
    pub fn turned(self) -> Self {
        Self { width: self.height, height: self.width }
    }
}

/// Times as exiftool writes them (`2019:03:21 11:04:22`), without zone unless one stands at the end.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the names are exiftool's own")]
pub struct Capture {
    /// A broken file has a number here.
    pub date_time_original: Option<Value>,
    pub create_date: Option<String>,
    pub modify_date: Option<String>,
    /// QuickTime, local with zone.
    pub creation_date: Option<String>,
    /// QuickTime, UTC.
    pub media_create_date: Option<String>,
    #[serde(rename = "GPSDateTimeUTC")]
    pub gps_date_time_utc: Option<String>,
    /// `-06:00`.
    pub offset_time_original: Option<String>,
    pub offset_time: Option<String>,
    /// Decimals of the second, as text or as the number that exiftool made of it.
    pub sub_sec_time_original: Option<Value>,
}

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[expect(missing_docs, reason = "degrees north, degrees east, metres")]
pub struct Gps {
    pub lat: f64,
    pub lon: f64,
    pub alt: Option<f64>,
}

/// A video stream or a cover, by ffprobe.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are ffprobe's own")]
pub struct VideoTruth {
    pub codec: String,
    pub profile: Option<String>,
    pub width: u32,
    pub height: u32,
    pub pix_fmt: Option<String>,
    /// A fraction.
    pub avg_frame_rate: String,
    pub r_frame_rate: String,
    pub sample_aspect_ratio: Option<String>,
    pub display_aspect_ratio: Option<String>,
    pub color_transfer: Option<String>,
    pub color_primaries: Option<String>,
    pub color_space: Option<String>,
    /// A number as text.
    pub nb_frames: Option<String>,
    pub field_order: Option<String>,
    /// Degrees counter-clockwise.
    pub rotation_ffprobe: Option<i32>,
    pub packets: Option<u64>,
    /// Whether the frame rate varies.
    pub vfr: Option<bool>,
}

/// An audio stream, by ffprobe.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are ffprobe's own")]
pub struct AudioTruth {
    pub codec: String,
    pub profile: Option<String>,
    pub channels: u16,
    pub layout: Option<String>,
    pub sample_rate: u32,
    pub language: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_there_with_its_size() {
        let files = files();
        assert!(files.len() >= 100);
        for file in files {
            assert_eq!(std::fs::metadata(&file.path).unwrap().len(), file.bytes, "{}", file.name);
            assert_eq!(file.sha256.len(), 64);
        }
    }

    #[test]
    fn truth_is_typed() {
        let phone = file("065");
        assert_eq!(phone.family(), "video");
        assert_eq!(phone.truth.display_size(), Some(Size { width: 320, height: 568 }));
        assert_eq!(phone.truth.video[0].rotation_ffprobe, Some(-90));
        assert_eq!(phone.truth.gps.unwrap().lat, 32.0929);
        assert_eq!(file("034").truth.frames(), Some(30));
    }
}
