//! An own small runner: sqlx's names its table `_sqlx_migrations`, which may be the host's.

use crate::sql::{Conn, error::outdated};
use medianest_core::{Error, ErrorKind, Result, Timestamp};
use sha2::{Digest, Sha256};

struct Migration {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal),+ $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
        }),+]
    };
}

/// Append-only: what was released is never edited.
const MIGRATIONS: &[Migration] = migrations![1 "0001_initial", 2 "0002_taken_at_set", 3 "0003_reached", 4 "0004_rare_assets", 6 "0006_stores"];

impl Migration {
    fn script(&self) -> crate::sql::Sql {
        crate::sql::Sql::new(self.sqlite, self.postgres)
    }

    fn checksum(&self, conn: &Conn<'_>) -> Vec<u8> {
        Sha256::digest(self.script().of(conn.dialect()).as_bytes()).to_vec()
    }
}

/// Creates or upgrades our tables, within one transaction.
pub(super) async fn migrate(conn: &mut Conn<'_>) -> Result<()> {
    conn.unhurried().await?;
    conn.lock("migrate").await?;
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
    let applied =
        conn.all("SELECT version, checksum FROM medianest_migrations ORDER BY version", vec![]).await?;
    let mut newest = 0;
    for row in applied {
        let mut columns = row.columns();
        newest = columns.get()?;
        let checksum: Vec<u8> = columns.get()?;
        let ours = MIGRATIONS.iter().find(|migration| migration.version == newest).ok_or_else(too_new)?;
        if ours.checksum(conn) != checksum {
            return Err(Error::internal("a migration that was applied is not the one of this version")
                .with("migration", ours.name));
        }
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > newest) {
        conn.script(migration.script().of(conn.dialect())).await?;
        conn.run(
            sql!("INSERT INTO medianest_migrations (version, name, checksum, applied_at) \
                  VALUES ($1, $2, $3, " NOW ")"),
            args![migration.version, migration.name, migration.checksum(conn)],
        )
        .await?;
    }
    Ok(())
}

/// The clock, when our tables are those of this version.
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
        std::cmp::Ordering::Greater => Err(too_new()),
    }
}

fn too_new() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "schema_too_new",
        "a later version of this program has changed the tables; run that version or a later one",
    )
}
