//! What comes of each file.

use medianest_testkit::corpus::CorpusFile;

/// What comes of a file: the state of the asset and the code of its failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ready,
    Failed(&'static str),
    Quarantined(&'static str),
    /// The upload itself is answered with a problem.
    Refused(&'static str),
}

use Outcome::{Failed, Quarantined, Refused};

/// Files that do not end `ready`: start of the name, what comes of them, why.
const NOT_READY: &[(&str, Outcome, &str)] = &[
    ("043", Failed("unsupported_codec"), "an AVIF sequence without a still: libheif 1.15 refuses the brand"),
    ("050", Failed("unsupported_codec"), "TIFF compressed with CCITT group 3"),
    ("056", Failed("unsupported_codec"), "a raw file of which only the metadata is left"),
    ("093", Failed("limit_exceeded"), "280 megapixels"),
    ("094", Failed("limit_exceeded"), "4 gigapixels"),
    ("095", Failed("limit_exceeded"), "a frame of 4 gigapixels in 44 bytes"),
    ("097", Failed("corrupt"), "no stream can be read"),
    ("099", Failed("corrupt"), "AVIF without a size"),
    ("100", Failed("corrupt"), "HEIF with broken boxes"),
    ("101", Failed("corrupt"), "a chain of boxes without end"),
    ("104", Failed("corrupt"), "no frame of it can be decoded, not by ffmpeg either"),
    ("h01", Refused("empty_upload"), "there is nothing to store"),
    ("h02", Failed("limit_exceeded"), "2.5 gigapixels"),
    ("h04", Quarantined("dangerous_content"), "a playlist that names a file"),
    ("h05", Quarantined("dangerous_content"), "a playlist that names an address"),
    ("h06", Quarantined("dangerous_content"), "a playlist that names a file"),
    ("h07", Quarantined("dangerous_content"), "XML with external entities"),
    ("h08", Failed("unsupported_media_type"), "an archive"),
    ("h10", Quarantined("dangerous_content"), "a GIF that is a script"),
    ("h12", Quarantined("dangerous_content"), "a page with a script"),
    ("h13", Quarantined("dangerous_content"), "a playlist that names a file"),
    ("h14", Quarantined("dangerous_content"), "a playlist that names a file"),
];

/// Files that can be understood, with words of warning: start of the name, the warnings, why.
const FLAGGED: &[(&str, &[&str], &str)] = &[
    ("025", &["truncated"], "shortened for the corpus, also by libjpeg's account"),
    ("070", &["duration_implausible"], "40 hours are declared"),
    ("079", &["damaged"], "pictures are corrupt, also by ffmpeg's account"),
    ("090", &["truncated"], "cut off"),
    ("091", &["truncated"], "cut off"),
    ("098", &["damaged"], "pictures are corrupt, also by ffmpeg's account"),
    ("104", &["duration_implausible"], "40 hours are declared"),
    ("h03", &["frames_left_out"], "3000 frames"),
    ("h11", &["damaged", "truncated"], "cut in half"),
];

/// What must come of a file.
pub(crate) fn outcome(file: &CorpusFile) -> Outcome {
    let row = NOT_READY.iter().find(|(name, ..)| file.name.starts_with(name));
    row.map_or(Outcome::Ready, |(_, outcome, _)| *outcome)
}

/// What a file must be flagged with.
pub(crate) fn warnings(file: &CorpusFile) -> &'static [&'static str] {
    FLAGGED.iter().find(|(name, ..)| file.name.starts_with(name)).map_or(&[], |(_, warnings, _)| *warnings)
}
