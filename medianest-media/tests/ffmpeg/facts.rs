//! What files say of themselves, against what ffprobe, exiftool and mediainfo say.

use crate::trial;
use libtest_mimic::Trial;
use medianest_core::{
    ByteSource, Facts, Limits, MediaKind, MediaProcessor, StreamKind, Timestamp, bytes::Bytes,
};
use medianest_media::InProcess;
use medianest_testkit::corpus::{self, CorpusFile};

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
    let truth = &file.truth;
    assert_eq!(facts.kind, if truth.video.is_empty() { MediaKind::Audio } else { MediaKind::Video });
    assert!(facts.content_type.starts_with(facts.kind.as_str()), "{}", facts.content_type);
    let size = (facts.width, facts.height);
    assert_eq!(size, truth.display.map_or((None, None), |size| (Some(size.width), Some(size.height))));
    check_streams(&facts, file);
    if !IMPLAUSIBLE.iter().any(|prefix| file.name.starts_with(prefix)) {
        let difference = facts.duration_ms.unwrap() as f64 / 1000.0 - truth.duration_s.unwrap();
        assert!(difference.abs() < 0.05, "{:?} ms against {:?} s", facts.duration_ms, truth.duration_s);
    }
    check_place_and_time(&facts, file);
    if facts.kind == MediaKind::Audio {
        assert_eq!(facts.has_cover, !truth.cover_art.is_empty());
        for (name, value) in
            [("title", &facts.tags.title), ("artist", &facts.tags.artist), ("album", &facts.tags.album)]
        {
            assert_eq!(value.as_ref(), truth.tags.get(name), "{name}");
        }
    }
}

fn check_streams(facts: &Facts, file: &CorpusFile) {
    let of = |kind| facts.streams.iter().filter(move |stream| stream.kind == kind).collect::<Vec<_>>();
    let (videos, audios) = (of(StreamKind::Video), of(StreamKind::Audio));
    assert_eq!(of(StreamKind::Subtitle).len(), file.truth.subtitles.len());
    assert_eq!((videos.len(), audios.len()), (file.truth.video.len(), file.truth.audio.len()));
    for (found, truth) in videos.iter().zip(&file.truth.video) {
        // A profile without a name is a number in the manifest.
        let profile = truth.profile.as_ref().filter(|name| name.parse::<u32>().is_err());
        assert_eq!((&found.codec, found.profile.as_ref()), (&truth.codec, profile));
        assert_eq!((found.width, found.height), (Some(truth.width), Some(truth.height)));
        let clockwise = truth.rotation_ffprobe.map(|degrees| (360 - degrees).rem_euclid(360) as u16);
        assert_eq!(found.rotation, clockwise.filter(|degrees| *degrees != 0));
        assert!((found.frame_rate.unwrap() - fraction(&truth.avg_frame_rate, '/')).abs() < 1e-6);
        let aspect = truth.sample_aspect_ratio.as_deref().map_or(1.0, |text| fraction(text, ':'));
        assert!((found.pixel_aspect.unwrap_or(1.0) - aspect).abs() < 1e-6);
    }
    for (found, truth) in audios.iter().zip(&file.truth.audio) {
        assert_eq!((&found.codec, &found.profile), (&truth.codec, &truth.profile));
        assert_eq!((found.channels, found.sample_rate), (Some(truth.channels), Some(truth.sample_rate)));
        assert_eq!(found.language.as_ref(), truth.language.as_ref().filter(|language| *language != "und"));
    }
}

fn check_place_and_time(facts: &Facts, file: &CorpusFile) {
    if let Some(gps) = file.truth.gps {
        let place = facts.location.expect("a place");
        assert!(
            (place.latitude - gps.lat).abs() < 1e-6 && (place.longitude - gps.lon).abs() < 1e-6,
            "{place:?}"
        );
    }
    if let Some(make) = file.truth.make.as_ref().and_then(|make| make.as_str()) {
        assert_eq!(facts.camera.make.as_deref(), Some(make));
    }
    let capture = &file.truth.capture;
    if facts.kind != MediaKind::Video {
        return;
    }
    if let Some(local) = &capture.creation_date {
        let captured = facts.captured.expect("a time");
        let zone = captured.offset_minutes.expect("a zone");
        let shown = Timestamp::from_secs(captured.at.as_secs() + i64::from(zone) * 60).to_string();
        assert_eq!(shown[..19], local[..10].replace(':', "-") + "T" + &local[11..19]);
        assert_eq!(format!("{:+03}:{:02}", zone / 60, zone % 60), local[19..]);
    } else if let Some(utc) = &capture.media_create_date {
        let captured = facts.captured.expect("a time");
        assert_eq!(captured.at.to_string()[..19], utc[..10].replace(':', "-") + "T" + &utc[11..19]);
    }
}

fn fraction(text: &str, by: char) -> f64 {
    let (num, den) = text.split_once(by).unwrap();
    num.parse::<f64>().unwrap() / den.parse::<f64>().unwrap()
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
