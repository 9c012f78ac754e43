//! The data that benchmarks and load scripts run on: a library of made-up assets with real-looking
//! names, the same as the one that the Node peer is filled with.

mod fill;
mod sink;
mod words;

pub use fill::{Filled, fill};
pub use sink::Rendered;
pub use words::Words;
