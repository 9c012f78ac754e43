//! PostgreSQL: a bounded pool, each command a transaction that is run again when it lost a race.

mod at_hand;
mod bus;
mod connections;
mod hosts;
mod options;
mod pool;
mod replicas;
mod server;

pub use bus::PostgresBus;
pub use connections::Connections;
pub use options::PostgresOptions;
pub use server::PostgresServer;

use crate::{
    catalog::{Backend, Command, SqlCatalog, attach},
    sql::{Conn, error::from_sqlx, unavailable},
};
use async_trait::async_trait;
use at_hand::Lease;
use futures::FutureExt;
use medianest_core::{Asset, AssetId, Error, Principal, Result, Retry, TenantId, Visibility};
use pool::{Primary, is_replica};
use replicas::{EVERYBODY, Need, Replicas, announce, record};
use sqlx::{PgConnection, PgPool};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time::timeout;
use uuid::Uuid;

/// How often a command is run at most.
const ATTEMPTS: u32 = 6;
/// How often somebody who is to run alone looks whether another still does.
const LOCK_POLL: Duration = Duration::from_millis(100);
/// So much longer than the server works on a statement a command may take.
const GRACE: Duration = Duration::from_secs(5);
/// So long a server may take to answer what is no work.
const PATIENCE: Duration = Duration::from_secs(5);

/// A catalog in a PostgreSQL database, 15 or newer, where it may be a guest: all names are prefixed
/// `medianest_`, nothing else is touched.
pub type PostgresCatalog = SqlCatalog<Postgres>;

/// How commands reach a PostgreSQL database; see [`PostgresCatalog`].
#[derive(Debug)]
pub struct Postgres {
    servers: Arc<Servers>,
    /// In a view of a caller.
    caller: Option<(TenantId, String)>,
}

#[derive(Debug)]
struct Servers {
    primary: Primary,
    /// The pool is the host's: closing it is not for us.
    guest: bool,
    closed: AtomicBool,
    /// How long a command may take.
    limit: Duration,
    replicas: Option<Replicas>,
}

impl SqlCatalog<Postgres> {
    /// Connects to `postgres://user@host/database`, with a pool of ten connections, a timeout of 30
    /// seconds for statements and of 10 for locks. Migrates nothing: see
    /// [`Catalog::migrate`](medianest_core::catalog::Catalog::migrate).
    ///
    /// With several hosts (`postgres://user@one:5432,two:5432/database`), whichever of them is the primary
    /// is used, and looked for again when it is away.
    ///
    /// # Errors
    /// `invalid_database_url`; `Unavailable` when nobody answers.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, &PostgresOptions::default()).await
    }

    /// As [`connect`](Self::connect), with replicas. These need not be there yet, and may go and come
    /// back: nobody who calls learns of it. All processes that share a database are to have the same
    /// replicas, or none: who has none does not note what its callers write.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(url: &str, options: &PostgresOptions) -> Result<Self> {
        let replicas = Replicas::of(options)?;
        let limit = options.statement_timeout + GRACE;
        Ok(Self::new(Primary::connect(url, options).await?, false, limit, replicas))
    }

    /// Uses the pool of the host's program, with its limits and timeouts; migrates nothing. Closing the
    /// catalog leaves the pool open.
    pub fn from_pool(pool: PgPool) -> Self {
        let limit = PostgresOptions::default().statement_timeout + GRACE;
        Self::new(Primary::from_pool(pool), true, limit, None)
    }

    fn new(primary: Primary, guest: bool, limit: Duration, replicas: Option<Replicas>) -> Self {
        let servers = Servers { primary, guest, closed: AtomicBool::new(false), limit, replicas };
        Self::over(Postgres { servers: Arc::new(servers), caller: None })
    }

    /// The pool, for a [`PostgresBus`] beside the catalog.
    pub fn pool(&self) -> &PgPool {
        self.backend.servers.primary.pool()
    }

    /// [`AssetCatalog::attach`](medianest_core::catalog::AssetCatalog::attach) within the host's own
    /// transaction: the asset is claimed when that commits, and not when it rolls back.
    ///
    /// # Errors
    /// `asset_not_found`; `asset_attached` (Conflict) when it belongs to another row. The transaction
    /// can go on after these.
    pub async fn attach_in(
        connection: &mut PgConnection,
        visible: &Visibility,
        id: AssetId,
        target: &str,
    ) -> Result<Asset> {
        attach(&mut Conn::Postgres(connection), visible, id, target).await
    }
}

