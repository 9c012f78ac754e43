use crate::sql::Conn;
use medianest_core::{Error, Result, TenantId};
use sqlx::PgConnection;

/// The subject of what everybody in a tenant must see: who may see what.
pub(in super::super) const EVERYBODY: &str = "";

/// How far a replica must have come, in bytes of the log.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Need {
    /// Where the caller's last write is.
    pub(super) wrote: i64,
    /// The end of what the primary has durably.
    pub(super) head: i64,
    /// The history that the positions are of.
    pub(super) timeline: i64,
}

impl Need {
    /// Asks the primary. What was noted in another life of the database lies before the present end of the
    /// log, too. The first who asks after a failover notes the new life: a replica that has that note shares its
    /// history.
    pub(in super::super) async fn of(conn: &mut Conn<'_>, tenant: TenantId, subject: &str) -> Result<Self> {
        let row = conn
            .one(
                "SELECT least(coalesce(max(position), 0), (pg_current_wal_insert_lsn() - '0/0')::bigint), \
                 (pg_current_wal_flush_lsn() - '0/0')::bigint, \
                 ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint, \
                 (SELECT timeline FROM medianest_timeline) \
                 FROM medianest_reached WHERE tenant = $1 AND subject IN ('', $2)",
                args![tenant, subject],
            )
            .await?;
        let row = row.ok_or_else(|| Error::internal("a count has no row"))?;
        let mut columns = row.columns();
        let need = Self { wrote: columns.get()?, head: columns.get()?, timeline: columns.get()? };
        if columns.maybe::<i64>()? != Some(need.timeline) {
            conn.run(
                "INSERT INTO medianest_timeline (id, timeline) VALUES (1, $1) \
                 ON CONFLICT (id) DO UPDATE SET timeline = EXCLUDED.timeline",
                args![need.timeline],
            )
            .await?;
        }
        Ok(need)
    }
}

/// Notes that whoever acts as `subject` must see all that is committed by now. Notes of the same subject
/// wait for each other, and each looks where the log ends when it is its turn.
pub(in super::super) async fn record(conn: &mut Conn<'_>, tenant: TenantId, subject: &str) -> Result<()> {
    conn.run(
        "INSERT INTO medianest_reached (tenant, subject, position) \
         VALUES ($1, $2, (pg_current_wal_insert_lsn() - '0/0')::bigint) ON CONFLICT (tenant, subject) \
         DO UPDATE SET position = (pg_current_wal_insert_lsn() - '0/0')::bigint",
        args![tenant, subject],
    )
    .await
    .map(drop)
}

/// Notes, in the transaction that changes who may see what, that everybody must see what comes of it: more
/// of the log than is written until the commit. Whoever dies between that and [`record`] leaves replicas
/// unasked for longer than is needed, never too soon.
pub(in super::super) async fn announce(conn: &mut Conn<'_>, tenant: TenantId) -> Result<()> {
    conn.run(
        "INSERT INTO medianest_reached (tenant, subject, position) \
         VALUES ($1, $2, (pg_current_wal_insert_lsn() - '0/0')::bigint + 1073741824) \
         ON CONFLICT (tenant, subject) DO UPDATE SET position = EXCLUDED.position",
        args![tenant, EVERYBODY],
    )
    .await
    .map(drop)
}

/// How far a replica has come, and in which history; None for a server that is none.
pub(super) async fn replayed(connection: &mut PgConnection) -> sqlx::Result<(Option<i64>, Option<i64>)> {
    sqlx::query_as(
        "SELECT CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0')::bigint END, \
         (SELECT timeline FROM medianest_timeline)",
    )
    .fetch_one(connection)
    .await
}
