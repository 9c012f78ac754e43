//! The sandbox on the helper binary, with real media: what it answers is what [`InProcess`] answers.

use medianest_core::{
    Error, ErrorKind, Facts, Failure, Limits, MediaProcessor, NewPart, PartSink, RenderTask, RenditionId,
    RenditionInfo, Resize, Result, Variant, VariantName, bytes::Bytes,
};
use medianest_media::{
    InProcess,
    sandbox::{self, Sandboxed},
};
use medianest_testkit::corpus;
use std::{collections::BTreeMap, thread};

fn sandboxed() -> Sandboxed {
    Sandboxed::with_helper(env!("CARGO_BIN_EXE_medianest-sandbox")).unwrap()
}

fn tasks() -> Vec<RenderTask> {
    [("small", Resize::fit(320, 320).jpeg(80)), ("card", Resize::fill(100, 40).jpeg(80))]
        .into_iter()
        .map(|(name, variant)| RenderTask {
            rendition: RenditionId::new(),
            name: VariantName::new(name).unwrap(),
            variant: Variant::Image(variant),
            first_part: 0,
        })
        .collect()
}

/// What a processor made, by task.
#[derive(Debug, Default, PartialEq)]
struct Made {
    parts: BTreeMap<usize, Vec<NewPart>>,
    outcomes: BTreeMap<usize, Result<RenditionInfo, Failure>>,
}

impl PartSink for Made {
    fn part(&mut self, task: usize, part: NewPart) -> Result<()> {
        self.parts.entry(task).or_default().push(part);
        Ok(())
    }

    fn finish(&mut self, task: usize, outcome: Result<RenditionInfo, Failure>) -> Result<()> {
        assert!(self.outcomes.insert(task, outcome).is_none(), "finished twice");
        Ok(())
    }

    fn progress(&mut self, _: f32) -> Result<()> {
        Ok(())
    }
}

/// Facts, what was made of them, or the code of the error.
fn process(processor: &dyn MediaProcessor, media: &Bytes) -> Result<(Facts, Result<Made, String>), String> {
    let code = |error: Error| error.code().to_owned();
    let limits = Limits::default();
    let facts = processor.understand(media, &limits).map_err(code)?;
    let mut made = Made::default();
    let rendered = processor.render(media, &facts, &tasks(), &limits, &mut made).map_err(code);
    Ok((facts, rendered.map(|()| made)))
}

fn falcon() -> Bytes {
    corpus::file("012").read().into()
}

#[test]
fn a_thumbnail_has_the_same_bytes_as_in_process() {
    let (facts, made) = process(&sandboxed(), &falcon()).unwrap();
    let made = made.unwrap();
    assert_eq!((facts.content_type.as_str(), made.parts.len(), made.outcomes.len()), ("image/jpeg", 2, 2));
    assert_eq!(process(&InProcess, &falcon()), Ok((facts, Ok(made))));
}

#[test]
fn media_comes_out_as_in_process_and_fails_as_in_process() {
    let sandbox = sandboxed();
    for file in corpus::files() {
        let media = Bytes::from(file.read());
        let (inside, outside) = (process(&sandbox, &media), process(&InProcess, &media));
        assert_eq!(inside, outside, "{}", file.name);
    }
}

#[cfg(feature = "ffmpeg")]
#[test]
fn a_ladder_has_the_same_parts_as_in_process() {
    use medianest_core::Recipe;
    let clip = Bytes::from(corpus::file("077").read());
    let limits = Limits::default();
    let facts = InProcess.understand(&clip, &limits).unwrap();
    let recipe = Recipe::standard();
    let tasks: Vec<_> = recipe
        .applicable(&facts)
        .into_iter()
        .filter(|(_, variant)| variant.is_heavy())
        .map(|(name, variant)| RenderTask {
            rendition: RenditionId::new(),
            name: name.clone(),
            variant: variant.clone(),
            first_part: 0,
        })
        .collect();
    assert!(tasks.len() > 1, "rungs and sound");
    let render = |processor: &dyn MediaProcessor| {
        let mut made = Made::default();
        processor.render(&clip, &facts, &tasks, &limits, &mut made).unwrap();
        made
    };
    let inside = render(&sandboxed());
    assert!(inside.outcomes.values().all(Result::is_ok), "{:?}", inside.outcomes);
    assert_eq!(inside, render(&InProcess));
}

#[test]
fn many_threads_share_one_sandbox() {
    let (sandbox, media) = (sandboxed().max_children(3), falcon());
    let expected = process(&InProcess, &media);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..3).for_each(|_| assert_eq!(process(&sandbox, &media), expected)));
        }
    });
}

#[test]
fn a_picture_that_needs_more_memory_than_it_may_have_fails_alone() {
    let sandbox = sandboxed();
    let photo = Bytes::from(corpus::file("013").read());
    let mut little = Limits::default();
    little.max_memory = 24 << 20;
    let facts = sandbox.understand(&photo, &little).unwrap();
    assert!(facts.width.unwrap() * facts.height.unwrap() * 3 > 24 << 20);
    let error = sandbox.render(&photo, &facts, &tasks(), &little, &mut Made::default()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Media, "limit_exceeded"), "{error:?}");
    process(&sandbox, &photo).unwrap().1.unwrap();
}

#[test]
fn without_init_it_says_what_to_do() {
    let error = Sandboxed::new().unwrap_err();
    assert_eq!(error.code(), "sandbox_not_initialised");
    assert!(error.message().contains("sandbox::init()"), "{error}");
    // The test harness has started threads.
    assert_eq!(sandbox::init().unwrap_err().code(), "sandbox_too_late");
}

#[test]
fn what_is_no_helper_is_refused() {
    for path in ["/nonexistent/helper", "/bin/true"] {
        let error = Sandboxed::with_helper(path).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "sandbox_unavailable"), "{path}");
    }
}
