//! Filter graphs with one input and any number of outputs.
#![expect(unsafe_code, reason = "the frames of a graph have no owner type of their own")]

use super::error;
use ffmpeg_next::{Frame, filter};
use medianest_core::Result;

/// A graph between a source and numbered outputs.
pub(super) struct Filter {
    graph: filter::Graph,
    outputs: Vec<String>,
}

impl Filter {
    /// A graph of pictures. `source` are the arguments of FFmpeg's `buffer`; the specification reads
    /// `[in]` and writes `[out0]`, `[out1]`, …
    pub(super) fn video(source: &str, specification: &str, outputs: usize) -> Result<Self> {
        Self::new(("buffer", "buffersink"), source, specification, outputs)
    }

    /// The same of sound, with the arguments of `abuffer`.
    pub(super) fn audio(source: &str, specification: &str, outputs: usize) -> Result<Self> {
        Self::new(("abuffer", "abuffersink"), source, specification, outputs)
    }

    fn new(ends: (&str, &str), source: &str, specification: &str, outputs: usize) -> Result<Self> {
        let failed = |failure| error::internal(failure, "filter").with("filter", specification);
        let find = |name| filter::find(name).ok_or(ffmpeg_next::Error::FilterNotFound).map_err(failed);
        let mut graph = filter::Graph::new();
        // SAFETY: the graph is ours and empty, which is when its number of threads is set.
        unsafe { (*graph.as_mut_ptr()).nb_threads = 1 }
        graph.add(&find(ends.0)?, "in", source).map_err(failed)?;
        let outputs: Vec<String> = (0..outputs).map(|number| format!("out{number}")).collect();
        for name in &outputs {
            graph.add(&find(ends.1)?, name, "").map_err(failed)?;
        }
        let mut parser = graph.output("in", 0).map_err(failed)?;
        for name in &outputs {
            parser = parser.input(name, 0).map_err(failed)?;
        }
        parser.parse(specification).map_err(failed)?;
        graph.validate().map_err(failed)?;
        Ok(Self { graph, outputs })
    }

    /// Has an output deliver so many samples at a time, but for the last.
    pub(super) fn set_frame_size(&mut self, output: usize, samples: u32) {
        if let Some(mut context) = self.graph.get(&self.outputs[output]) {
            context.sink().set_frame_size(samples);
        }
    }

    /// Takes a frame, which is empty afterwards.
    pub(super) fn push(&mut self, frame: &mut Frame) -> Result<()> {
        let mut context = self.graph.get("in").ok_or(ffmpeg_next::Error::Bug).map_err(failed)?;
        context.source().add(frame).map_err(failed)
    }

    /// Says that no more frames come.
    pub(super) fn finish(&mut self) -> Result<()> {
        let mut context = self.graph.get("in").ok_or(ffmpeg_next::Error::Bug).map_err(failed)?;
        context.source().flush().map_err(failed)
    }

    /// The next frame of an output, if it is done.
    pub(super) fn pull(&mut self, output: usize) -> Option<Frame> {
        let mut context = self.graph.get(&self.outputs[output])?;
        // SAFETY: an empty frame of our own, into which the graph puts a reference.
        let mut frame = unsafe { Frame::empty() };
        context.sink().frame(&mut frame).ok().map(|()| frame)
    }
}

fn failed(failure: ffmpeg_next::Error) -> medianest_core::Error {
    error::internal(failure, "filter")
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filter({} outputs)", self.outputs.len())
    }
}
