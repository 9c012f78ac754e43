use crate::facts::understand;
use libtest_mimic::Failed;
use medianest_core::{
    ByteSource, ErrorKind, Failure, ImageVariant, Limits, MediaProcessor, NewPart, PartSink, RenderTask,
    RenditionId, RenditionInfo, Resize, Result, Variant, VariantName,
};
use medianest_media::{InProcess, thumbnail};
use medianest_testkit::{
    corpus::{self, CorpusFile},
    picture::{Rgb, ssim},
};

/// What cannot be rendered yet, and how that is said.
pub(crate) fn expected_failure(file: &CorpusFile) -> Option<&'static str> {
    let unsupported = [
        ("043", true), // an AVIF sequence without a still: libheif 1.15 refuses the brand
        ("047", cfg!(not(feature = "jxl"))),
        ("048", cfg!(not(feature = "jxl"))),
        ("050", true), // TIFF with CCITT group 3
        ("053", cfg!(not(feature = "svg"))),
        ("056", true), // a raw file of which only the metadata is left
    ];
    let fails = |(name, fails): &(&str, bool)| *fails && file.name.starts_with(name);
    unsupported.iter().any(fails).then_some("unsupported_codec")
}

pub(crate) fn fails_with(file: &CorpusFile, code: &str) -> Result<(), Failed> {
    match thumbnail(&file.read(), &Resize::fit(320, 320).jpeg(80), &Limits::default()) {
        Ok(_) => Err("it was rendered: take it off the list".into()),
        Err(error) if error.code() == code => Ok(()),
        Err(error) => Err(format!("{error:?}").into()),
    }
}

/// Keeps what was made, and checks the order of calls.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) parts: Vec<(usize, NewPart)>,
    pub(crate) finished: Vec<(usize, Result<RenditionInfo, Failure>)>,
    done: f32,
}

impl PartSink for Kept {
    fn part(&mut self, task: usize, part: NewPart) -> Result<()> {
        assert!(self.finished.iter().all(|(finished, _)| *finished != task), "a part after the end");
        self.parts.push((task, part));
        Ok(())
    }

    fn finish(&mut self, task: usize, outcome: Result<RenditionInfo, Failure>) -> Result<()> {
        assert!(self.finished.iter().all(|(finished, _)| *finished != task), "finished twice");
        self.finished.push((task, outcome));
        Ok(())
    }

    fn progress(&mut self, done: f32) -> Result<()> {
        assert!((self.done..=1.0).contains(&done), "progress goes from {} to {done}", self.done);
        self.done = done;
        Ok(())
    }
}

pub(crate) fn render(file: &CorpusFile, variants: Vec<ImageVariant>) -> Result<Kept> {
    let source = bytes::Bytes::from(file.read());
    let facts = understand(file)?;
    let task = |variant| RenderTask {
        rendition: RenditionId::new(),
        name: VariantName::new("picture").expect("a name"),
        variant: Variant::Image(variant),
        first_part: 0,
    };
    let tasks: Vec<_> = variants.into_iter().map(task).collect();
    let mut kept = Kept::default();
    InProcess.render(&source, &facts, &tasks, &Limits::default(), &mut kept)?;
    assert_eq!(kept.finished.len(), tasks.len(), "each task is finished once");
    Ok(kept)
}

pub(crate) fn one_decode_for_all_variants() -> Result<(), Failed> {
    let file = corpus::file("018");
    let boxes =
        [Resize::fit(320, 320), Resize::fit(1600, 1600), Resize::fill(400, 400), Resize::fit(9000, 9000)];
    let kept = render(&file, boxes.iter().map(|resize| resize.jpeg(90)).collect())?;
    let expected = [(320, 181), (1600, 905), (400, 400), (2688, 1520)];
    let original = Rgb::decode(&file.read());
    for (task, outcome) in &kept.finished {
        let info = outcome.as_ref().map_err(|failure| failure.message.clone())?;
        assert_eq!((info.width, info.height), (Some(expected[*task].0), Some(expected[*task].1)));
        assert_eq!(info.content_type, "image/jpeg");
        let parts: Vec<_> = kept.parts.iter().filter(|(of, _)| of == task).collect();
        assert_eq!(parts.len(), 1);
        assert_eq!((parts[0].1.ordinal, parts[0].1.duration_us), (0, 0));
        let made = Rgb::decode(&parts[0].1.bytes);
        assert_eq!((made.width as u32, made.height as u32), expected[*task]);
        if *task == 3 {
            assert!(ssim(&made, &original) > 0.95);
        }
    }
    Ok(())
}

