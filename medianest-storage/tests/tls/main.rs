//! D11: certificates of PostgreSQL, Redis and S3 that expire, are renewed, or are issued by somebody else. What
//! is not trusted is not spoken with, the error says so, and what is put right counts without a restart.
#![cfg(all(feature = "postgres", feature = "redis", feature = "s3"))]

mod postgres;
mod redis;
mod s3;
mod support;
