use crate::sql::error::from_sqlx;
use futures::FutureExt;
use medianest_core::{Error, Result};
use sqlx::{
    ConnectOptions, Connection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{str::FromStr, time::Duration};

const CONNECTIONS: u32 = 10;
/// A connection that was used a moment ago is taken for alive; others are asked.
const FRESH: Duration = Duration::from_secs(1);

pub(super) async fn connect(url: &str) -> Result<PgPool> {
    pool().connect_with(options(url)?).await.map_err(from_sqlx)
}

/// As [`connect`], when somebody asks for a connection.
pub(super) fn lazy(url: &str) -> Result<PgPool> {
    Ok(pool().connect_lazy_with(options(url)?))
}

fn options(url: &str) -> Result<PgConnectOptions> {
    let invalid = || Error::invalid("invalid_database_url", "not a postgres:// URL");
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(invalid());
    }
    let options = PgConnectOptions::from_str(url).map_err(|source| invalid().caused_by(source))?;
    Ok(options
        .application_name("medianest")
        .statement_cache_capacity(256)
        .options([
            ("statement_timeout", "30s"),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ])
        .disable_statement_logging())
}

fn pool() -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(5))
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            async move {
                if about.idle_for < FRESH {
                    return Ok(true);
                }
                Ok(connection.ping().await.is_ok())
            }
            .boxed()
        })
}
