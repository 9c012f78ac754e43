use std::time::Duration;

/// How [`PostgresCatalog::connect_with`](crate::PostgresCatalog) uses its servers.
#[derive(Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// The URLs of streaming replicas, which answer lists and searches.
    pub replicas: Vec<String>,
    /// How far behind the primary a replica may be that is asked.
    pub max_lag: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { replicas: Vec::new(), max_lag: Duration::from_secs(10) }
    }
}

/// Without the URLs, which may hold passwords.
impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("replicas", &self.replicas.len())
            .field("max_lag", &self.max_lag)
            .finish_non_exhaustive()
    }
}
