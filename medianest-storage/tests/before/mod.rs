//! The version before: its tables, and the statements that it runs on them, as they were written there.

use medianest_testkit::postgres::Database;
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

const MIGRATIONS: [(&str, &str); 4] = [
    ("0001_initial", include_str!("../../migrations/postgres/0001_initial.sql")),
    ("0002_taken_at_set", include_str!("../../migrations/postgres/0002_taken_at_set.sql")),
    ("0003_reached", include_str!("../../migrations/postgres/0003_reached.sql")),
    ("0004_rare_assets", include_str!("../../migrations/postgres/0004_rare_assets.sql")),
];

const ENQUEUE: &str = "INSERT INTO medianest_jobs (id, tenant, kind, asset_id, payload, priority, run_at, created_at, \
     state, attempt, failures, crashes, progress, called_off) VALUES ($1, $2, 'render', NULL, '{}', 0, 1, 1, \
     'queued', 0, 0, 0, 0, FALSE) ON CONFLICT DO NOTHING";
const CLAIM: &str = "WITH picked AS MATERIALIZED (SELECT picked FROM (SELECT * FROM (SELECT j.id AS picked, j.priority, \
     j.run_at FROM medianest_jobs j WHERE j.state = 'queued' AND j.kind = 'render' AND j.run_at <= 2 \
     ORDER BY j.priority DESC, j.run_at, j.id LIMIT 2 FOR UPDATE SKIP LOCKED) AS runnable) AS runnable) \
     UPDATE medianest_jobs SET state = 'running', attempt = attempt + 1, progress = 0, called_off = FALSE, \
     lease_until = 9, worker = 'before' FROM picked WHERE id = picked RETURNING id, attempt";
const FINISH: &str = "WITH fences (job, token) AS (VALUES ($1, $2)) UPDATE medianest_jobs SET finished_at = 9, \
     lease_until = NULL, worker = NULL, state = CASE WHEN called_off THEN 'cancelled' ELSE 'done' END, \
     progress = 1 FROM fences WHERE id = job AND attempt = token AND state = 'running' RETURNING id, attempt";
const EMIT: &str = "INSERT INTO medianest_events (id, tenant, kind, library_id, subject, data, at) \
     VALUES ($1, $2, 'x', NULL, NULL, '{}', 9)";
const SEQUENCE: &str = "WITH fresh AS MATERIALIZED (SELECT seq AS fresh, row_number() OVER (ORDER BY seq) AS place \
     FROM medianest_events WHERE position IS NULL ORDER BY seq LIMIT 100) UPDATE medianest_events \
     SET position = (SELECT head FROM medianest_event_log) + place FROM fresh WHERE seq = fresh";
const READ: &str = "SELECT e.id, e.position FROM medianest_event_log l LEFT JOIN (SELECT * FROM medianest_events e \
     WHERE e.position > $1 AND e.tenant = $2 ORDER BY e.position LIMIT 100) AS e ON TRUE ORDER BY e.position";

/// Makes the tables of the version before, with something in them.
pub(crate) async fn before(database: &Database) {
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    for (_, script) in MIGRATIONS {
        sqlx::raw_sql(script).execute(&mut connection).await.unwrap();
    }
    sqlx::raw_sql(
        "CREATE TABLE medianest_migrations (version bigint NOT NULL PRIMARY KEY, name text NOT NULL, \
         checksum bytea NOT NULL, applied_at bigint NOT NULL)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    for (version, (name, script)) in (1_i64..).zip(MIGRATIONS) {
        sqlx::query("INSERT INTO medianest_migrations VALUES ($1, $2, sha256(convert_to($3, 'UTF8')), 0)")
            .bind(version)
            .bind(name)
            .bind(script)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    connection.close().await.unwrap();
    let mut worker = Before::connect(database).await;
    for _ in 0..20 {
        worker.works().await;
    }
}

/// A program of the version before.
pub(crate) struct Before {
    connection: PgConnection,
    tenant: Uuid,
}

impl Before {
    pub(crate) async fn connect(database: &Database) -> Self {
        let connection = PgConnection::connect(&database.url()).await.unwrap();
        Self { connection, tenant: medianest_core::TenantId::DEFAULT.as_uuid() }
    }

    /// A round of everything, each command a transaction.
    pub(crate) async fn works(&mut self) {
        let (tenant, id) = (self.tenant, Uuid::now_v7());
        sqlx::query(ENQUEUE).bind(id).bind(tenant).execute(&mut self.connection).await.unwrap();
        for row in sqlx::query(CLAIM).fetch_all(&mut self.connection).await.unwrap() {
            let (job, attempt): (Uuid, i64) = (row.get(0), row.get(1));
            let finished = sqlx::query(FINISH).bind(job).bind(attempt).execute(&mut self.connection).await;
            assert_eq!(finished.unwrap().rows_affected(), 1);
        }
        sqlx::query(EMIT).bind(id).bind(tenant).execute(&mut self.connection).await.unwrap();
        let mut transaction = self.connection.begin().await.unwrap();
        let alone: bool =
            sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtextextended('medianest_sequence', 0))")
                .fetch_one(&mut *transaction)
                .await
                .unwrap();
        if alone {
            let numbered = sqlx::query(SEQUENCE).execute(&mut *transaction).await.unwrap().rows_affected();
            sqlx::query("UPDATE medianest_event_log SET head = head + $1")
                .bind(i64::try_from(numbered).unwrap())
                .execute(&mut *transaction)
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
        let read = sqlx::query(READ).bind(0_i64).bind(tenant).fetch_all(&mut self.connection).await.unwrap();
        assert!(!read.is_empty());
    }

    /// Takes back what one round has added to the tables.
    pub(crate) async fn undo(&mut self) {
        sqlx::raw_sql(
            "DELETE FROM medianest_jobs WHERE id = (SELECT max(id::text)::uuid FROM medianest_jobs); \
             DELETE FROM medianest_events WHERE position = (SELECT head FROM medianest_event_log); \
             UPDATE medianest_event_log SET head = head - 1",
        )
        .execute(&mut self.connection)
        .await
        .unwrap();
    }
}
