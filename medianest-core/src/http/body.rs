use crate::{ByteStream, Error};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body::{Body, Frame, SizeHint};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// The body of a response: bytes as they come, of a known size or not.
pub struct MediaBody {
    chunks: ByteStream,
    left: Option<u64>,
}

impl MediaBody {
    /// Bytes as they come; `size` when it is known.
    pub fn stream(chunks: ByteStream, size: Option<u64>) -> Self {
        Self { chunks, left: size }
    }

    /// Bytes in memory.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let size = bytes.len() as u64;
        Self { chunks: stream::iter((size > 0).then_some(Ok(bytes))).boxed(), left: Some(size) }
    }

    /// No bytes.
    pub fn empty() -> Self {
        Self::full(Bytes::new())
    }

    /// The bytes, for frameworks with a body of their own.
    pub fn into_stream(self) -> ByteStream {
        self.chunks
    }
}

impl fmt::Debug for MediaBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaBody").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Body for MediaBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = self.chunks.poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(chunk))) = &polled
            && let Some(left) = &mut self.left
        {
            *left = left.saturating_sub(chunk.len() as u64);
        }
        polled.map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }
}
