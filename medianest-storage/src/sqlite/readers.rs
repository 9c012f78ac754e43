use super::{connect, copy};
use crate::sql::unavailable;
use medianest_core::Result;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that read at the same time, at most.
const MAX_READERS: usize = 8;

/// A few connections that only read, opened when they are needed.
///
/// sqlx's own pool starts a task for each connection that comes back; a lookup by id is cheaper than that.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    options: SqliteConnectOptions,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<SqliteConnection>>>,
}

impl Readers {
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self { options, permits: Arc::new(Semaphore::new(MAX_READERS)), idle: Arc::default() }
    }

    pub(super) async fn take(&self) -> Result<Reader> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| unavailable())?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(&self.options).await?,
        };
        Ok(Reader { connection: Some(connection), idle: Arc::clone(&self.idle), _permit: permit })
    }

    pub(super) async fn copy_to(&self, path: &str) -> Result<()> {
        // Its own connection: readers are bounded, and may not write at all.
        let mut connection = connect(&self.options.clone().pragma("query_only", "OFF")).await?;
        copy(&mut connection, path).await
    }

    pub(super) async fn close(&self) {
        // Whoever still reads gives its permit back first.
        let all = u32::try_from(MAX_READERS).unwrap_or(u32::MAX);
        if let Ok(permits) = self.permits.acquire_many(all).await {
            self.permits.close();
            drop(permits);
        }
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for connection in idle {
            if let Err(error) = connection.close().await {
                tracing::warn!(%error, "closing a connection failed");
            }
        }
    }
}

/// A connection on loan. It comes back also from a caller who went away in the middle of a statement:
/// the connection's thread gives that statement up before the next.
pub(super) struct Reader {
    connection: Option<SqliteConnection>,
    idle: Arc<Mutex<Vec<SqliteConnection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    pub(super) fn connection(&mut self) -> Option<&mut SqliteConnection> {
        self.connection.as_mut()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.connection.take());
    }
}
