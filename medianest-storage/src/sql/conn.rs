use super::{Dialect, Row, Sql, Value, error::from_sqlx, value};
use medianest_core::Result;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use std::time::Duration;

/// A connection of either database, within a transaction or not.
pub(crate) enum Conn<'c> {
    #[cfg(feature = "sqlite")]
    Sqlite(&'c mut sqlx::SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(&'c mut sqlx::PgConnection),
}

impl Conn<'_> {
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Dialect::Sqlite,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// All rows of a statement.
    pub(crate) async fn all(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Vec<Row>> {
        let text = sql.into().of(self.dialect()).into_sql_str();
        self.rows(text, args).await
    }

    /// The only row of a statement, if it has any.
    pub(crate) async fn one(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<Option<Row>> {
        let text = sql.into().of(self.dialect()).into_sql_str();
        self.row(text, args).await
    }

    /// Runs a statement; how many rows it touched.
    pub(crate) async fn run(&mut self, sql: impl Into<Sql>, args: Vec<Value>) -> Result<u64> {
        let text = sql.into().of(self.dialect()).into_sql_str();
        self.touch(text, args).await
    }

    pub(super) async fn fetch_all(&mut self, text: String, args: Vec<Value>) -> Result<Vec<Row>> {
        self.rows(AssertSqlSafe(text).into_sql_str(), args).await
    }

    pub(super) async fn fetch_one(&mut self, text: String, args: Vec<Value>) -> Result<Option<Row>> {
        self.row(AssertSqlSafe(text).into_sql_str(), args).await
    }

    pub(super) async fn execute(&mut self, text: String, args: Vec<Value>) -> Result<u64> {
        self.touch(AssertSqlSafe(text).into_sql_str(), args).await
    }

    /// Runs several statements without values: a migration.
    pub(crate) async fn script(&mut self, script: &'static str) -> Result<()> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(conn) => sqlx::raw_sql(script).execute(&mut **conn).await.map(drop),
            #[cfg(feature = "postgres")]
            Self::Postgres(conn) => sqlx::raw_sql(script).execute(&mut **conn).await.map(drop),
        }
        .map_err(from_sqlx)
    }

    /// Begins a transaction, for what runs [alone](crate::catalog::Backend::alone). In SQLite that is one.
    pub(crate) async fn begin(&mut self) -> Result<()> {
        self.transaction("BEGIN").await
    }

    /// Commits what [`begin`](Self::begin) began.
    pub(crate) async fn commit(&mut self) -> Result<()> {
        self.transaction("COMMIT").await
    }

    /// Undoes all since [`begin`](Self::begin); in SQLite that is left to the error that is the cause.
    pub(crate) async fn rollback(&mut self) -> Result<()> {
        self.transaction("ROLLBACK").await
    }

    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "SQLite has begun already"))]
    async fn transaction(&mut self, statement: &'static str) -> Result<()> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => self.script(statement).await,
        }
    }

    /// How long a lock may take within this transaction.
    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "SQLite has one writer"))]
    pub(crate) async fn patience(&mut self, limit: Duration) -> Result<()> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => {
                let limit = format!("{}ms", limit.as_millis());
                self.one("SELECT set_config('lock_timeout', $1, TRUE)", args![limit]).await.map(drop)
            }
        }
    }

    /// Waits until no other transaction has the lock of this name; it is given back with the
    /// transaction. In SQLite there is one writer anyway.
    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "SQLite needs no lock"))]
    pub(crate) async fn lock(&mut self, name: &str) -> Result<()> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => self
                .one("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", args![lock_name(name)])
                .await
                .map(drop),
        }
    }

    /// Takes the lock of this name unless another transaction has it.
    #[cfg_attr(not(feature = "postgres"), expect(unused_variables, reason = "SQLite needs no lock"))]
    pub(crate) async fn try_lock(&mut self, name: &str) -> Result<bool> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Ok(true),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => {
                let taken = self
                    .one("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", args![lock_name(name)]);
                taken.await?.map_or(Ok(false), |row| row.value())
            }
        }
    }

    /// As [`try_lock`](Self::try_lock), until the connection ends.
    #[cfg(feature = "postgres")]
    pub(crate) async fn try_lock_session(&mut self, name: &str) -> Result<bool> {
        let taken = self.one("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", args![lock_name(name)]);
        taken.await?.map_or(Ok(false), |row| row.value())
    }

    async fn rows(&mut self, text: SqlStr, args: Vec<Value>) -> Result<Vec<Row>> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(conn) => {
                let args = value::sqlite_arguments(args).map_err(sqlx::Error::Encode).map_err(from_sqlx)?;
                let rows = sqlx::query_with(text, args).fetch_all(&mut **conn).await.map_err(from_sqlx)?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(conn) => {
                let args = value::postgres_arguments(args).map_err(sqlx::Error::Encode).map_err(from_sqlx)?;
                let rows = sqlx::query_with(text, args).fetch_all(&mut **conn).await.map_err(from_sqlx)?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    async fn row(&mut self, text: SqlStr, args: Vec<Value>) -> Result<Option<Row>> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(conn) => {
                let args = value::sqlite_arguments(args).map_err(sqlx::Error::Encode).map_err(from_sqlx)?;
                let row = sqlx::query_with(text, args).fetch_optional(&mut **conn).await;
                Ok(row.map_err(from_sqlx)?.map(Row::Sqlite))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(conn) => {
                let args = value::postgres_arguments(args).map_err(sqlx::Error::Encode).map_err(from_sqlx)?;
                let row = sqlx::query_with(text, args).fetch_optional(&mut **conn).await;
                Ok(row.map_err(from_sqlx)?.map(Row::Postgres))
            }
        }
    }

    async fn touch(&mut self, text: SqlStr, args: Vec<Value>) -> Result<u64> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(conn) => {
                let args = value::sqlite_arguments(args).map_err(sqlx::Error::Encode).map_err(from_sqlx)?;
                let done = sqlx::query_with(text, args).execute(&mut **conn).await;
                Ok(done.map_err(from_sqlx)?.rows_affected())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(conn) => {
                let args = value::postgres_arguments(args).map_err(sqlx::Error::Encode).map_err(from_sqlx)?;
                let done = sqlx::query_with(text, args).execute(&mut **conn).await;
                Ok(done.map_err(from_sqlx)?.rows_affected())
            }
        }
    }
}

#[cfg(feature = "postgres")]
fn lock_name(name: &str) -> String {
    format!("medianest_{name}")
}
