//! What is answered of things that have versions.

use super::{model::version_tag, written::Written};
use poem_openapi::{ApiResponse, types::Type};
use serde::Serialize;

/// A thing as it is.
#[derive(ApiResponse)]
pub(super) enum Found<T: Type + Serialize> {
    /// As it is now.
    #[oai(status = 200)]
    Ok(
        Written<T>,
        /// Names this version of it.
        #[oai(header = "ETag")]
        String,
    ),
}

/// A thing that a request made, or an earlier one like it.
#[derive(ApiResponse)]
pub(super) enum Created<T: Type + Serialize> {
    /// It is there, durably.
    #[oai(status = 201)]
    Created(
        Written<T>,
        /// Names this version of it.
        #[oai(header = "ETag")]
        String,
        /// Where it is.
        #[oai(header = "Location")]
        String,
    ),
    /// An earlier request with the same idempotency key made it.
    #[oai(status = 200)]
    Repeated(
        Written<T>,
        /// Names this version of it.
        #[oai(header = "ETag")]
        String,
        /// Where it is.
        #[oai(header = "Location")]
        String,
    ),
}

impl<T: Type + Serialize> Found<T> {
    pub(super) fn new(thing: impl Into<T>, version: i64) -> Self {
        Self::Ok(Written(thing.into()), version_tag(version))
    }
}

impl<T: Type + Serialize> Created<T> {
    /// `created` tells whether it was this request.
    pub(super) fn new(thing: impl Into<T>, version: i64, location: String, created: bool) -> Self {
        let (thing, tag) = (Written(thing.into()), version_tag(version));
        match created {
            true => Self::Created(thing, tag, location),
            false => Self::Repeated(thing, tag, location),
        }
    }
}
