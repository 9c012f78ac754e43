use medianest_core::{Error, Failure, NewPart, PartSink, RenditionInfo, Result};

/// Keeps what a renderer makes, in the order of its tasks.
#[derive(Debug, Default)]
pub struct Rendered {
    /// The parts of each rendition, one after the other.
    pub renditions: Vec<Vec<u8>>,
}

impl Rendered {
    /// Bytes in all.
    pub fn total(&self) -> usize {
        self.renditions.iter().map(Vec::len).sum()
    }
}

impl PartSink for Rendered {
    fn part(&mut self, task: usize, part: NewPart) -> Result<()> {
        if self.renditions.len() <= task {
            self.renditions.resize_with(task + 1, Vec::new);
        }
        self.renditions[task].extend_from_slice(&part.bytes);
        Ok(())
    }

    fn finish(&mut self, _: usize, outcome: Result<RenditionInfo, Failure>) -> Result<()> {
        outcome.map(drop).map_err(|failure| Error::media(failure.code, failure.message))
    }

    fn progress(&mut self, _: f32) -> Result<()> {
        Ok(())
    }
}
