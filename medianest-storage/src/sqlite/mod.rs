//! SQLite: one writer that commits in groups, a few readers beside it.

mod readers;
mod writer;

use crate::{
    catalog::{Backend, Command, SqlCatalog},
    sql::{Conn, error::from_sqlx, unavailable},
};
use async_trait::async_trait;
use medianest_core::{Error, Principal, Result, TenantId};
use readers::Readers;
use sqlx::{
    ConnectOptions, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::{path::Path, time::Duration};
use writer::Writer;

/// A catalog in an SQLite file, or in memory.
///
/// Commits are durable (`WAL`, `synchronous=FULL`), and commands that wait at the same time are committed
/// together, each as a whole or not at all. A file is meant for one process; another that gets in between
/// waits for up to five seconds.
pub type SqliteCatalog = SqlCatalog<Sqlite>;

/// How commands reach an SQLite database; see [`SqliteCatalog`].
#[derive(Clone, Debug)]
pub struct Sqlite {
    writer: Writer,
    /// None in memory: what another connection opens there is another database.
    readers: Option<Readers>,
}

impl SqlCatalog<Sqlite> {
    /// Opens a file, which is made when it is not there, with its folder. Migrates nothing: see
    /// [`Catalog::migrate`](medianest_core::catalog::Catalog::migrate).
    ///
    /// To be called within a tokio runtime, which runs the writer from then on.
    ///
    /// # Errors
    /// `Unavailable` when the file cannot be opened.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(|source| {
                Error::unavailable("database_unavailable", "cannot make the folder of the database")
                    .with("folder", folder.display())
                    .caused_by(source)
            })?;
        }
        let options = options().filename(path).journal_mode(SqliteJournalMode::Wal);
        let writer = connect(&options.clone().create_if_missing(true)).await?;
        let readers = Readers::new(options.pragma("query_only", "ON"));
        Ok(Self::over(Sqlite { writer: Writer::start(writer), readers: Some(readers) }))
    }

    /// An empty database in memory, gone with the catalog.
    ///
    /// # Errors
    /// `Unavailable` when there is no memory or thread for it.
    pub async fn in_memory() -> Result<Self> {
        // By its name, not by sqlx's flag: that would put also the copies of a backup into memory.
        let writer = connect(&options().filename(":memory:").create_if_missing(true)).await?;
        Ok(Self::over(Sqlite { writer: Writer::start(writer), readers: None }))
    }

    /// Writes a consistent copy of the database to a new file, while it is in use.
    ///
    /// # Errors
    /// `backup_exists` (Conflict) when there is a file already; `Unavailable`.
    pub async fn backup_to(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let taken = tokio::fs::try_exists(path).await.unwrap_or(false);
        let text = path.to_str().filter(|_| !taken).ok_or_else(|| {
            Error::conflict("backup_exists", "name a new file to write the copy to")
                .with("path", path.display())
        })?;
        match &self.backend.readers {
            Some(readers) => readers.copy_to(text).await,
            None => self.backend.writer.copy_to(text).await,
        }
    }
}

/// Copies a database into a new file, which is on the disk when this returns.
async fn copy(conn: &mut SqliteConnection, path: &str) -> Result<()> {
    sqlx::query("VACUUM INTO $1").bind(path).execute(conn).await.map(drop).map_err(from_sqlx)
}

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .statement_cache_capacity(256)
        .row_buffer_size(256)
        .pragma("cache_size", "-16384")
        .pragma("mmap_size", "268435456")
        .pragma("temp_store", "MEMORY")
        .thread_name(|id| format!("medianest-sqlite-{id}"))
        .disable_statement_logging()
}

async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection> {
    options.connect().await.map_err(from_sqlx)
}

#[async_trait]
impl Backend for Sqlite {
    async fn read<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let Some(readers) = &self.readers else { return self.writer.run(args, command).await };
        let mut reader = readers.take().await?;
        let connection = reader.connection().ok_or_else(unavailable)?;
        command(&mut Conn::Sqlite(connection), &args).await
    }

    async fn read_replica<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.read(args, command).await
    }

    async fn write<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.writer.run(args, command).await
    }

    async fn write_alone<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.write(args, command).await
    }

    async fn write_rights<A, T>(&self, _: TenantId, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.write(args, command).await
    }

    async fn alone(&self, _: &'static str, command: Command<(), ()>) -> Result<()> {
        self.write((), command).await
    }

    fn share(&self) -> Self {
        self.clone()
    }

    fn for_caller(&self, _: &Principal) -> Option<Self> {
        None
    }

    async fn close(&self) {
        if let Some(readers) = &self.readers {
            readers.close().await;
        }
        self.writer.close().await;
    }
}
