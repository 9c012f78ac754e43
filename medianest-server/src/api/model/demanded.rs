//! Texts and numbers of which more is demanded than their type. Here it is only said, for the OpenAPI
//! document: the engine refuses, with codes of its own. `script/ci/api-fuzz` proves that both agree.

use medianest_core::{PageRequest, auth::Passwords, engine::Media};
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type},
};
use serde_json::Value;
use std::borrow::Cow;

macro_rules! demanded {
    ($($(#[$about:meta])+ $name:ident($inner:ty): $demand:expr;)+) => {$(
        $(#[$about])+
        pub(crate) struct $name(pub(crate) $inner);

        impl Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                <$inner>::name()
            }

            fn schema_ref() -> MetaSchemaRef {
                <$inner>::schema_ref().merge($demand)
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl ParseFromParameter for $name {
            fn parse_from_parameter(text: &str) -> ParseResult<Self> {
                <$inner>::parse_from_parameter(text).map(Self).map_err(ParseError::propagate)
            }
        }

        impl ToJSON for $name {
            fn to_json(&self) -> Option<Value> {
                self.0.to_json()
            }
        }
    )+};
}

demanded! {
    /// A name that is shown: something to see in it, and no control characters.
    #[derive(Debug)]
    Name(String): matching(
        r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
        text(1, 200),
    );
    /// What somebody signs in with.
    #[derive(Debug)]
    Login(String): matching(r"^[^\s\x00-\x1f\x7f-\x9f]+$", text(1, 128));
    /// A new password.
    Password(String): text(*Passwords::LENGTH.start(), *Passwords::LENGTH.end());
    /// Any text.
    #[derive(Debug)]
    Anything(String): MetaSchema::ANY;
    /// A query, or the beginning of a word.
    Words(String): text(0, Media::MAX_QUERY);
    /// Rows of a page at most.
    Limit(u32): number(1, PageRequest::MAX_LIMIT);
    /// Where a page starts.
    PageCursor(String): matching("^[A-Za-z0-9_-]+$", text(1, 512));
    /// Words that are suggested at most.
    Suggestions(u32): number(1, Media::MAX_SUGGESTIONS);
    /// Where the reading of events resumes.
    EventCursor(String): matching("^[0-9]+:[0-9]+$", MetaSchema::ANY);
    /// A part of a rendition.
    PartName(String): matching(r"^[0-9]+\.mp4$", MetaSchema::ANY);
    /// The subject of a principal.
    Subject(String): text(1, 255);
}

macro_rules! texts_in_bodies {
    ($($name:ident),+) => {$(
        /// Strictly: poem-openapi's own `String` takes numbers and truth values, too.
        impl ParseFromJSON for $name {
            fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
                match value.unwrap_or_default() {
                    Value::String(text) => Ok(Self(text)),
                    other => Err(ParseError::expected_type(other)),
                }
            }
        }
    )+};
}

texts_in_bodies!(Anything, Login, Name, Password);

fn text(min: usize, max: usize) -> MetaSchema {
    MetaSchema { min_length: Some(min).filter(|min| *min > 0), max_length: Some(max), ..MetaSchema::ANY }
}

fn matching(pattern: &str, schema: MetaSchema) -> MetaSchema {
    MetaSchema { pattern: Some(pattern.to_owned()), ..schema }
}

fn number(min: u32, max: u32) -> MetaSchema {
    MetaSchema { minimum: Some(min.into()), maximum: Some(max.into()), ..MetaSchema::ANY }
}
