//! What our tests share: private servers of [PostgreSQL](postgres), [Redis](redis) and [S3](s3) and
//! [a proxy that fails as it is told](faults) (feature `s3`), [a load balancer](balancer) (feature `balancer`),
//! [an authority](authority) and [a front](front) that speaks TLS (feature `s3`), other [programs](watched) that go with
//! their test, [the media corpus](corpus), what is
//! [true](truth) of its files and how [alike](picture) pictures are (feature `pictures`).
//!
//! A missing peer or corpus is a panic that says what to do: a test is never skipped.

pub mod authority;
#[cfg(feature = "balancer")]
pub mod balancer;
pub mod corpus;
#[cfg(feature = "s3")]
pub mod faults;
#[cfg(feature = "s3")]
pub mod front;
#[cfg(feature = "pictures")]
pub mod picture;
pub mod postgres;
pub mod redis;
#[cfg(feature = "s3")]
pub mod s3;
pub mod truth;
pub mod watched;
