use super::{Conn, Dialect, Row, Sql, Value};
use medianest_core::Result;

/// A statement put together from pieces, as many filters as the caller asked for.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    dialect: Dialect,
    text: String,
    args: Vec<Value>,
}

impl Query {
    pub(crate) fn new(dialect: Dialect, sql: impl Into<Sql>) -> Self {
        let mut query = Self { dialect, text: String::with_capacity(640), args: Vec::with_capacity(8) };
        query.push(sql);
        query
    }

    pub(crate) fn push(&mut self, sql: impl Into<Sql>) -> &mut Self {
        self.text.push_str(sql.into().of(self.dialect));
        self
    }

    /// Appends a placeholder for a value.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.args.push(value.into());
        self.text.push('$');
        self.text.push_str(&self.args.len().to_string());
        self
    }

    /// Appends a limit: as text, as a plan for any number would be one for many rows.
    pub(crate) fn limit(&mut self, rows: impl Into<i64>) -> &mut Self {
        self.text.push_str(" LIMIT ");
        self.text.push_str(&rows.into().to_string());
        self
    }

    /// Appends a number as text: of a name, where nothing can be bound.
    pub(crate) fn number(&mut self, number: i64) -> &mut Self {
        self.text.push_str(&number.to_string());
        self
    }

    /// Appends the condition to be one of a set.
    pub(crate) fn any(&mut self, set: Value) -> &mut Self {
        let (open, close) = match (self.dialect, &set) {
            #[cfg(feature = "sqlite")]
            (Dialect::Sqlite, Value::Ints(_)) => (" IN (SELECT value FROM json_each(", "))"),
            #[cfg(feature = "sqlite")]
            (Dialect::Sqlite, _) => (" IN (SELECT unhex(value) FROM json_each(", "))"),
            #[cfg(feature = "postgres")]
            (Dialect::Postgres, _) => (" = ANY(", ")"),
        };
        self.text.push_str(open);
        self.bind(set);
        self.text.push_str(close);
        self
    }

    /// Appends one row of values for each of `rows`; `template` has a `$` where a value goes.
    pub(crate) fn rows(&mut self, template: impl Into<Sql>, rows: Vec<Vec<Value>>) -> &mut Self {
        let template = template.into().of(self.dialect);
        for (index, row) in rows.into_iter().enumerate() {
            self.text.push_str(if index == 0 { "(" } else { ", (" });
            let mut values = row.into_iter();
            let mut pieces = template.split('$');
            self.text.push_str(pieces.next().unwrap_or_default());
            for (piece, value) in pieces.zip(&mut values) {
                self.bind(value);
                self.text.push_str(piece);
            }
            self.text.push(')');
        }
        self
    }

    pub(crate) async fn all(self, conn: &mut Conn<'_>) -> Result<Vec<Row>> {
        conn.fetch_all(self.text, self.args).await
    }

    pub(crate) async fn one(self, conn: &mut Conn<'_>) -> Result<Option<Row>> {
        conn.fetch_one(self.text, self.args).await
    }

    pub(crate) async fn run(self, conn: &mut Conn<'_>) -> Result<u64> {
        conn.execute(self.text, self.args).await
    }
}

/// Splits rows into groups of few different sizes, so that few texts are prepared.
pub(crate) fn groups<T>(mut rows: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    std::iter::from_fn(move || {
        let size = [64, 16, 4, 1].into_iter().find(|size| *size <= rows.len())?;
        let rest = rows.split_off(size);
        Some(std::mem::replace(&mut rows, rest))
    })
}
