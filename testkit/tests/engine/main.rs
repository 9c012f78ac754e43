//! The engine end to end, on a real catalog in memory and a processor that is easy to predict.

mod cache;
mod delivery;
mod direct;
mod events;
mod lifecycle;
mod processing;
mod recipes;
mod redirects;
mod rights;
mod stores;
mod support;
mod twice;
mod work;
