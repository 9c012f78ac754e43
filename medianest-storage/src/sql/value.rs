use medianest_core::{
    AssetId, AuditId, BlobId, BlobKey, EventId, IntentId, JobId, LibraryId, RenditionId, SessionId, Sha256,
    StoreName, TenantId, Timestamp, UserId,
};
use sqlx::Arguments as _;
use std::time::Duration;
use uuid::Uuid;

/// Something bound to a statement. Typed also when it is null: PostgreSQL wants to know.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Int(Option<i64>),
    Bool(bool),
    Float(f64),
    Text(Option<String>),
    Bytes(Vec<u8>),
    Uuid(Option<Uuid>),
    /// A set, for [`(any "$1")`](crate::sql!).
    Uuids(Vec<Uuid>),
    /// A set, for [`Query::any`](super::Query::any).
    Ints(Vec<i64>),
}

#[cfg(feature = "sqlite")]
pub(crate) fn sqlite_arguments(
    values: Vec<Value>,
) -> Result<sqlx::sqlite::SqliteArguments, sqlx::error::BoxDynError> {
    let mut arguments = sqlx::sqlite::SqliteArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        match value {
            Value::Int(value) => arguments.add(value)?,
            Value::Bool(value) => arguments.add(value)?,
            Value::Float(value) => arguments.add(value)?,
            Value::Text(value) => arguments.add(value)?,
            Value::Bytes(value) => arguments.add(value)?,
            Value::Uuid(value) => arguments.add(value)?,
            Value::Uuids(values) => {
                let mut json = String::with_capacity(values.len() * 35 + 2);
                for value in values {
                    json.push_str(if json.is_empty() { "[\"" } else { ",\"" });
                    json.push_str(value.simple().encode_lower(&mut Uuid::encode_buffer()));
                    json.push('"');
                }
                json.push_str(if json.is_empty() { "[]" } else { "]" });
                arguments.add(json)?;
            }
            Value::Ints(values) => arguments.add(serde_json::Value::from(values).to_string())?,
        }
    }
    Ok(arguments)
}

#[cfg(feature = "postgres")]
pub(crate) fn postgres_arguments(
    values: Vec<Value>,
) -> Result<sqlx::postgres::PgArguments, sqlx::error::BoxDynError> {
    let mut arguments = sqlx::postgres::PgArguments::default();
    arguments.reserve(values.len(), values.len() * 16);
    for value in values {
        match value {
            Value::Int(value) => arguments.add(value)?,
            Value::Bool(value) => arguments.add(value)?,
            Value::Float(value) => arguments.add(value)?,
            Value::Text(value) => arguments.add(value)?,
            Value::Bytes(value) => arguments.add(value)?,
            Value::Uuid(value) => arguments.add(value)?,
            Value::Uuids(values) => arguments.add(values)?,
            Value::Ints(values) => arguments.add(values)?,
        }
    }
    Ok(arguments)
}

/// The values of a statement, in the order of `$1`, `$2`, …
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::sql::Value::from($value)),*]
    };
}

/// No database stores NUL in text: it is replaced, so that text from outside is never an error.
fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

macro_rules! values {
    ($($type:ty => |$value:ident| $convert:expr;)+) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $convert
            }
        }
    )+};
}

values! {
    i64 => |value| Self::Int(Some(value));
    Option<i64> => |value| Self::Int(value);
    i32 => |value| Self::Int(Some(value.into()));
    i16 => |value| Self::Int(Some(value.into()));
    u32 => |value| Self::Int(Some(value.into()));
    u64 => |value| Self::Int(Some(i64::try_from(value).unwrap_or(i64::MAX)));
    bool => |value| Self::Bool(value);
    f32 => |value| Self::Float(value.into());
    String => |value| Self::Text(Some(storable(value)));
    Option<String> => |value| Self::Text(value.map(storable));
    &String => |value| value.as_str().into();
    &str => |value| value.to_owned().into();
    Option<&str> => |value| value.map(ToOwned::to_owned).into();
    &Option<String> => |value| value.clone().into();
    Vec<u8> => |value| Self::Bytes(value);
    &[u8; 32] => |value| Self::Bytes(value.to_vec());
    &Sha256 => |value| (&value.0).into();
    &BlobKey => |value| value.as_str().into();
    &StoreName => |value| value.as_str().into();
    Timestamp => |value| value.as_micros().into();
    Option<Timestamp> => |value| value.map(Timestamp::as_micros).into();
    Duration => |value| i64::try_from(value.as_micros()).unwrap_or(MAX_DURATION).min(MAX_DURATION).into();
    Uuid => |value| Self::Uuid(Some(value));
    Option<Uuid> => |value| Self::Uuid(value);
    Vec<Uuid> => |value| Self::Uuids(value);
    Vec<i64> => |value| Self::Ints(value);
}

/// A hundred thousand years: added to any clock it does not overflow.
const MAX_DURATION: i64 = 100_000 * 366 * 86_400 * 1_000_000;

macro_rules! ids {
    ($($id:ty),+) => {$(
        impl From<$id> for Value {
            fn from(id: $id) -> Self {
                Self::Uuid(Some(id.as_uuid()))
            }
        }
        impl From<Option<$id>> for Value {
            fn from(id: Option<$id>) -> Self {
                Self::Uuid(id.map(Uuid::from))
            }
        }
        impl FromIterator<$id> for Value {
            fn from_iter<I: IntoIterator<Item = $id>>(ids: I) -> Self {
                Self::Uuids(ids.into_iter().map(Uuid::from).collect())
            }
        }
    )+};
}

ids!(AssetId, AuditId, BlobId, EventId, IntentId, JobId, LibraryId, RenditionId, SessionId, TenantId, UserId);
