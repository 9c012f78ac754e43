use medianest_core::{
    ADMIN, AssetId, AssetState, Cursor, JobId, JobKind, JobState, LibraryId, MediaKind, MemberRole,
    RenditionId, RenditionState, SessionId, Sha256, StoreName, StreamKind, Timestamp, USER, UserId,
    VariantName, catalog::AssetOrder,
};
use poem::http::HeaderValue;
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToHeader, ToJSON, Type},
};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;

/// A word of the core that is a string in JSON: an id, a time, a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text<T>(pub(crate) T);

/// How a word is written.
pub(crate) trait TextValue: Sized + Clone + Send + Sync + 'static {
    /// Its name in messages.
    const NAME: &'static str;

    /// Its schema, inline.
    fn schema() -> MetaSchema;

    /// As text.
    fn write(&self) -> Cow<'static, str>;

    /// From text.
    fn parse(text: &str) -> Option<Self>;
}

impl<T> From<T> for Text<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: TextValue> Type for Text<T> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(T::schema()))
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<T: TextValue> ParseFromJSON for Text<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value.unwrap_or_default() {
            Value::String(text) => Self::parse_from_parameter(&text),
            other => Err(ParseError::expected_type(other)),
        }
    }
}

impl<T: TextValue> ParseFromParameter for Text<T> {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        T::parse(text).map(Self).ok_or_else(|| ParseError::custom(format!("not a {}", T::NAME)))
    }
}

impl<T: TextValue> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.write())
    }
}

impl<T: TextValue> ToJSON for Text<T> {
    fn to_json(&self) -> Option<Value> {
        Some(Value::String(self.0.write().into_owned()))
    }
}

impl<T: TextValue> ToHeader for Text<T> {
    fn to_header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0.write()).ok()
    }
}

macro_rules! ids {
    ($($id:ty: $name:literal),+ $(,)?) => {$(
        impl TextValue for $id {
            const NAME: &'static str = $name;

            fn schema() -> MetaSchema {
                MetaSchema::new_with_format("string", "uuid")
            }

            fn write(&self) -> Cow<'static, str> {
                self.to_string().into()
            }

            fn parse(text: &str) -> Option<Self> {
                // The one form that we write: no braces, no URN, no missing hyphens.
                text.parse().ok().filter(|_| text.len() == 36)
            }
        }
    )+};
}

ids! {
    AssetId: "asset id", JobId: "job id", LibraryId: "library id", RenditionId: "rendition id",
    SessionId: "session id", UserId: "user id",
}

macro_rules! words {
    ($($word:ty: $name:literal),+ $(,)?) => {$(
        impl TextValue for $word {
            const NAME: &'static str = $name;

            fn schema() -> MetaSchema {
                let mut schema = MetaSchema::new("string");
                schema.enum_items = <$word>::ALL.iter().map(|word| word.as_str().into()).collect();
                schema
            }

            fn write(&self) -> Cow<'static, str> {
                self.as_str().into()
            }

            fn parse(text: &str) -> Option<Self> {
                <$word>::parse(text)
            }
        }
    )+};
}

words! {
    AssetState: "state of an asset", JobKind: "kind of job", JobState: "state of a job",
    MediaKind: "kind of media", MemberRole: "role of a member", RenditionState: "state of a rendition",
}

macro_rules! plain {
    ($($value:ty: $name:literal, $schema:expr;)+) => {$(
        impl TextValue for $value {
            const NAME: &'static str = $name;

            fn schema() -> MetaSchema {
                $schema
            }

            fn write(&self) -> Cow<'static, str> {
                self.to_string().into()
            }

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )+};
}

plain! {
    Timestamp: "time as in RFC 3339", MetaSchema::new_with_format("string", "date-time");
    Cursor: "event cursor", matching("^[0-9]+:[0-9]+$");
    StoreName: "name of a store", matching("^[a-z0-9-]{1,40}$");
    Sha256: "SHA-256", matching("^[0-9A-Fa-f]{64}$");
}

fn matching(pattern: &str) -> MetaSchema {
    MetaSchema { pattern: Some(pattern.into()), ..MetaSchema::new("string") }
}

/// The role of a user. Any text is read: it is the engine that refuses what is none, with a code of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserRole(pub(crate) String);

impl TextValue for UserRole {
    const NAME: &'static str = "role of a user";

    fn schema() -> MetaSchema {
        MetaSchema { enum_items: vec![ADMIN.into(), USER.into()], ..MetaSchema::new("string") }
    }

    fn write(&self) -> Cow<'static, str> {
        self.0.clone().into()
    }

    fn parse(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }
}

impl TextValue for VariantName {
    const NAME: &'static str = "name of a variant";

    fn schema() -> MetaSchema {
        matching("^[a-z0-9][a-z0-9_-]{0,31}$")
    }

    fn write(&self) -> Cow<'static, str> {
        self.as_str().to_owned().into()
    }

    fn parse(text: &str) -> Option<Self> {
        Self::new(text).ok()
    }
}

const STREAM_KINDS: [(StreamKind, &str); 4] = [
    (StreamKind::Video, "video"),
    (StreamKind::Audio, "audio"),
    (StreamKind::Subtitle, "subtitle"),
    (StreamKind::Other, "other"),
];

const ORDERS: [(AssetOrder, &str); 4] = [
    (AssetOrder::TakenNewest, "-taken_at"),
    (AssetOrder::TakenOldest, "taken_at"),
    (AssetOrder::AddedNewest, "-created_at"),
    (AssetOrder::AddedOldest, "created_at"),
];

macro_rules! tables {
    ($($word:ty: $name:literal, $table:ident, $default:literal;)+) => {$(
        impl TextValue for $word {
            const NAME: &'static str = $name;

            fn schema() -> MetaSchema {
                let mut schema = MetaSchema::new("string");
                schema.enum_items = $table.iter().map(|(_, word)| (*word).into()).collect();
                schema
            }

            fn write(&self) -> Cow<'static, str> {
                $table.iter().find(|(value, _)| value == self).map_or($default, |(_, word)| word).into()
            }

            fn parse(text: &str) -> Option<Self> {
                $table.iter().find(|(_, word)| *word == text).map(|(value, _)| *value)
            }
        }
    )+};
}

tables! {
    StreamKind: "kind of stream", STREAM_KINDS, "other";
    AssetOrder: "order of assets", ORDERS, "-taken_at";
}