impl Servers {
    /// A connection; with `asked`, one to a primary that has just answered: after one was lost, those that
    /// lie idle are lost too, or go to what was the primary.
    async fn acquire(&self, asked: bool) -> Result<Lease> {
        for _ in 0..=self.primary.pool().options().get_max_connections() {
            if self.closed.load(Ordering::Acquire) {
                break;
            }
            let mut connection = self.primary.acquire().await?;
            if !asked || matches!(at_once(is_replica(&mut connection)).await, Ok(false)) {
                return Ok(connection);
            }
            connection.discard();
        }
        Err(unavailable())
    }

    /// Cuts off what the server has not answered long after it would have given up itself: it has vanished.
    async fn in_time<T>(&self, command: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(self.limit, command).await.unwrap_or_else(|_| Err(unavailable()))
    }

    async fn attempt<A, T>(
        &self,
        args: &A,
        command: Command<A, T>,
        rights: Option<TenantId>,
        asked: bool,
    ) -> Result<T, Failed> {
        let mut connection = self.acquire(asked).await.map_err(Failed::for_good)?;
        let mut transaction = at_once(connection.begin()).await.map_err(Failed::before)?;
        let done = self.in_time(async {
            let mut conn = Conn::Postgres(&mut transaction);
            match (command(&mut conn, args).await, rights) {
                (Ok(done), Some(tenant)) => announce(&mut conn, tenant).await.map(|()| done),
                (done, _) => done,
            }
        });
        match done.await {
            // Whether a commit without an answer happened, nobody knows: it is not repeated.
            Ok(done) => {
                let committed = async { transaction.commit().await.map_err(from_sqlx) };
                self.in_time(committed).await.map_err(Failed::in_commit)?;
                connection.done();
                Ok(done)
            }
            Err(error) => {
                // Fails when the connection is gone, and the transaction with it.
                if at_once(transaction.rollback()).await.is_ok() {
                    connection.done();
                }
                Err(Failed::before(error))
            }
        }
    }

    /// Runs what brings its own transactions and may be run twice, on a connection that ends with it, and the
    /// lock with that. It is asked for again and again, since who waits for it within the database holds up the
    /// making of indexes.
    async fn alone(&self, name: &str, command: Command<(), ()>, asked: bool) -> Result<()> {
        let mut connection = self.acquire(asked).await?;
        connection.ends_here();
        let mut conn = Conn::Postgres(&mut connection);
        conn.script("SET statement_timeout = 0; SET lock_timeout = 0").await?;
        while !conn.try_lock_session(name).await? {
            tokio::time::sleep(LOCK_POLL).await;
        }
        command(&mut conn, &()).await
    }

    /// Runs a command without a transaction, and again after what `failed` says may be repeated.
    async fn bare<A, T>(&self, args: &A, command: Command<A, T>, failed: fn(Error) -> Failed) -> Result<T> {
        let mut attempt = 0;
        loop {
            let mut connection = self.acquire(attempt > 0).await?;
            let done = self.in_time(command(&mut Conn::Postgres(&mut connection), args)).await;
            match done.map_err(failed) {
                Ok(done) => {
                    connection.done();
                    return Ok(done);
                }
                Err(failed) if failed.again && attempt + 1 < ATTEMPTS => {}
                Err(failed) => return Err(failed.error),
            }
            back_off(attempt).await;
            attempt += 1;
        }
    }

    /// Runs what changes nothing.
    async fn read<A, T>(&self, args: &A, command: Command<A, T>) -> Result<T> {
        self.bare(args, command, Failed::before).await
    }

