//! The JSON of the contract. Each type mirrors one of the core, so that the contract changes only on purpose.

mod asset;
mod audit;
mod demanded;
mod direct;
mod facts;
mod library;
mod people;
mod recipe;
mod rendition;
mod text;
mod work;

pub(crate) use asset::*;
pub(crate) use audit::*;
pub(crate) use demanded::*;
pub(crate) use direct::*;
pub(crate) use facts::*;
pub(crate) use library::*;
pub(crate) use people::*;
pub(crate) use recipe::*;
pub(crate) use rendition::*;
pub(crate) use text::*;
pub(crate) use work::*;

use poem_openapi::{
    Object,
    types::{ParseFromJSON, ToJSON, Type},
};
use serde::Serialize;

/// One page of a list. There is no total.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Page")]
pub(crate) struct PageBody<T: Type + ParseFromJSON + ToJSON + Send + Sync> {
    /// The rows, in the order of the list.
    pub(crate) items: Vec<T>,
    /// Where the next page starts, as the parameter `cursor`; absent on the last page.
    #[oai(skip_serializing_if_is_none)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}

impl<T: Type + ParseFromJSON + ToJSON + Send + Sync> PageBody<T> {
    /// A page of the core, each row converted.
    pub(crate) fn of<U: Into<T>>(page: medianest_core::Page<U>) -> Self {
        let page = page.map(Into::into);
        Self { items: page.items, next_cursor: page.next_cursor }
    }
}

/// An entity tag for a version, as in `If-Match`.
pub(crate) fn version_tag(version: i64) -> String {
    format!("\"{version}\"")
}
