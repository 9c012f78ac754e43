//! Redis 7 or newer, by itself, behind Sentinels or as a Cluster: what is shared for a short while, and
//! may be lost at any moment.

mod address;
mod bus;
mod cache;
mod connection;
mod dispatcher;
mod error;
mod limits;
mod link;
mod script;
mod server;
mod sessions;

pub use bus::RedisBus;
pub use cache::RedisCache;
pub use connection::{Redis, RedisOptions};
pub use dispatcher::RedisDispatcher;
pub use limits::RedisLimits;
pub use server::RedisServer;
pub use sessions::RedisSessions;
