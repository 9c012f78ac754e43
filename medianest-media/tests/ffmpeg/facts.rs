//! What files say of themselves, against what ffprobe, exiftool and mediainfo say.

use crate::trial;
use libtest_mimic::Trial;
use medianest_core::{ByteSource, Facts, Limits, MediaProcessor, bytes::Bytes};
use medianest_media::InProcess;
use medianest_testkit::{
    corpus::{self, CorpusFile},
    truth,
};

/// Files that declare 40 hours and hold about a second.
const IMPLAUSIBLE: [&str; 2] = ["070", "104"];

pub(crate) fn understand(file: &CorpusFile) -> medianest_core::Result<Facts> {
    InProcess.understand(&Bytes::from(file.read()), &Limits::default())
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = corpus::files()
        .into_iter()
        .filter(|file| matches!(file.family(), "video" | "audio") || is_readable_hostile(file))
        .map(|file| trial(format!("facts::{}", file.name), move || check(&file)))
        .collect();
    trials.extend([
        trial("facts::a_video_cut_in_half_is_flagged", || {
            let facts = understand(&corpus::file("h11")).unwrap();
            assert_eq!(facts.warnings, ["truncated"]);
        }),
        trial("facts::forty_declared_hours_are_not_believed", || {
            for name in IMPLAUSIBLE {
                let facts = understand(&corpus::file(name)).unwrap();
                assert!(facts.warnings.iter().any(|warning| warning == "duration_implausible"), "{facts:?}");
                assert!(facts.duration_ms.unwrap() < 2_000, "{facts:?}");
            }
        }),
        trial("facts::an_unreadable_source_says_so", || {
            let error =
                InProcess.understand(&Unplugged(corpus::file("058").read()), &Limits::default()).unwrap_err();
            assert_eq!(error.code(), "source_unreadable");
            assert_eq!(error.kind(), medianest_core::ErrorKind::Unavailable);
        }),
        trial("facts::a_frame_over_the_limit_is_refused", || {
            let mut limits = Limits::default();
            limits.max_pixels = 8192 * 8191;
            let bytes = Bytes::from(corpus::file("s02").read());
            assert_eq!(InProcess.understand(&bytes, &limits).unwrap_err().code(), "limit_exceeded");
        }),
        trial("facts::too_many_streams_are_refused", || {
            let mut limits = Limits::default();
            limits.max_streams = 2;
            let bytes = Bytes::from(corpus::file("s01").read());
            assert_eq!(InProcess.understand(&bytes, &limits).unwrap_err().code(), "limit_exceeded");
        }),
        trial("facts::damaged_files_fail_with_a_code", || {
            for name in ["097", "101"] {
                let error = understand(&corpus::file(name)).unwrap_err();
                assert!(["corrupt", "truncated"].contains(&error.code()), "{name}: {error:?}");
            }
        }),
    ]);
    trials
}

fn is_readable_hostile(file: &CorpusFile) -> bool {
    ["098", "104", "h11", "s02"].iter().any(|prefix| file.name.starts_with(prefix))
}

fn check(file: &CorpusFile) {
    let facts = understand(file).unwrap_or_else(|error| panic!("{}", error.report()));
    assert!(facts.content_type.starts_with(facts.kind.as_str()), "{}", facts.content_type);
    assert_eq!(truth::disagreements(file, &facts), Vec::<String>::new());
}

/// Bytes that can be read only at the beginning.
struct Unplugged(Vec<u8>);

impl ByteSource for Unplugged {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        if offset >= 4096 {
            return Err(std::io::Error::other("unplugged"));
        }
        let part = &self.0[offset as usize..];
        let count = part.len().min(buffer.len()).min(4096);
        buffer[..count].copy_from_slice(&part[..count]);
        Ok(count)
    }
}
