//! What S3 is told and what it answers, when all goes well and when it does not: reliability cases D5
//! and D6 against a real server behind a proxy that fails as it is told.

#![cfg(feature = "s3")]

mod faults;
mod presigned;
mod support;
mod unfinished;