    /// Runs a command as a transaction; one that changes `rights` announces that in the same.
    async fn write<A, T>(&self, args: &A, command: Command<A, T>, rights: Option<TenantId>) -> Result<T> {
        let mut attempt = 0;
        loop {
            match self.attempt(args, command, rights, attempt > 0).await {
                Err(failed) if failed.again && attempt + 1 < ATTEMPTS => {}
                result => return result.map_err(|failed| failed.error),
            }
            back_off(attempt).await;
            attempt += 1;
        }
    }
}

/// What a server that is there answers at once.
async fn at_once<T>(asked: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
    timeout(PATIENCE, asked).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(from_sqlx)
}

/// How an attempt failed.
struct Failed {
    error: Error,
    again: bool,
}

impl Failed {
    fn for_good(error: Error) -> Self {
        Self { error, again: false }
    }

    /// Nothing was committed: what lost a race, or its connection, can be run again.
    fn before(error: Error) -> Self {
        let again = error.retry_advice() == Retry::Now || error.code() == "database_unavailable";
        Self { error, again }
    }

    /// Perhaps it was committed: only what says that it was not is run again.
    fn in_commit(error: Error) -> Self {
        Self { again: error.retry_advice() == Retry::Now, error }
    }
}

/// Waits a little, at random, so that those who got in each other's way do not meet again.
async fn back_off(attempt: u32) {
    let random = u64::from(Uuid::now_v7().as_bytes()[15]);
    tokio::time::sleep(Duration::from_micros((random * 50) << attempt)).await;
}

#[async_trait]
impl Backend for Postgres {
    async fn read<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.servers.read(&args, command).await
    }

    async fn read_replica<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        if let (Some(replicas), Some(caller)) = (&self.servers.replicas, &self.caller) {
            let asked = Instant::now();
            let need =
                self.servers.read(caller, |c, (tenant, subject)| Need::of(c, *tenant, subject).boxed());
            if let Some(answer) = replicas.read(need.await?, asked, &args, command).await {
                return answer;
            }
        }
        self.servers.read(&args, command).await
    }

    async fn write<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let done = self.servers.write(&args, command, None).await?;
        self.note(self.caller.clone()).await?;
        Ok(done)
    }

    async fn write_alone<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        // One round trip, where a transaction is three. Its answer is that of the commit: a claim whose answer was
        // lost has happened perhaps, and another one would leave its jobs to nobody until their leases run out.
        let done = self.servers.bare(&args, command, Failed::in_commit).await?;
        self.note(self.caller.clone()).await?;
        Ok(done)
    }

    async fn write_rights<A, T>(&self, tenant: TenantId, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let rights = self.servers.replicas.is_some().then_some(tenant);
        let done = self.servers.write(&args, command, rights).await?;
        self.note(Some((tenant, EVERYBODY.to_owned()))).await?;
        Ok(done)
    }

    async fn alone(&self, name: &'static str, command: Command<(), ()>) -> Result<()> {
        let mut attempt = 0;
        loop {
            match self.servers.alone(name, command, attempt > 0).await.map_err(Failed::before) {
                Err(failed) if failed.again && attempt + 1 < ATTEMPTS => {}
                result => return result.map_err(|failed| failed.error),
            }
            back_off(attempt).await;
            attempt += 1;
        }
    }

    fn share(&self) -> Self {
        Self { servers: Arc::clone(&self.servers), caller: self.caller.clone() }
    }

    fn for_caller(&self, principal: &Principal) -> Option<Self> {
        self.servers.replicas.as_ref()?;
        let caller = Some((principal.tenant, principal.subject.clone()));
        Some(Self { servers: Arc::clone(&self.servers), caller })
    }

    async fn close(&self) {
        self.servers.closed.store(true, Ordering::Release);
        if let Some(replicas) = &self.servers.replicas {
            replicas.close().await;
        }
        if !self.servers.guest {
            self.servers.primary.close().await;
        }
    }
}

impl Postgres {
    /// Notes what was written, where there are replicas that may not have it yet. A write is answered
    /// only after that: when it fails, whether it happened nobody knows.
    async fn note(&self, whose: Option<(TenantId, String)>) -> Result<()> {
        let (Some(_), Some(whose)) = (&self.servers.replicas, whose) else { return Ok(()) };
        self.servers.write(&whose, |c, (tenant, subject)| record(c, *tenant, subject).boxed(), None).await
    }
}
