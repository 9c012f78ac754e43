//! An own small runner: sqlx's names its table `_sqlx_migrations`, which may be the host's.
//!
//! Programs of two versions work side by side while a deployment is brought up to date. So a migration only adds
//! (*expands*), and what it makes superfluous is taken away by one of a later version (*contracts*). Each notes
//! the oldest program that works on the tables as it leaves them; see [`steps`] for what it may consist of.

mod steps;

use crate::sql::{Conn, Sql, error::outdated};
use medianest_core::{Error, ErrorKind, Result, Timestamp};
use sha2::{Digest, Sha256};

struct Migration {
    version: i64,
    name: &'static str,
    /// The oldest program, by its newest migration, that works on the tables as this one leaves them.
    works_for: i64,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal for $works_for:literal),+ $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            works_for: $works_for,
            sqlite: include_str!(concat!("../../../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../../../migrations/postgres/", $name, ".sql")),
        }),+]
    };
}

/// Append-only: what was released is never edited.
const MIGRATIONS: &[Migration] = migrations![
    1 "0001_initial" for 1,
    2 "0002_taken_at_set" for 1,
    3 "0003_reached" for 1,
    4 "0004_rare_assets" for 1,
    5 "0005_partitions" for 4,
    6 "0006_stores" for 4,
    7 "0007_audit" for 4,
    8 "0008_stretches" for 4,
];

impl Migration {
    fn script(&self) -> Sql {
        Sql::new(self.sqlite, self.postgres)
    }

    fn checksum(&self, conn: &Conn<'_>) -> Vec<u8> {
        Sha256::digest(self.script().of(conn.dialect()).as_bytes()).to_vec()
    }
}

/// Creates or upgrades our tables. Nobody else does meanwhile.
pub(super) async fn migrate(conn: &mut Conn<'_>) -> Result<()> {
    migrate_to(conn, MIGRATIONS).await
}

async fn migrate_to(conn: &mut Conn<'_>, migrations: &[Migration]) -> Result<()> {
    prepare(conn).await?;
    let applied =
        conn.all("SELECT version, checksum FROM medianest_migrations ORDER BY version", vec![]).await?;
    let (mut newest, mut present) = (0, Vec::new());
    for row in applied {
        let mut columns = row.columns();
        newest = columns.get()?;
        present.push(newest);
        let checksum: Vec<u8> = columns.get()?;
        let Some(ours) = migrations.iter().find(|migration| migration.version == newest) else { break };
        if ours.checksum(conn) != checksum {
            return Err(Error::internal("a migration that was applied is not the one of this version")
                .with("migration", ours.name));
        }
    }
    let last = migrations.last().map_or(0, |migration| migration.version);
    if newest > last {
        return still_works(conn, last).await;
    }
    for migration in migrations.iter().filter(|migration| !present.contains(&migration.version)) {
        steps::apply(conn, migration).await?;
    }
    Ok(())
}

/// The table of what was applied, as programs of all versions know it.
async fn prepare(conn: &mut Conn<'_>) -> Result<()> {
    conn.run(
        sql!({
            "CREATE TABLE IF NOT EXISTS medianest_migrations (version INTEGER NOT NULL PRIMARY KEY, \
             name TEXT NOT NULL, checksum BLOB NOT NULL, applied_at INTEGER NOT NULL) STRICT"
                | "CREATE TABLE IF NOT EXISTS medianest_migrations (version bigint NOT NULL PRIMARY KEY, \
             name text NOT NULL, checksum bytea NOT NULL, applied_at bigint NOT NULL)"
        }),
        vec![],
    )
    .await?;
    let noted = conn.one(
        sql!({
            "SELECT 1 FROM pragma_table_info('medianest_migrations') WHERE name = 'works_for'"
                | "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('medianest_migrations') \
                   AND attname = 'works_for'"
        }),
        vec![],
    );
    if noted.await?.is_none() {
        let add = sql!("ALTER TABLE medianest_migrations ADD COLUMN works_for " { "INTEGER" | "bigint" });
        conn.run(add, vec![]).await?;
    }
    Ok(())
}

/// Notes that a migration was applied.
async fn record(conn: &mut Conn<'_>, migration: &Migration) -> Result<()> {
    conn.run(
        sql!("INSERT INTO medianest_migrations (version, name, checksum, applied_at, works_for) \
              VALUES ($1, $2, $3, " NOW ", $4)"),
        args![migration.version, migration.name, migration.checksum(conn), migration.works_for],
    )
    .await
    .map(drop)
}

/// The clock, when this program works on our tables as they are.
pub(super) async fn check(conn: &mut Conn<'_>) -> Result<Timestamp> {
    let present = conn
        .one(
            sql!({
                "SELECT count(*) FROM sqlite_schema WHERE name = 'medianest_migrations'"
                    | "SELECT count(to_regclass('medianest_migrations'))"
            }),
            vec![],
        )
        .await?;
    if present.map(|row| row.value::<i64>()).transpose()? != Some(1) {
        return Err(outdated());
    }
    let newest =
        conn.one(sql!("SELECT coalesce(max(version), 0), " NOW " FROM medianest_migrations"), vec![]);
    let row = newest.await?.ok_or_else(outdated)?;
    let mut columns = row.columns();
    let (newest, now): (i64, Timestamp) = (columns.get()?, columns.get()?);
    let ours = MIGRATIONS.last().map_or(0, |migration| migration.version);
    match newest.cmp(&ours) {
        std::cmp::Ordering::Less => Err(outdated()),
        std::cmp::Ordering::Equal => Ok(now),
        std::cmp::Ordering::Greater => still_works(conn, ours).await.map(|()| now),
    }
}

/// Whether a program with the migrations up to `ours` works on the tables that a later one has made.
async fn still_works(conn: &mut Conn<'_>, ours: i64) -> Result<()> {
    let oldest = conn.one(
        "SELECT max(coalesce(works_for, version)) FROM medianest_migrations WHERE version > $1",
        args![ours],
    );
    let oldest = oldest.await?.map(|row| row.columns().maybe::<i64>()).transpose()?.flatten();
    if oldest.is_some_and(|oldest| oldest > ours) { Err(too_new()) } else { Ok(()) }
}

fn too_new() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "schema_too_new",
        "a later version of this program has changed the tables; run that version or a later one",
    )
}

#[cfg(test)]
mod tests;
