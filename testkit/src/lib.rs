//! What our tests share: [a private PostgreSQL server](postgres) and [the media corpus](corpus).
//!
//! A missing peer or corpus is a panic that says what to do: a test is never skipped.

pub mod corpus;
pub mod postgres;