pub(crate) fn outputs_carry_no_metadata() -> Result<(), Failed> {
    for name in ["009", "020", "012", "036", "051"] {
        let mut variants = vec![Resize::fit(200, 200).jpeg(80)];
        if cfg!(feature = "webp") {
            variants.push(Resize::fit(200, 200).webp(80));
        }
        for (_, part) in render(&corpus::file(name), variants)?.parts {
            for marker in [
                &b"Exif"[..],
                b"EXIF",
                b"ICCP",
                b"ICC_PROFILE",
                b"XMP",
                b"ns.adobe.com",
                b"Photoshop",
                b"iPhone",
                b"Canon",
                b"NIKON",
            ] {
                let found = part.bytes.windows(marker.len()).any(|window| window == marker);
                assert!(!found, "{name}: {}", String::from_utf8_lossy(marker));
            }
        }
    }
    Ok(())
}

/// Mean colours, by littleCMS (`convert-im6.q16 … -profile sRGB.icc`): a profile that is passed over
/// is far off.
pub(crate) fn colours_become_srgb() -> Result<(), Failed> {
    // 029 is pure Display P3 red, which sRGB can only clip; 019 is AdobeRGB, whose cloth of teal is duller
    // when its numbers are taken for sRGB.
    let red = mean("029")?;
    assert!(red[0] > 250.0 && red[1] < 12.0 && red[2] < 12.0, "{red:?}");
    let (managed, stored) = (mean("019")?, Rgb::decode(&corpus::file("019").read()).mean());
    let saturation = |[red, green, blue]: [f64; 3]| red.max(green).max(blue) - red.min(green).min(blue);
    assert!(saturation(managed) > saturation(stored) + 2.0, "{managed:?} {stored:?}");
    // A print without its profile is much too bright.
    let print = mean("021")?;
    assert!((60.0..150.0).contains(&print[1]), "{print:?}");
    Ok(())
}

fn mean(name: &str) -> Result<[f64; 3], Failed> {
    let bytes = corpus::file(name).read();
    Ok(Rgb::decode(&thumbnail(&bytes, &Resize::fit(400, 400).jpeg(95), &Limits::default())?).mean())
}

pub(crate) fn transparency_becomes_white_in_jpeg() -> Result<(), Failed> {
    let bytes = thumbnail(&corpus::file("028").read(), &Resize::fit(400, 400).jpeg(95), &Limits::default())?;
    let flat = Rgb::decode(&bytes);
    assert!(flat.pixels[..3].iter().all(|channel| *channel > 250), "{:?}", &flat.pixels[..3]);
    if cfg!(feature = "webp") {
        let bytes =
            thumbnail(&corpus::file("028").read(), &Resize::fit(400, 400).webp(80), &Limits::default())?;
        let kept = image::load_from_memory(&bytes)?;
        assert_eq!(kept.color(), image::ColorType::Rgba8);
        assert_eq!(kept.into_rgba8().get_pixel(0, 0).0[3], 0);
    }
    Ok(())
}

