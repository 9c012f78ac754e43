//! A thin layer that lets one statement text and one command serve both databases.
//!
//! Ids bind as UUIDs, times as microseconds, sets as one value; what truly differs stands in
//! [`dialect`] and is named within the text of [`sql!`].

#[macro_use]
mod dialect;
#[macro_use]
mod text;
#[macro_use]
mod value;
mod conn;
pub(crate) mod error;
mod query;
mod row;

pub(crate) use conn::Conn;
pub(crate) use error::{run_again, unavailable};
pub(crate) use query::{Query, groups};
pub(crate) use row::{Columns, Row};
pub(crate) use text::{Dialect, Sql};
pub(crate) use value::Value;
