//! Pages and the opaque cursors that lead from one to the next.

use crate::Error;
use serde::{Deserialize, Serialize};

/// One page of a list. There is no total: it would cost more than the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows, in the order of the list.
    pub items: Vec<T>,
    /// Where the next page starts; None on the last one.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The same page with each row converted.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(convert).collect(), next_cursor: self.next_cursor }
    }
}

/// Which page to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    limit: u32,
    cursor: Option<String>,
}

impl PageRequest {
    /// Rows of a page when the caller does not say.
    pub const DEFAULT_LIMIT: u32 = 50;
    /// Rows of a page at most.
    pub const MAX_LIMIT: u32 = 200;

    /// A page of `limit` rows from `cursor` on, or from the start.
    ///
    /// # Errors
    /// `invalid_limit` when the limit is 0 or above [`MAX_LIMIT`](Self::MAX_LIMIT); `invalid_cursor`
    /// when the cursor is longer than any we give out, or not of letters, digits, `-` and `_`.
    pub fn new(limit: Option<u32>, cursor: Option<String>) -> crate::Result<Self> {
        let limit = limit.unwrap_or(Self::DEFAULT_LIMIT);
        if limit == 0 || limit > Self::MAX_LIMIT {
            return Err(Error::invalid("invalid_limit", format!("limit must be 1 to {}", Self::MAX_LIMIT)));
        }
        let ours = |cursor: &String| {
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=512).contains(&cursor.len()) && cursor.bytes().all(letter)
        };
        if !cursor.as_ref().is_none_or(ours) {
            return Err(Self::invalid_cursor());
        }
        Ok(Self { limit, cursor })
    }

    /// The first page of the default size.
    pub fn first() -> Self {
        Self { limit: Self::DEFAULT_LIMIT, cursor: None }
    }

    /// Rows of the page at most.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Where the page starts, as a previous page said.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The error for a cursor that we did not give out.
    pub fn invalid_cursor() -> Error {
        Error::invalid(
            "invalid_cursor",
            "this cursor is not one that a previous page gave; start again without",
        )
    }
}
