//! Redis by itself, behind a Sentinel and as a Cluster, against real servers.
#![cfg(feature = "redis")]

mod bus;
mod cache;
mod connection;
#[cfg(feature = "sqlite")]
mod dispatcher;
mod limits;
mod sessions;
mod support;
