use super::{
    Connections, PostgresOptions,
    at_hand::{ACQUIRE_TIMEOUT, AtHand, FRESH, Lease},
    hosts,
};
use crate::sql::error::from_sqlx;
use futures::FutureExt;
use medianest_core::{Error, Result};
use sqlx::{
    ConnectOptions, Connection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::time::{Duration, Instant};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};

/// Who waits longer for a connection looks whether another host has become the primary.
const UNTROUBLED: Duration = Duration::from_millis(500);
/// In this time a host says what it is, or it is away.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pool of the primary, wherever that is.
#[derive(Debug)]
pub(super) struct Primary {
    pool: PgPool,
    /// None for a pool of the host's program.
    at_hand: Option<AtHand>,
    /// Where it may be; empty for a pool of the host's program.
    hosts: Vec<PgConnectOptions>,
    /// When somebody last looked for it, and whether it was found.
    looked: Mutex<Option<(Instant, bool)>>,
}

impl Primary {
    /// Connects to the first of the hosts that is not a replica.
    ///
    /// # Errors
    /// `invalid_database_url`; `Unavailable`.
    pub(super) async fn connect(url: &str, options: &PostgresOptions) -> Result<Self> {
        let ours = |host| ours(host, options);
        let hosts: Vec<_> = hosts::parse(url)?.into_iter().map(ours).collect();
        let first = hosts.first().cloned().unwrap_or_default();
        let pool = bounded(options).after_connect(|connection, _| {
            async move {
                match is_replica(connection).await? {
                    true => Err(sqlx::Error::protocol("the server is a replica, not the primary")),
                    false => Ok(()),
                }
            }
            .boxed()
        });
        let at_hand = Some(AtHand::new(options.max_connections));
        let primary = Self { pool: pool.connect_lazy_with(first), at_hand, hosts, looked: Mutex::new(None) };
        primary.acquire().await?.done();
        Ok(primary)
    }

    /// The pool of the host's program.
    pub(super) fn from_pool(pool: PgPool) -> Self {
        Self { pool, at_hand: None, hosts: Vec::new(), looked: Mutex::new(None) }
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(super) fn connections(&self) -> Connections {
        Connections::of(&self.pool, self.at_hand.as_ref().map(AtHand::idle_and_waiting).unwrap_or_default())
    }

    /// A connection, to whichever host is the primary by now.
    pub(super) async fn acquire(&self) -> Result<Lease> {
        match &self.at_hand {
            Some(at_hand) => at_hand.lease(|| self.connection()).await,
            None => self.connection().await.map(Lease::from),
        }
        .map_err(from_sqlx)
    }

    /// Closes the pool, when all connections are back.
    pub(super) async fn close(&self) {
        if let Some(at_hand) = &self.at_hand {
            at_hand.close();
        }
        self.pool.close().await;
    }

    async fn connection(&self) -> sqlx::Result<PoolConnection<Postgres>> {
        let first = match self.wait().await {
            Err(error) if self.hosts.len() > 1 && !matches!(error, sqlx::Error::PoolClosed) => error,
            answer => return answer,
        };
        match self.look().await {
            true => self.wait().await,
            false => Err(first),
        }
    }

    /// Waits for the pool. What that connects to changes meanwhile when the primary is found elsewhere.
    async fn wait(&self) -> sqlx::Result<PoolConnection<Postgres>> {
        let look = async {
            while self.hosts.len() > 1 {
                sleep(UNTROUBLED).await;
                self.look().await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            connection = self.pool.acquire() => connection,
            () = look => Err(sqlx::Error::PoolTimedOut),
        }
    }

    /// Asks all hosts which of them is the primary; one caller does it for all.
    async fn look(&self) -> bool {
        let mut looked = self.looked.lock().await;
        if let Some((at, found)) = *looked
            && at.elapsed() < UNTROUBLED
        {
            return found;
        }
        let mut found = false;
        for host in &self.hosts {
            if matches!(timeout(PATIENCE, is_primary(host)).await, Ok(Ok(true))) {
                self.pool.set_connect_options(host.clone());
                found = true;
                break;
            }
        }
        *looked = Some((Instant::now(), found));
        found
    }
}

/// A pool for a replica; connects when somebody asks for a connection.
///
/// # Errors
/// `invalid_database_url`.
pub(super) fn replica(url: &str, options: &PostgresOptions) -> Result<PgPool> {
    match <[PgConnectOptions; 1]>::try_from(hosts::parse(url)?) {
        Ok([host]) => Ok(bounded(options).connect_lazy_with(ours(host, options))),
        Err(_) => Err(Error::invalid("invalid_database_url", "a replica is one host; name each by itself")),
    }
}

/// Whether a server follows another one, and can write nothing.
pub(super) async fn is_replica(connection: &mut sqlx::PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(connection).await
}

async fn is_primary(host: &PgConnectOptions) -> sqlx::Result<bool> {
    let mut connection = host.connect().await?;
    let is_replica = is_replica(&mut connection).await?;
    connection.close().await?;
    Ok(!is_replica)
}

fn ours(host: PgConnectOptions, options: &PostgresOptions) -> PgConnectOptions {
    host.application_name("medianest")
        .statement_cache_capacity(256)
        .options([
            ("statement_timeout", format!("{}ms", options.statement_timeout.as_millis()).as_str()),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ])
        .disable_statement_logging()
}

fn bounded(options: &PostgresOptions) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            async move {
                if about.idle_for < FRESH {
                    return Ok(true);
                }
                Ok(matches!(timeout(PATIENCE, connection.ping()).await, Ok(Ok(()))))
            }
            .boxed()
        })
        // Before the pool asks as well, which has no limit of time.
        .after_release(|connection, _| {
            async move {
                let no_answer = || sqlx::Error::protocol("the server does not answer any more");
                timeout(PATIENCE, connection.ping()).await.map_err(|_| no_answer())?.map(|()| true)
            }
            .boxed()
        })
}
