use super::*;
use medianest_core::{
    NewPart, Recipe, RenditionId, RenditionInfo, Resize, VariantName, VideoVariant, WaveformVariant,
};
use std::collections::BTreeMap;

/// A change here makes every stored rendition of the variant stale, at every operator: raise the
/// renderer's revision on purpose, never by accident.
#[test]
fn fingerprints_of_the_standard_recipe_do_not_change() {
    let fingerprints: Vec<String> = Recipe::standard()
        .variants()
        .map(|(name, variant)| {
            format!("{name} {}", variant.fingerprint(&InProcess.renderer(variant)).as_str())
        })
        .collect();
    assert_eq!(
        fingerprints,
        [
            "1080p 31406e936ab39667b2d262ce5f01072b",
            "480p d716d220cdb915aa46aaa6dbcbc7b184",
            "720p 3ac7f820f5d44abd2b67ea66c827f4ea",
            "audio 977adda01bbaa6aa47b514dcda4acd21",
            "large 16a648ab05280cbf87a1637b6fe65379",
            "medium f3cd48d9c61f88eb8d3c993cb98296c3",
            "poster 23bb20bc89fabf29d70ffd0ced4c3b37",
            "small 8f3b062eb77d599dcd21e9371731b62c",
            "waveform 85f3076b41c700343dd3821fe00bbd37",
        ]
    );
}

fn understand(bytes: &[u8]) -> Result<Facts> {
    InProcess.understand(&bytes::Bytes::copy_from_slice(bytes), &Limits::default())
}

#[test]
fn what_is_no_media_is_refused_by_its_first_bytes() {
    for (bytes, code) in [
        (&b""[..], "unsupported_media_type"),
        (b"hello", "unsupported_media_type"),
        (b"PK\x03\x04", "unsupported_media_type"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd", "dangerous_content"),
        (b"<!DOCTYPE html><script>", "dangerous_content"),
    ] {
        let error = understand(bytes).unwrap_err();
        assert_eq!((error.kind(), error.code()), (medianest_core::ErrorKind::Media, code), "{bytes:?}");
    }
}

#[cfg(not(feature = "ffmpeg"))]
#[test]
fn a_video_names_the_feature_that_is_missing() {
    let error = understand(b"\0\0\0\x18ftypisom\0\0\0\0isommp42").unwrap_err();
    assert_eq!(error.code(), "unsupported_codec");
    assert!(error.message().contains("`ffmpeg`"), "{error}");
}

#[test]
fn a_source_that_fails_is_not_the_medias_fault() {
    struct Broken;
    impl ByteSource for Broken {
        fn len(&self) -> u64 {
            9
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::ConnectionReset.into())
        }
    }
    let error = InProcess.understand(&Broken, &Limits::default()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (medianest_core::ErrorKind::Unavailable, "source_unreadable"));
}

#[derive(Default)]
struct Outcomes(BTreeMap<usize, Result<RenditionInfo, Failure>>);

impl PartSink for Outcomes {
    fn part(&mut self, _: usize, _: NewPart) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self, task: usize, outcome: Result<RenditionInfo, Failure>) -> Result<()> {
        assert!(self.0.insert(task, outcome).is_none(), "task {task} is finished twice");
        Ok(())
    }

    fn progress(&mut self, _: f32) -> Result<()> {
        Ok(())
    }
}

#[cfg(feature = "image")]
#[test]
fn tasks_that_do_not_fit_fail_alone() {
    const PIXEL: &[u8] =
        b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
    let variants = [
        Variant::Video(VideoVariant::h264(720)),
        Variant::Image(Resize::fit(1, 1).jpeg(80)),
        Variant::Waveform(WaveformVariant::default()),
    ];
    let tasks = variants.map(|variant| RenderTask {
        rendition: RenditionId::new(),
        name: VariantName::new("any").unwrap(),
        variant,
        first_part: 0,
    });
    let facts = understand(PIXEL).unwrap();
    let mut sink = Outcomes::default();
    InProcess
        .render(&bytes::Bytes::from_static(PIXEL), &facts, &tasks, &Limits::default(), &mut sink)
        .unwrap();
    let codes: Vec<_> =
        sink.0.values().map(|outcome| outcome.as_ref().map_err(|failure| &*failure.code)).collect();
    assert_eq!(codes[0].unwrap_err(), "unsupported_media_type");
    assert_eq!(codes[1].unwrap().content_type, "image/jpeg");
    assert_eq!(codes[2].unwrap_err(), "unsupported_media_type");
}
