//! What is answered of things that have versions.

use super::model::version_tag;
use poem_openapi::{ApiResponse, payload::Json, types::ToJSON};

/// A thing as it is.
#[derive(ApiResponse)]
pub(super) enum Found<T: ToJSON> {
    /// As it is now.
    #[oai(status = 200)]
    Ok(
        Json<T>,
        /// Names this version of it.
        #[oai(header = "ETag")]
        String,
    ),
}

/// A thing that a request made, or an earlier one like it.
#[derive(ApiResponse)]
pub(super) enum Created<T: ToJSON> {
    /// It is there, durably.
    #[oai(status = 201)]
    Created(
        Json<T>,
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
        Json<T>,
        /// Names this version of it.
        #[oai(header = "ETag")]
        String,
        /// Where it is.
        #[oai(header = "Location")]
        String,
    ),
}

impl<T: ToJSON> Found<T> {
    pub(super) fn new(thing: impl Into<T>, version: i64) -> Self {
        Self::Ok(Json(thing.into()), version_tag(version))
    }
}

impl<T: ToJSON> Created<T> {
    /// `created` tells whether it was this request.
    pub(super) fn new(thing: impl Into<T>, version: i64, location: String, created: bool) -> Self {
        let (thing, tag) = (Json(thing.into()), version_tag(version));
        match created {
            true => Self::Created(thing, tag, location),
            false => Self::Repeated(thing, tag, location),
        }
    }
}