/// Raw files of cameras held upright: what the sensor saw lies on its side, and so does the preview.
pub(crate) fn a_preview_is_turned_with_its_file() -> Result<(), Failed> {
    let preview =
        thumbnail(&corpus::file("009").read(), &Resize::fit(300, 200).jpeg(80), &Limits::default())?;
    let shown = Rgb::decode(&preview);
    let entry = |tag: u16, kind: u16, value: u32| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &1_u32.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    let (version, maker, parts) = (entry(0xc612, 1, 1), entry(0x010f, 2, 190), entry(0x014a, 4, 0));
    for (format, mark, own) in [
        ("dng", [0; 8], vec![version]),
        ("cr2", *b"CR\x02\0\0\0\0\0", vec![]),
        ("nef", [0; 8], vec![maker, parts]),
    ] {
        let mut entries = vec![
            entry(0x00fe, 4, 0),
            entry(0x0100, 4, 6000),
            entry(0x0101, 4, 4000),
            entry(0x0112, 3, 6),
            entry(0x0201, 4, 200),
            entry(0x0202, 4, preview.len() as u32),
        ];
        entries.extend(own);
        let count = (entries.len() as u16).to_le_bytes();
        let mut file = [&b"II*\0\x10\0\0\0"[..], &mark, &count, &entries.concat()].concat();
        file.resize(190, 0);
        file.extend(b"NIKON\0\0\0\0\0");
        file.extend(&preview);
        let facts = InProcess.understand(&bytes::Bytes::from(file.clone()), &Limits::default())?;
        assert_eq!((facts.format.as_str(), facts.width, facts.height), (format, Some(4000), Some(6000)));
        let small = Rgb::decode(&thumbnail(&file, &Resize::fit(800, 800).jpeg(90), &Limits::default())?);
        assert_eq!((small.width, small.height), (shown.height, shown.width), "{format}");
    }
    Ok(())
}

/// What an SVG refers to is not looked at, be it a file or an address; what is part of it is shown.
#[cfg(feature = "svg")]
pub(crate) fn an_svg_shows_nothing_but_itself() -> Result<(), Failed> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use std::io::Write as _;

    let mut red = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(8, 8, image::Rgb([255, 0, 0]))
        .write_to(&mut red, image::ImageFormat::Jpeg)?;
    let mut secret = tempfile::Builder::new().suffix(".jpg").tempfile()?;
    secret.write_all(red.get_ref())?;
    let path = secret.path().display();
    let inside = format!("data:image/jpeg;base64,{}", STANDARD.encode(red.get_ref()));
    for (reference, red) in [(format!("file://{path}"), false), (path.to_string(), false), (inside, true)] {
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="64" height="32">
               <image width="64" height="32" preserveAspectRatio="none" xlink:href="{reference}"/>
               <text x="1" y="20">words</text></svg>"#
        );
        let facts =
            InProcess.understand(&bytes::Bytes::from(svg.clone().into_bytes()), &Limits::default())?;
        assert_eq!((facts.width, facts.height), (Some(64), Some(32)));
        assert_eq!(facts.warnings, ["text_left_out"]);
        let shown =
            Rgb::decode(&thumbnail(svg.as_bytes(), &Resize::fit(64, 64).jpeg(90), &Limits::default())?);
        let [_, green, _] = shown.mean();
        assert_eq!(green < 20.0, red, "{reference}: {:?}", shown.mean());
    }
    Ok(())
}

pub(crate) fn a_missing_feature_fails_its_task_alone() -> Result<(), Failed> {
    let kept =
        render(&corpus::file("009"), vec![Resize::fit(64, 64).webp(80), Resize::fit(64, 64).jpeg(80)])?;
    for (task, outcome) in kept.finished {
        match (task, outcome) {
            (0, Err(failure)) if cfg!(not(feature = "webp")) => {
                assert_eq!(failure.code, "unsupported_codec");
                assert!(failure.message.contains("feature webp"), "{}", failure.message);
            }
            (_, outcome) => assert!(outcome.is_ok(), "{outcome:?}"),
        }
    }
    Ok(())
}

/// Gives its first bytes and then nothing but errors.
struct Failing(bytes::Bytes);

impl ByteSource for Failing {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        if offset + buffer.len() as u64 > 4096 {
            return Err(std::io::Error::other("the store is away"));
        }
        self.0.read_at(offset, buffer)
    }
}

pub(crate) fn a_source_that_fails_is_not_the_medias_fault() -> Result<(), Failed> {
    for name in ["009", "030", "035", "036", "049", "052"] {
        let file = corpus::file(name);
        let facts = understand(&file)?;
        let source = Failing(file.read().into());
        let task = RenderTask {
            rendition: RenditionId::new(),
            name: VariantName::new("picture").expect("a name"),
            variant: Variant::Image(Resize::fit(64, 64).jpeg(80)),
            first_part: 0,
        };
        let error = InProcess
            .render(&source, &facts, &[task], &Limits::default(), &mut Kept::default())
            .expect_err("it cannot be read");
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Unavailable, "source_unreadable"),
            "{name}: {error:?}"
        );
    }
    Ok(())
}
