//! Delivery, direct upload and events as a framework-neutral [`Service`](tower_service::Service), to be
//! mounted in any Rust web framework.
//!
//! | route | does | who may |
//! |---|---|---|
//! | `GET` `/media/{signature}/{asset}/…` | delivers originals, renditions and HLS by signed URL | who has the URL, while its session is valid |
//! | `GET` `/assets/{asset}/…` | the same, for a caller | the [`Caller`] |
//! | `POST` `/uploads?name=…` | stores the body as an asset: `?library=` and `?staged=true` are optional | the [`Caller`] |
//! | `GET` `/events` | server-sent events, resumable by `Last-Event-ID` | the [`Caller`] |
//!
//! Paths are taken as they come: mount the service at the root, or strip a prefix and tell
//! [`MediaService::prefix`]. The host says who calls by putting an [`Arc<dyn Caller>`](Caller) into the
//! extensions of the request; a [`Principal`] is one. Without, everything but signed URLs is `401`.

mod body;
mod deliver;
mod events;
mod problem;
mod range;
mod service;
mod upload;

pub use body::MediaBody;
pub use problem::{problem, status};
pub use service::{MediaService, SessionGate};

use crate::{Principal, Result};
use async_trait::async_trait;
use std::sync::Arc;

/// Who calls. Asked once per request, and on an open event stream again before each batch, so that
/// what was revoked ends.
#[async_trait]
pub trait Caller: Send + Sync + 'static {
    /// The principal, while the caller is signed in.
    ///
    /// # Errors
    /// `Unauthenticated` once they are not.
    async fn principal(&self) -> Result<Principal>;
}

#[async_trait]
impl Caller for Principal {
    async fn principal(&self) -> Result<Principal> {
        Ok(self.clone())
    }
}

/// Puts the caller of a request where [`MediaService`] finds it.
pub fn set_caller<B>(request: &mut ::http::Request<B>, caller: Arc<dyn Caller>) {
    request.extensions_mut().insert(caller);
}
