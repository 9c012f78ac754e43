use super::migrate;
use crate::sql::Conn;
use async_trait::async_trait;
use futures::{FutureExt, future::BoxFuture};
use medianest_core::{
    Result, Timestamp,
    catalog::{Catalog, sealed::Sealed},
};

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

    /// Runs a command that writes: as a whole or not at all, also when the caller goes away.
    async fn write<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static;

    /// Ends all connections once what is under way is done.
    async fn close(&self);
}

/// A catalog in a relational database: what `SqliteCatalog` and `PostgresCatalog` are.
#[derive(Debug)]
#[expect(private_bounds, reason = "the backends are ours alone, as the catalog traits are sealed")]
pub struct SqlCatalog<B: Backend> {
    pub(crate) backend: B,
}

#[expect(private_bounds, reason = "the backends are ours alone, as the catalog traits are sealed")]
impl<B: Backend> SqlCatalog<B> {
    pub(crate) async fn read<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.backend.read(args, command).await
    }

    pub(crate) async fn write<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.backend.write(args, command).await
    }
}

impl<B: Backend> Sealed for SqlCatalog<B> {}

#[async_trait]
impl<B: Backend> Catalog for SqlCatalog<B> {
    async fn migrate(&self) -> Result<()> {
        self.write((), |c, ()| migrate::migrate(c).boxed()).await
    }

    async fn check(&self) -> Result<Timestamp> {
        self.read((), |c, ()| migrate::check(c).boxed()).await
    }

    async fn close(&self) {
        self.backend.close().await;
    }
}
