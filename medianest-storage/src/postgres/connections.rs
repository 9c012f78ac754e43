use super::PostgresCatalog;
use sqlx::PgPool;

/// The connections of this process to one server of PostgreSQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connections {
    /// There at most.
    pub max: u32,
    /// At work.
    pub in_use: u32,
    /// There, and free.
    pub idle: u32,
    /// Callers who wait for one.
    pub waiting: u32,
}

impl Connections {
    /// Those of a pool, of which so many lie elsewhere at hand.
    pub(super) fn of(pool: &PgPool, (at_hand, waiting): (u32, u32)) -> Self {
        let idle = at_hand + u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
        Self {
            max: pool.options().get_max_connections(),
            in_use: pool.size().saturating_sub(idle),
            idle,
            waiting,
        }
    }
}

impl PostgresCatalog {
    /// The connections to the primary, as they are at the moment.
    pub fn connections(&self) -> Connections {
        self.backend.servers.primary.connections()
    }

    /// The connections to each replica, in the order of
    /// [`PostgresOptions::replicas`](crate::PostgresOptions::replicas).
    pub fn replica_connections(&self) -> Vec<Connections> {
        self.backend.servers.replicas.iter().flat_map(super::Replicas::connections).collect()
    }
}
