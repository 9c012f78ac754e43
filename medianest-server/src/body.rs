//! The bytes of a request on their way in: never more than a chunk in memory, and not for ever.

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use medianest_core::{ByteStream, Error, ErrorKind};
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;

/// Whoever sends slower than this, in each window of the timeout, is given up: it holds a connection
/// and an open file for nothing.
const SLOWEST: u64 = 4096;

/// The bytes of a body. Ends with an error when the client goes away, or sends hardly anything for
/// `timeout`.
pub(crate) fn bytes(body: poem::Body, timeout: Duration) -> ByteStream {
    let chunks = body.into_bytes_stream().boxed();
    stream::try_unfold((chunks, Instant::now(), 0_u64), move |(mut chunks, began, received)| async move {
        let chunk = tokio::time::timeout_at(began + timeout, chunks.next()).await;
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(_) if received >= SLOWEST => {
                // A new window: whatever came in the last one was enough.
                tokio::time::timeout(timeout, chunks.next()).await.map_err(|_| stalled())?
            }
            Err(_) => return Err(stalled()),
        };
        let Some(chunk) = chunk else { return Ok(None) };
        let chunk = chunk.map_err(|source| {
            Error::invalid("upload_interrupted", "the body ended before its last byte").caused_by(source)
        })?;
        let received = received + chunk.len() as u64;
        let next = match began.elapsed() > timeout / 2 && received >= SLOWEST {
            true => (chunks, Instant::now(), 0),
            false => (chunks, began, received),
        };
        Ok(Some((chunk, next)))
    })
    .boxed()
}

fn stalled() -> Error {
    Error::new(ErrorKind::TimedOut, "request_timeout", "the body came too slowly")
}

/// Hands out one chunk each time it is polled: a reader that takes all there is before it looks at any
/// of it would otherwise collect a whole upload in memory.
pub(crate) struct OneAtATime<S> {
    inner: S,
    given: bool,
}

impl<S> OneAtATime<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, given: false }
    }
}

impl<S: Stream<Item = Result<Bytes, Error>> + Unpin> Stream for OneAtATime<S> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.given) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = self.inner.poll_next_unpin(cx);
        self.given = matches!(polled, Poll::Ready(Some(_)));
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;

    fn body(chunks: Vec<(u64, usize)>) -> poem::Body {
        poem::Body::from_bytes_stream(stream::iter(chunks).then(|(wait, size)| async move {
            tokio::time::sleep(Duration::from_secs(wait)).await;
            Ok::<_, std::io::Error>(Bytes::from(vec![0; size]))
        }))
    }

    async fn read(chunks: Vec<(u64, usize)>) -> Result<usize, Error> {
        let read: Vec<Bytes> = bytes(body(chunks), Duration::from_secs(30)).try_collect().await?;
        Ok(read.iter().map(Bytes::len).sum())
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_nothing_or_hardly_anything_is_given_up() {
        assert_eq!(read(vec![(0, 10), (20, 10)]).await.unwrap(), 20);
        assert_eq!(read(vec![(0, 10), (31, 10)]).await.unwrap_err().code(), "request_timeout");
        // One byte a second.
        assert_eq!(read(vec![(1, 1); 100]).await.unwrap_err().code(), "request_timeout");
        // Slow but steady.
        assert_eq!(read(vec![(10, 10_000); 100]).await.unwrap(), 1_000_000);
    }

    #[tokio::test]
    async fn readers_get_one_chunk_per_poll() {
        let chunks = stream::iter((0..3).map(|_| Ok(Bytes::from_static(b"x"))));
        let mut paced = OneAtATime::new(chunks);
        let polled = std::future::poll_fn(|cx| {
            let mut given = 0;
            while let Poll::Ready(Some(_)) = paced.poll_next_unpin(cx) {
                given += 1;
            }
            Poll::Ready(given)
        });
        assert_eq!(polled.await, 1);
        assert_eq!(paced.count().await, 2);
    }
}
