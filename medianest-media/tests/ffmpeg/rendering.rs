//! Rendering into memory, and from there into a folder that players can read.

use medianest_core::{
    AudioVariant, Error, ErrorKind, Facts, Failure, Limits, MediaProcessor, NewPart, PartSink, RenderTask,
    RenditionId, RenditionInfo, Result, Variant, VariantName, VideoVariant, bytes::Bytes,
};
use medianest_media::InProcess;
use medianest_testkit::corpus;
use std::{fmt::Write as _, fs, path::Path};

pub(crate) fn task(name: &str, variant: Variant, first_part: u32) -> RenderTask {
    RenderTask { rendition: RenditionId::new(), name: VariantName::new(name).unwrap(), variant, first_part }
}

/// A rung with short segments, so that small files have several.
pub(crate) fn rung(lines: u32) -> Variant {
    let mut video = VideoVariant::h264(lines);
    video.segment_seconds = 2;
    Variant::Video(video)
}

pub(crate) fn voice() -> Variant {
    let mut audio = AudioVariant::default();
    audio.segment_seconds = 2;
    Variant::Audio(audio)
}

#[derive(Default)]
pub(crate) struct Made {
    pub(crate) parts: Vec<NewPart>,
    pub(crate) outcome: Option<Result<RenditionInfo, Failure>>,
}

impl Made {
    pub(crate) fn info(&self) -> &RenditionInfo {
        self.outcome.as_ref().expect("finished").as_ref().expect("made")
    }

    pub(crate) fn failure(&self) -> &Failure {
        self.outcome.as_ref().expect("finished").as_ref().expect_err("failed")
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.parts.iter().flat_map(|part| part.bytes.iter().copied()).collect()
    }

    pub(crate) fn duration_us(&self) -> u64 {
        self.parts.iter().map(|part| part.duration_us).sum()
    }

    /// Writes the parts and their playlist.
    pub(crate) fn write(&self, name: &str, folder: &Path) {
        let target = self.parts.iter().map(|part| part.duration_us).max().unwrap().div_ceil(1_000_000);
        let mut list = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-PLAYLIST-TYPE:VOD\n\
             #EXT-X-MAP:URI=\"{name}0.m4s\"\n"
        );
        for part in &self.parts {
            fs::write(folder.join(format!("{name}{}.m4s", part.ordinal)), &part.bytes).unwrap();
            if part.ordinal > 0 {
                let seconds = part.duration_us as f64 / 1e6;
                writeln!(list, "#EXTINF:{seconds:.6},\n{name}{}.m4s", part.ordinal).unwrap();
            }
        }
        list.push_str("#EXT-X-ENDLIST\n");
        fs::write(folder.join(format!("{name}.m3u8")), list).unwrap();
    }
}

/// Keeps everything, and checks what is promised to every sink.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) made: Vec<Made>,
    pub(crate) progress: Vec<f32>,
    /// Calls the work off when so many parts have come.
    pub(crate) cancel_after: Option<usize>,
}

impl PartSink for Memory {
    fn part(&mut self, task: usize, part: NewPart) -> Result<()> {
        let made = &mut self.made[task];
        assert!(made.outcome.is_none(), "a part after the end");
        assert!(made.parts.last().is_none_or(|last| last.ordinal + 1 == part.ordinal), "parts come in order");
        made.parts.push(part);
        let count: usize = self.made.iter().map(|made| made.parts.len()).sum();
        if self.cancel_after.is_some_and(|most| count > most) {
            return Err(Error::new(ErrorKind::Cancelled, "cancelled", "called off"));
        }
        Ok(())
    }

    fn finish(&mut self, task: usize, outcome: Result<RenditionInfo, Failure>) -> Result<()> {
        assert!(self.made[task].outcome.replace(outcome).is_none(), "finished once");
        Ok(())
    }

    fn progress(&mut self, done: f32) -> Result<()> {
        assert!((0.0..=1.0).contains(&done));
        self.progress.push(done);
        Ok(())
    }
}

/// Understands and renders a file of the corpus.
pub(crate) fn render(prefix: &str, tasks: &[RenderTask]) -> (Facts, Vec<Made>) {
    render_bytes(&Bytes::from(corpus::file(prefix).read()), tasks)
}

pub(crate) fn render_bytes(bytes: &Bytes, tasks: &[RenderTask]) -> (Facts, Vec<Made>) {
    let facts = InProcess.understand(bytes, &Limits::default()).unwrap();
    let mut memory = memory(tasks.len());
    InProcess.render(bytes, &facts, tasks, &Limits::default(), &mut memory).unwrap();
    (facts, memory.made)
}

pub(crate) fn memory(tasks: usize) -> Memory {
    Memory { made: (0..tasks).map(|_| Made::default()).collect(), ..Memory::default() }
}
