use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use medianest_core::{ByteStream, Result};
use object_store::PutPayload;

/// A chunk of so many bytes goes on as it is; smaller ones are put together, so that a body of tiny slices
/// does not hold on to large buffers.
const LOAF: usize = 256 * 1024;

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

    /// The next `size` bytes; fewer at the end of the body, and nowhere else.
    pub(super) async fn next(&mut self, size: usize) -> Result<PutPayload> {
        let (mut pieces, mut crumbs, mut length) = (Vec::new(), BytesMut::new(), 0);
        while length < size {
            if self.rest.is_empty() {
                match self.body.next().await {
                    Some(chunk) => self.rest = chunk?,
                    None => break,
                }
            }
            let taken = self.rest.split_to(self.rest.len().min(size - length));
            length += taken.len();
            if taken.len() < LOAF {
                crumbs.extend_from_slice(&taken);
            }
            if taken.len() >= LOAF || crumbs.len() >= LOAF {
                pieces.extend(Some(crumbs.split().freeze()).filter(|crumbs| !crumbs.is_empty()));
            }
            if taken.len() >= LOAF {
                pieces.push(taken);
            }
        }
        pieces.extend(Some(crumbs.freeze()).filter(|crumbs| !crumbs.is_empty()));
        Ok(pieces.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    /// Crumbs and loaves in all orders, and what does not end with a part.
    #[tokio::test]
    async fn parts_are_the_body_in_pieces() {
        for sizes in [
            vec![],
            vec![1; 3000],
            vec![LOAF; 5],
            vec![3 * LOAF, 1, 0, LOAF, 7, 7, 2 * LOAF - 1, LOAF / 2, LOAF / 2, LOAF / 2],
            vec![LOAF - 1, LOAF - 1, 4 * LOAF],
        ] {
            let bodies: Vec<_> =
                (0_usize..).zip(&sizes).map(|(n, size)| Bytes::from(vec![(n * 7) as u8; *size])).collect();
            let mut parts = Parts::new(stream::iter(bodies.clone().into_iter().map(Ok)).boxed());
            let (mut whole, mut lengths) = (Vec::new(), Vec::new());
            loop {
                let part = parts.next(2 * LOAF).await.unwrap();
                lengths.push(part.content_length());
                whole.extend(part.iter().flatten().copied());
                if part.content_length() < 2 * LOAF {
                    break;
                }
            }
            assert!(whole == bodies.concat(), "{sizes:?}");
            let (_, full) = lengths.split_last().unwrap();
            assert!(full.iter().all(|length| *length == 2 * LOAF), "{lengths:?}");
        }
    }
}
