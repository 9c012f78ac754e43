use std::time::Duration;

/// How [`PostgresCatalog::connect_with`](crate::PostgresCatalog) uses its servers.
#[derive(Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// Connections to each server at the same time; whoever finds none free waits, for five seconds at most.
    /// Two of them are for a [`PostgresBus`](crate::PostgresBus) and others who use the pool itself.
    pub max_connections: u32,
    /// How long the server works on a statement before it gives up. A command, which may consist of several,
    /// has five seconds more; what is not answered by then never will be.
    pub statement_timeout: Duration,
    /// The URLs of streaming replicas, which answer lists and searches.
    pub replicas: Vec<String>,
    /// How far behind the primary a replica may be that is asked.
    pub max_lag: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            max_connections: 10,
            statement_timeout: Duration::from_secs(30),
            replicas: Vec::new(),
            max_lag: Duration::from_secs(10),
        }
    }
}

/// Without the URLs, which may hold passwords.
impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("max_connections", &self.max_connections)
            .field("statement_timeout", &self.statement_timeout)
            .field("replicas", &self.replicas.len())
            .field("max_lag", &self.max_lag)
            .finish_non_exhaustive()
    }
}
