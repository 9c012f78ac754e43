use crate::trust::is_untrusted;
use medianest_core::{Error, ErrorKind, Retry};

/// The error of a command that lost a race and is to be run again as a whole.
pub(crate) fn run_again() -> Error {
    Error::unavailable("lost_race", "another command got in between; try again").retry(Retry::Now)
}

/// The error of a backend that is away.
pub(crate) fn unavailable() -> Error {
    Error::unavailable("database_unavailable", "the database is away")
}

/// What an error of the driver means to a caller.
pub(crate) fn from_sqlx(error: sqlx::Error) -> Error {
    let mapped = match &error {
        error if is_untrusted(error) => Error::unavailable(
            "database_untrusted",
            "the certificate of the database is not trusted, or good no longer; renew it, or name who issued it as \
             sslrootcert in the URL",
        ),
        sqlx::Error::Database(database) => from_database(&**database),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => unavailable(),
        _ => Error::internal("a statement failed"),
    };
    mapped.caused_by(error)
}

fn from_database(error: &dyn sqlx::error::DatabaseError) -> Error {
    #[cfg(feature = "sqlite")]
    if let Some(sqlite) = error.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
        return from_sqlite(sqlite);
    }
    from_sqlstate(error.code().as_deref().unwrap_or_default())
}

/// See <https://www.sqlite.org/rescode.html>.
#[cfg(feature = "sqlite")]
fn from_sqlite(error: &sqlx::sqlite::SqliteError) -> Error {
    use sqlx::error::DatabaseError;

    let code = error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(1);
    match code & 0xff {
        5 | 6 => Error::unavailable("database_busy", "the database is locked by another process"),
        8 => Error::unavailable(
            "database_read_only",
            "the file of the database cannot be written; let the user of this process write it and its folder",
        ),
        10 | 14 => unavailable(),
        13 => storage_full(),
        1 if error.message().starts_with("no such table: medianest_") => outdated(),
        _ => Error::internal("a statement failed"),
    }
}

/// See <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
fn from_sqlstate(code: &str) -> Error {
    match code {
        // Serialization failure, deadlock; a row that a foreign key needs went away meanwhile.
        "40001" | "40P01" | "23503" => run_again(),
        "53100" => storage_full(),
        // Statement timeout, lock timeout.
        "57014" | "55P03" => Error::unavailable("database_busy", "the database did not answer in time"),
        "42P01" => outdated(),
        // It follows another server by now.
        "25006" => unavailable(),
        _ if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) => unavailable(),
        _ => Error::internal("a statement failed"),
    }
}

fn storage_full() -> Error {
    Error::new(ErrorKind::StorageFull, "storage_full", "there is no room left for the database")
}

/// The error for tables that are not there, or not yet as this version needs them.
pub(crate) fn outdated() -> Error {
    Error::unavailable("schema_outdated", "the tables are not those of this version; migrate first")
        .retry(Retry::Never)
}
