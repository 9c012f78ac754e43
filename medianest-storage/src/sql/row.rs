use medianest_core::{
    AssetId, AuditId, BlobId, BlobKey, EventId, Failure, IntentId, JobId, LibraryId, RenditionId, Result,
    SessionId, Sha256, StoreName, TenantId, Timestamp, UserId,
};
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use uuid::Uuid;

macro_rules! read_native {
    ($row:expr, $index:expr, $type:ty) => {
        // What the statement says is what is there: SQLite knows no types of expressions, and for PostgreSQL
        // to compare them for each value of each row takes as long as to read it.
        match $row {
            #[cfg(feature = "sqlite")]
            Row::Sqlite(row) => row.try_get_unchecked::<Option<$type>, _>($index),
            #[cfg(feature = "postgres")]
            Row::Postgres(row) => row.try_get_unchecked::<Option<$type>, _>($index),
        }
        .map_err(super::error::from_sqlx)
    };
}

/// A row of either database.
pub(crate) enum Row {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::sqlite::SqliteRow),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgRow),
}

impl Row {
    /// Reads the columns from the first to the last.
    pub(crate) fn columns(&self) -> Columns<'_> {
        Columns { row: self, next: 0 }
    }

    /// The first column.
    pub(crate) fn value<T: Column>(&self) -> Result<T> {
        self.columns().get()
    }
}

/// The columns of a row, one after the other.
pub(crate) struct Columns<'r> {
    row: &'r Row,
    next: usize,
}

impl<'r> Columns<'r> {
    /// The next column, which is never null.
    pub(crate) fn get<T: Column>(&mut self) -> Result<T> {
        let index = self.next;
        self.maybe()?.ok_or_else(|| null(index))
    }

    /// The next column, which may be null.
    pub(crate) fn maybe<T: Column>(&mut self) -> Result<Option<T>> {
        let index = self.next;
        self.next += 1;
        T::read(self.row, index)
    }

    /// The next column, a word that `parse` knows.
    pub(crate) fn word<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let index = self.next;
        self.maybe_word(parse)?.ok_or_else(|| null(index))
    }

    /// The next column, null or a word that `parse` knows.
    pub(crate) fn maybe_word<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
        self.text()?.map(|word| parse(word).ok_or_else(|| unknown(word))).transpose()
    }

    /// The next column, as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Result<T> {
        let index = self.next;
        self.maybe_json()?.ok_or_else(|| null(index))
    }

    /// The next column, null or JSON.
    pub(crate) fn maybe_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        self.text()?.map(from_json).transpose()
    }

    /// The next column as it lies in the row.
    fn text(&mut self) -> Result<Option<&'r str>> {
        let index = self.next;
        self.next += 1;
        read_native!(self.row, index, &'r str)
    }

    /// The next two columns: code and message.
    pub(crate) fn failure(&mut self) -> Result<Option<Failure>> {
        let (code, message): (Option<String>, Option<String>) = (self.maybe()?, self.maybe()?);
        Ok(code.map(|code| Failure::new(code, message.unwrap_or_default())))
    }
}

fn null(index: usize) -> medianest_core::Error {
    medianest_core::Error::internal("a column is null that must not be").with("column", index)
}

fn unknown(word: &str) -> medianest_core::Error {
    medianest_core::Error::internal("a row holds a word that this version does not know").with("word", word)
}

fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| {
        medianest_core::Error::internal("a row holds JSON that this version cannot read").caused_by(source)
    })
}

/// What can be read from a column.
pub(crate) trait Column: Sized {
    fn read(row: &Row, index: usize) -> Result<Option<Self>>;
}

macro_rules! native {
    ($($type:ty),+) => {$(
        impl Column for $type {
            fn read(row: &Row, index: usize) -> Result<Option<Self>> {
                read_native!(row, index, $type)
            }
        }
    )+};
}

native!(i64, f64, bool, String, Uuid, Vec<u8>);

macro_rules! columns {
    ($($type:ty: $native:ty => $convert:expr;)+) => {$(
        impl Column for $type {
            fn read(row: &Row, index: usize) -> Result<Option<Self>> {
                let Some(value) = <$native>::read(row, index)? else { return Ok(None) };
                let convert: fn($native) -> Option<$type> = $convert;
                convert(value).map(Some).ok_or_else(|| {
                    medianest_core::Error::internal("a column is out of range").with("column", index)
                })
            }
        }
    )+};
}

columns! {
    i16: i64 => |value| value.try_into().ok();
    u32: i64 => |value| value.try_into().ok();
    u64: i64 => |value| value.try_into().ok();
    Timestamp: i64 => |value| Some(Timestamp::from_micros(value));
    BlobKey: String => |value| BlobKey::new(value).ok();
    StoreName: String => |value| StoreName::new(value).ok();
    Sha256: Vec<u8> => |value| value.try_into().ok().map(Sha256);
    AssetId: Uuid => |value| Some(value.into());
    AuditId: Uuid => |value| Some(value.into());
    BlobId: Uuid => |value| Some(value.into());
    EventId: Uuid => |value| Some(value.into());
    IntentId: Uuid => |value| Some(value.into());
    JobId: Uuid => |value| Some(value.into());
    LibraryId: Uuid => |value| Some(value.into());
    RenditionId: Uuid => |value| Some(value.into());
    SessionId: Uuid => |value| Some(value.into());
    TenantId: Uuid => |value| Some(value.into());
    UserId: Uuid => |value| Some(value.into());
}
