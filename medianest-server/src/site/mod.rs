//! What is not the API: health, metrics, documentation, keys, and the page.

mod docs;
mod fixed;
mod health;
mod page;

pub(crate) use docs::docs;
pub(crate) use fixed::{Fixed, Source};
#[cfg(feature = "standalone")]
pub(crate) use health::open_metrics;
pub(crate) use health::{live, metrics, ready};
pub(crate) use page::Page;
