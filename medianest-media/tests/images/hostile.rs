use crate::render::Kept;
use libtest_mimic::Failed;
use medianest_core::{
    ErrorKind, Limits, MediaKind, MediaProcessor, RenderTask, RenditionId, Resize, Variant, VariantName,
};
use medianest_media::{InProcess, sniff, thumbnail};
use medianest_testkit::corpus::{self, CorpusFile};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

/// Ends with a picture, or with an error of the media; a picture of a file that is cut off says so.
pub(crate) fn survives(file: &CorpusFile) -> Result<(), Failed> {
    let bytes = file.read();
    let head = &bytes[..bytes.len().min(4096)];
    if sniff(head).is_some_and(|media_type| media_type.kind != MediaKind::Image) {
        return Ok(()); // a video or a song, which other tests are about
    }
    let expected = expected(file);
    let source = bytes::Bytes::from(bytes);
    let rendered = InProcess.understand(&source, &Limits::default()).and_then(|facts| {
        let task = RenderTask {
            rendition: RenditionId::new(),
            name: VariantName::new("picture")?,
            variant: Variant::Image(Resize::fit(320, 320).jpeg(80)),
            first_part: 0,
        };
        let mut kept = Kept::default();
        InProcess.render(&source, &facts, &[task], &Limits::default(), &mut kept)?;
        Ok(kept.finished.remove(0).1)
    });
    let outcome = match rendered {
        Ok(Ok(info)) if info.warnings.is_empty() => String::from("fine"),
        Ok(Ok(info)) => info.warnings.join(" "),
        Ok(Err(failure)) => failure.code,
        Err(error) if error.kind() == ErrorKind::Media => error.code().to_owned(),
        Err(error) => return Err(format!("{error:?}").into()),
    };
    if outcome == expected { Ok(()) } else { Err(format!("{outcome} instead of {expected}").into()) }
}

fn expected(file: &CorpusFile) -> &'static str {
    let prefix = file.name.split('_').next().unwrap_or_default();
    match prefix {
        "090" | "091" => "truncated",
        "092" | "096" | "102" | "h09" => "fine",
        "093" | "094" | "095" | "h02" => "limit_exceeded",
        // 3000 frames, of which the first is shown.
        "h03" => "fine",
        "099" | "100" => "corrupt",
        "h04" | "h05" | "h06" | "h07" | "h10" | "h12" | "h13" | "h14" => "dangerous_content",
        _ => "unsupported_media_type",
    }
}

/// Bytes turned over, cut off and repeated in files of all formats that are decoded in Rust or by
/// libjpeg-turbo. (libheif is the sandbox's business: it has crashed on less.)
pub(crate) fn mutated_files_never_panic() -> Result<(), Failed> {
    let names = [
        "014", "016", "020", "022", "026", "029", "032", "033", "034", "037", "039", "049", "051", "052",
        "090",
    ];
    let files: Vec<Vec<u8>> = names.iter().map(|name| corpus::file(name).read()).collect();
    let mut limits = Limits::default();
    limits.max_pixels = 1_000_000;
    limits.max_memory = 256 << 20;
    let mutation = (
        0..files.len(),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        any::<prop::sample::Index>(),
        any::<bool>(),
    );
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    runner
        .run(&mutation, |(file, changes, cut, cuts)| {
            let mut bytes = files[file].clone();
            for (at, value) in changes {
                // Headers are where decoders believe what they read.
                let place =
                    if value % 2 == 0 { at.index(bytes.len()) } else { at.index(bytes.len().min(200)) };
                bytes[place] = value;
            }
            if cuts {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Err(error) = thumbnail(&bytes, &Resize::fit(64, 64).jpeg(80), &limits) {
                prop_assert_eq!(error.kind(), ErrorKind::Media, "{:?}", error);
            }
            Ok(())
        })
        .map_err(|error| error.to_string().into())
}
