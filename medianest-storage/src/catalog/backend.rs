use super::{
    audit::{self, Audited},
    migrate, periods,
};
use crate::sql::Conn;
use async_trait::async_trait;
use futures::{FutureExt, future::BoxFuture};
use medianest_core::{
    NewAudit, Principal, Result, TenantId, Timestamp,
    catalog::{Aging, Catalog, sealed::Sealed},
};
use std::{sync::Arc, time::Duration};

/// A command: data, and what to do with it. It may be run again as a whole when it lost a race.
pub(crate) type Command<A, T> = for<'a, 'c> fn(&'a mut Conn<'c>, &'a A) -> BoxFuture<'a, Result<T>>;

/// How commands reach a database.
#[async_trait]
pub(crate) trait Backend: std::fmt::Debug + Send + Sync + 'static {
    /// Runs a command that only reads.
    async fn read<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static;

    /// As [`read`](Self::read), but in a view of a caller also by a replica that has reached what the
    /// caller wrote through such views, and the last [`write_rights`](Self::write_rights).
    async fn read_replica<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static;

    /// Runs a command that writes: as a whole or not at all, also when the caller goes away.
    async fn write<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static;

    /// As [`write`](Self::write), for a command that is one statement, which is whole by itself.
    async fn write_alone<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static;

    /// As [`write`](Self::write), for a command that changes what anybody in the tenant may see.
    async fn write_rights<A, T>(&self, tenant: TenantId, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static;

    /// Runs what brings its own transactions ([`Conn::begin`]), on a connection of its own and without limits of
    /// time, while nobody else runs something under the same name.
    async fn alone(&self, name: &'static str, command: Command<(), ()>) -> Result<()>;

    /// The same database, as this caller sees it.
    fn share(&self) -> Self
    where
        Self: Sized;

    /// A view for one caller; None where there are no replicas.
    fn for_caller(&self, principal: &Principal) -> Option<Self>
    where
        Self: Sized;

    /// Ends all connections once what is under way is done.
    async fn close(&self);
}

/// A catalog in a relational database: what `SqliteCatalog` and `PostgresCatalog` are.
#[derive(Debug)]
#[expect(private_bounds, reason = "the backends are ours alone, as the catalog traits are sealed")]
pub struct SqlCatalog<B: Backend> {
    pub(crate) backend: B,
    /// What is recorded along with what a command changes.
    pub(super) audit: Option<NewAudit>,
}

#[expect(private_bounds, reason = "the backends are ours alone, as the catalog traits are sealed")]
impl<B: Backend> SqlCatalog<B> {
    pub(crate) fn over(backend: B) -> Self {
        Self { backend, audit: None }
    }

    pub(super) fn recording(&self, entry: NewAudit) -> Self {
        Self { backend: self.backend.share(), audit: Some(entry) }
    }

    pub(crate) async fn read<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.backend.read(args, command).await
    }

    pub(crate) async fn read_replica<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.backend.read_replica(args, command).await
    }

    pub(crate) async fn write<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        match self.audit.clone() {
            None => self.backend.write(args, command).await,
            Some(entry) => self.backend.write(Audited { args, command, entry }, audit::run).await,
        }
    }

    pub(crate) async fn write_alone<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.backend.write_alone(args, command).await
    }

    pub(crate) async fn write_rights<A, T>(
        &self,
        tenant: TenantId,
        args: A,
        command: Command<A, T>,
    ) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        match self.audit.clone() {
            None => self.backend.write_rights(tenant, args, command).await,
            Some(entry) => {
                let audited = Audited { args, command, entry };
                self.backend.write_rights(tenant, audited, audit::run).await
            }
        }
    }
}

impl<B: Backend> Sealed for SqlCatalog<B> {}

#[async_trait]
impl<B: Backend> Catalog for SqlCatalog<B> {
    async fn migrate(&self) -> Result<()> {
        self.backend.alone("migrate", |c, ()| migrate::migrate(c).boxed()).await
    }

    async fn check(&self) -> Result<Timestamp> {
        self.read((), |c, ()| migrate::check(c).boxed()).await
    }

    async fn begin_period(&self, of: Aging, length: Duration) -> Result<bool> {
        self.write((of, length), |c, (of, length)| periods::begin(c, *of, *length).boxed()).await
    }

    async fn end_period(&self, of: Aging, age: Duration) -> Result<bool> {
        self.write((of, age), |c, (of, age)| periods::end(c, *of, *age).boxed()).await
    }

    fn for_caller(&self, principal: &Principal) -> Option<Arc<dyn Catalog>> {
        let backend = self.backend.for_caller(principal)?;
        Some(Arc::new(Self::over(backend)))
    }

    fn audited(&self, entry: NewAudit) -> Arc<dyn Catalog> {
        Arc::new(self.recording(entry))
    }

    async fn close(&self) {
        self.backend.close().await;
    }
}
