//! What is not the API: health, metrics, documentation, keys, and the page.

mod docs;
mod health;
mod page;

pub(crate) use docs::Docs;
pub(crate) use health::{live, metrics, ready};
pub(crate) use page::Page;
