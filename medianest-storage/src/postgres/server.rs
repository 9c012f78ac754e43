use super::{Lease, PostgresCatalog};
use crate::sql::error::from_sqlx;
use medianest_core::{Error, ErrorKind, Result, Timestamp};
use sqlx::{PgConnection, Row, postgres::PgRow};
use std::time::{Duration, Instant};

/// The oldest version that will do, as `server_version_num` has it.
const OLDEST: i32 = 150_000;

/// One server of PostgreSQL, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostgresServer {
    /// Its version: `15.18`.
    pub version: String,
    version_number: i32,
    /// Its clock, half-way between the question and the answer.
    pub clock: Timestamp,
    /// How long it took to answer.
    pub latency: Duration,
    /// Whether it follows another one.
    pub is_replica: bool,
    /// What a primary and its replicas have in common, and no others.
    pub system: String,
    /// The history that it is on, as of its last checkpoint: another one after each failover.
    pub timeline: i32,
    /// How far its log has come, or how far it has replayed that of its primary, in bytes; none on a replica that
    /// has replayed nothing.
    pub log_position: Option<i64>,
    /// Connections that it gives to all its clients together, without those kept for administrators.
    pub max_connections: i32,
    /// Connections that it has by now.
    pub connections: i64,
    /// Whether our role may make tables in the schema where ours belong.
    pub may_create: bool,
}

impl PostgresServer {
    /// Whether it is new enough.
    ///
    /// # Errors
    /// `postgres_too_old` (Unsupported).
    pub fn check_version(&self) -> Result<()> {
        if self.version_number >= OLDEST {
            return Ok(());
        }
        let message = "this postgresql is too old; upgrade it to 15 or newer";
        Err(Error::new(ErrorKind::Unsupported, "postgres_too_old", message).with("version", &self.version))
    }

    /// Whether our role may make our tables.
    ///
    /// # Errors
    /// `postgres_rights` (Forbidden).
    pub fn check_rights(&self) -> Result<()> {
        if self.may_create {
            return Ok(());
        }
        let message = "the role may not make tables in its schema; as an administrator, run \
                       `GRANT CREATE, USAGE ON SCHEMA` with the name of the schema and `TO` with that of the role";
        Err(Error::new(ErrorKind::Forbidden, "postgres_rights", message))
    }

    /// Whether this is a replica of that primary.
    ///
    /// # Errors
    /// `not_a_replica`, `other_primary` (Unsupported).
    pub fn check_replica_of(&self, primary: &Self) -> Result<()> {
        let wrong = |code: &'static str, message| Err(Error::new(ErrorKind::Unsupported, code, message));
        if !self.is_replica {
            return wrong(
                "not_a_replica",
                "this server follows nobody; name a streaming replica, or leave it out",
            );
        }
        if self.system != primary.system {
            return wrong("other_primary", "this replica follows another primary; make it anew from ours");
        }
        Ok(())
    }

    async fn ask(connection: &mut PgConnection) -> Result<Self> {
        let asked = Instant::now();
        let row = sqlx::query(
            "SELECT current_setting('server_version') AS version, \
             current_setting('server_version_num')::int AS version_number, \
             (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS clock, \
             pg_is_in_recovery() AS is_replica, \
             (SELECT system_identifier::text FROM pg_control_system()) AS system, \
             (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline, \
             (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END \
             - '0/0'::pg_lsn)::bigint AS log_position, \
             current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int \
             AS max_connections, \
             (SELECT count(datid) FROM pg_stat_activity) AS connections, \
             coalesce(has_schema_privilege(current_schema(), 'CREATE'), FALSE) AS may_create",
        )
        .fetch_one(connection)
        .await
        .map_err(from_sqlx)?;
        let latency = asked.elapsed();
        Self::read(&row, latency).map_err(from_sqlx)
    }

    fn read(row: &PgRow, latency: Duration) -> sqlx::Result<Self> {
        Ok(Self {
            version: row.try_get("version")?,
            version_number: row.try_get("version_number")?,
            clock: Timestamp::from_micros(row.try_get("clock")?) + latency / 2,
            latency,
            is_replica: row.try_get("is_replica")?,
            system: row.try_get("system")?,
            timeline: row.try_get("timeline")?,
            log_position: row.try_get("log_position")?,
            max_connections: row.try_get("max_connections")?,
            connections: row.try_get("connections")?,
            may_create: row.try_get("may_create")?,
        })
    }
}

impl PostgresCatalog {
    /// The primary.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn server(&self) -> Result<PostgresServer> {
        let mut connection = self.backend.servers.acquire(true).await?;
        let server = PostgresServer::ask(&mut connection).await?;
        Lease::done(connection);
        Ok(server)
    }

    /// Each replica, in the order of [`PostgresOptions::replicas`](crate::PostgresOptions::replicas).
    pub async fn replica_servers(&self) -> Vec<Result<PostgresServer>> {
        let mut servers = Vec::new();
        for replica in self.backend.servers.replicas.iter().flat_map(super::Replicas::all) {
            servers.push(async { PostgresServer::ask(&mut *replica.connection().await?).await }.await);
        }
        servers
    }

    /// How many replicas there are to be.
    pub fn replica_count(&self) -> usize {
        self.backend.servers.replicas.iter().flat_map(super::Replicas::all).count()
    }

    /// Whether a replica answers, and follows somebody.
    ///
    /// # Errors
    /// `replica_unavailable` (Unavailable); `not_a_replica`.
    pub async fn check_replica(&self, index: usize) -> Result<()> {
        let mut replicas = self.backend.servers.replicas.iter().flat_map(super::Replicas::all);
        let Some(replica) = replicas.nth(index) else { return Ok(()) };
        let mut connection = replica.connection().await?;
        match super::pool::is_replica(&mut connection).await.map_err(from_sqlx)? {
            true => Ok(()),
            false => Err(Error::unavailable("not_a_replica", "this server follows nobody")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> PostgresServer {
        PostgresServer {
            version: "15.18".into(),
            version_number: 150_018,
            clock: Timestamp::from_secs(1),
            latency: Duration::ZERO,
            is_replica: false,
            system: "7".into(),
            timeline: 1,
            log_position: Some(100),
            max_connections: 97,
            connections: 3,
            may_create: true,
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_with_what_mends_it() {
        let primary = server();
        assert!(primary.check_version().is_ok() && primary.check_rights().is_ok());
        let old = PostgresServer { version_number: 140_009, ..server() };
        assert_eq!(old.check_version().unwrap_err().code(), "postgres_too_old");
        let guest = PostgresServer { may_create: false, ..server() };
        assert!(guest.check_rights().unwrap_err().message().contains("GRANT CREATE"));
    }

    #[test]
    fn a_replica_is_one_of_this_primary() {
        let primary = server();
        let replica = PostgresServer { is_replica: true, log_position: Some(90), ..server() };
        assert!(replica.check_replica_of(&primary).is_ok());
        let code = |server: PostgresServer| server.check_replica_of(&primary).unwrap_err().code().to_owned();
        assert_eq!(code(server()), "not_a_replica");
        assert_eq!(code(PostgresServer { system: "8".into(), ..replica }), "other_primary");
    }
}
