use bytes::Bytes;
use futures::StreamExt;
use medianest_core::{ByteStream, Result};

/// Gathers the chunks of a body, of whatever size, into parts of one size.
pub(super) struct Parts {
    body: ByteStream,
    rest: Bytes,
}

impl Parts {
    pub(super) fn new(body: ByteStream) -> Self {
        Self { body, rest: Bytes::new() }
    }

    /// Replaces the content of `part` by the next `size` bytes; by fewer at the end of the body, and
    /// nowhere else. Copies, so that a body of tiny slices does not hold on to large buffers.
    pub(super) async fn fill(&mut self, part: &mut Vec<u8>, size: usize) -> Result<()> {
        part.clear();
        while part.len() < size {
            if self.rest.is_empty() {
                match self.body.next().await {
                    Some(chunk) => self.rest = chunk?,
                    None => break,
                }
            }
            let taken = self.rest.split_to(self.rest.len().min(size - part.len()));
            part.extend_from_slice(&taken);
        }
        Ok(())
    }
}
