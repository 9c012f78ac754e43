//! What our tests share: [a private PostgreSQL server](postgres), [the media corpus](corpus), what is
//! [true](truth) of its files and how [alike](picture) pictures are (feature `pictures`).
//!
//! A missing peer or corpus is a panic that says what to do: a test is never skipped.

pub mod corpus;
#[cfg(feature = "pictures")]
pub mod picture;
pub mod postgres;
pub mod truth;
