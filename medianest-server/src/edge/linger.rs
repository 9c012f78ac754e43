//! A client that is refused while it still sends would be cut off, and never see the answer: so what it
//! sends is read for a while longer.

use bytes::Bytes;
use futures::{StreamExt, stream, stream::BoxStream};
use http::header;
use poem::{Body, Request};
use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Bytes that are read for nothing.
pub(super) const DISCARDED: usize = 8 << 20;
/// For how long.
const PATIENCE: Duration = Duration::from_secs(1);

type Chunks = BoxStream<'static, std::io::Result<Bytes>>;

/// What a handler leaves of a body.
pub(super) struct Rest(Arc<Mutex<Chunks>>);

impl Rest {
    /// Of this request, if it may have a body that is on its way already.
    pub(super) fn of(request: &mut Request) -> Option<Self> {
        if request.method().is_safe() || request.headers().contains_key(header::EXPECT) {
            return None;
        }
        let rest = Self(Arc::new(Mutex::new(request.take_body().into_bytes_stream().boxed())));
        let given = Self(Arc::clone(&rest.0));
        request.set_body(Body::from_bytes_stream(stream::poll_fn(move |cx| given.poll(cx))));
        Some(rest)
    }

    fn poll(&self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<std::io::Result<Bytes>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(cx)
    }

    /// Reads it, within bounds.
    pub(super) async fn discard(self) {
        let mut left = DISCARDED;
        let read = async {
            while let Some(Ok(chunk)) = poll_fn(|cx| self.poll(cx)).await {
                match left.checked_sub(chunk.len()) {
                    Some(rest) => left = rest,
                    None => return,
                }
            }
        };
        // Who is slower than that has seen nothing of the answer yet, and will not.
        let _ = tokio::time::timeout(PATIENCE, read).await;
    }
}
