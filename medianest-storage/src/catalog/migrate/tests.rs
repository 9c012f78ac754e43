use super::{MIGRATIONS, steps::steps};

/// What takes something away from programs of the version before, or makes them wait.
const CONTRACTING: &[&str] = &[
    "DROP TABLE",
    "DROP COLUMN",
    "DROP CONSTRAINT",
    "DROP DEFAULT",
    "DROP INDEX",
    "DROP IDENTITY",
    "DROP VIEW",
    "DROP SEQUENCE",
    "RENAME ",
    "SET NOT NULL",
    " TYPE ",
    "ADD CONSTRAINT",
    "ADD CHECK",
    "ADD UNIQUE",
    "ADD PRIMARY KEY",
    "ADD FOREIGN KEY",
    "TRUNCATE",
    "DELETE FROM",
    "CREATE TRIGGER",
    "CREATE RULE",
];

/// The statements that no program of the version before would survive, of those that do not say why it would
/// (`-- expansion: …` in the line before).
fn contracting(script: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut excused = false;
    for statement in script.split_inclusive(';') {
        let code: Vec<&str> = statement.lines().map(|line| line.split("--").next().unwrap_or("")).collect();
        let code = code.join(" ").split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase();
        excused |= statement.lines().any(|line| line.trim_start().starts_with("-- expansion: "));
        let demands = code.contains("ADD COLUMN") && code.contains("NOT NULL") && !code.contains("DEFAULT");
        if !excused && (demands || CONTRACTING.iter().any(|word| code.contains(word))) {
            found.push(code.clone());
        }
        if !code.is_empty() {
            excused = false;
        }
    }
    found
}

/// D8: a migration that says that programs of before go on takes nothing from them. Those that were there before
/// this was asked for are left as they are.
#[test]
fn what_claims_to_be_an_expansion_is_one() {
    for migration in MIGRATIONS.iter().filter(|migration| migration.works_for < migration.version) {
        for script in [migration.sqlite, migration.postgres] {
            let contracting = contracting(script);
            assert!(contracting.is_empty(), "{}: {contracting:#?}", migration.name);
        }
    }
}

#[test]
fn what_contracts_is_recognised() {
    for contracts in [
        "ALTER TABLE medianest_assets DROP COLUMN name;",
        "alter table medianest_assets\n    rename column name TO title;",
        "ALTER TABLE medianest_assets ADD COLUMN rating bigint NOT NULL;",
        "ALTER TABLE medianest_assets ALTER COLUMN size TYPE text;",
        "CREATE TABLE medianest_x (y bigint); DROP TABLE medianest_assets;",
        "-- expansion: this one is not needed\nCREATE TABLE medianest_x (y bigint);\nDROP TABLE medianest_assets;",
    ] {
        assert_eq!(contracting(contracts).len(), 1, "{contracts}");
    }
    for expands in [
        "-- DROP TABLE medianest_assets;\nCREATE TABLE medianest_x (y bigint NOT NULL);",
        "ALTER TABLE medianest_assets ADD COLUMN rating bigint NOT NULL DEFAULT 0;",
        "-- expansion: nobody reads it\nALTER TABLE medianest_assets DROP COLUMN name;",
    ] {
        assert!(contracting(expands).is_empty(), "{expands}");
    }
}

/// Versions follow each other, and each says a version that there is.
#[test]
fn versions_are_in_order() {
    for (before, migration) in MIGRATIONS.iter().zip(&MIGRATIONS[1..]) {
        assert!(before.version < migration.version, "{}", migration.name);
        assert!(before.works_for <= migration.works_for && migration.works_for <= migration.version);
        assert!(migration.name.starts_with(&format!("{:04}_", migration.version)));
    }
}

/// In a transaction no index can be made beside writers; outside of one, only one statement at a time.
#[test]
fn indexes_on_tables_that_were_there_are_made_outside_of_transactions() {
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > 4) {
        for step in steps(migration.postgres) {
            let code = step.sql.lines().filter(|line| !line.trim_start().starts_with("--"));
            let code = code.collect::<Vec<_>>().join(" ");
            if step.outside && code.starts_with("DO ") {
                assert!(code.contains("COMMIT;"), "{code}");
                continue;
            }
            if step.outside {
                assert!(code.contains("INDEX CONCURRENTLY IF NOT EXISTS medianest_"), "{code}");
                assert_eq!(code.matches(';').count(), 1, "{code}");
                continue;
            }
            let makes_index =
                |statement: &&str| statement.contains("CREATE") && statement.contains(" INDEX ");
            for index in code.split(';').filter(makes_index) {
                let table = index.split(" ON ").nth(1).and_then(|on| on.split_whitespace().next()).unwrap();
                assert!(code.contains(&format!("CREATE TABLE {table} ")), "{}: {index}", migration.name);
            }
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::super::{MIGRATIONS, Migration, migrate_to, steps};
    use crate::{PgPool, PostgresCatalog, catalog::Backend};
    use futures::FutureExt;
    use medianest_core::catalog::Catalog;
    use medianest_testkit::postgres::database;
    use std::time::{Duration, Instant};

    const INDEX: Migration = Migration {
        version: 9001,
        name: "9001_index",
        works_for: 1,
        sqlite: "",
        postgres: "-- An index.\n-- step: outside\n\
                   CREATE INDEX CONCURRENTLY IF NOT EXISTS medianest_queues_paused ON medianest_queues (paused);\n",
    };

    async fn until(pool: &PgPool, condition: &'static str) {
        let begun = Instant::now();
        while !sqlx::query_scalar::<_, bool>(condition).fetch_one(pool).await.unwrap() {
            assert!(begun.elapsed() < Duration::from_secs(60), "never: {condition}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// D8: what the version before wrote into the search index gets its marks, also when that was cut off, and what it
    /// writes from then on has them.
    #[tokio::test]
    async fn d8_what_is_found_by_words_is_marked() {
        let database = database();
        let catalog = PostgresCatalog::connect(&database.url()).await.unwrap();
        catalog.backend.alone("migrate", |c, ()| migrate_to(c, &MIGRATIONS[..7]).boxed()).await.unwrap();
        let pool = PgPool::connect(&database.url()).await.unwrap();
        let write = async |numbers: &str| {
            // Without the assets that they are of: no constraint is looked at.
            let script = format!(
                "SET session_replication_role = replica; \
                 INSERT INTO medianest_search SELECT seq, 'word'::tsvector FROM unnest(ARRAY[{numbers}]) AS seq; \
                 RESET session_replication_role"
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&pool).await.unwrap();
        };
        let unmarked = async || {
            let unmarked = "SELECT count(*) FROM medianest_search WHERE NOT \
                words @@ ('word & near' || to_hex(seq >> 12) || ' & far' || to_hex(seq >> 15))::tsquery";
            sqlx::query_scalar::<_, i64>(unmarked).fetch_one(&pool).await.unwrap()
        };
        write("1, 2, 511, 512, 513, 1023, 5000, 40000, 1000001").await;
        assert_eq!(unmarked().await, 9);
        // As after a first part.
        let marks = "UPDATE medianest_search SET words = 'word near0 far0' WHERE seq < 512";
        sqlx::raw_sql(marks).execute(&pool).await.unwrap();
        catalog.migrate().await.unwrap();
        assert_eq!(unmarked().await, 0);
        let always = "ALTER TABLE medianest_search ENABLE ALWAYS TRIGGER medianest_search_stretches";
        sqlx::raw_sql(always).execute(&pool).await.unwrap();
        write("3, 1000002").await;
        assert_eq!(unmarked().await, 0);
    }

    /// D8: nobody who writes waits for the index, and one that was cut off is made anew.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn d8_an_index_is_made_beside_writers_and_anew_when_it_was_cut_off() {
        let database = database();
        let catalog = PostgresCatalog::connect(&database.url()).await.unwrap();
        catalog.migrate().await.unwrap();
        let pool = PgPool::connect(&database.url()).await.unwrap();
        // Who began before holds the index up.
        let mut writer = pool.begin().await.unwrap();
        sqlx::query("INSERT INTO medianest_queues VALUES ('slow', FALSE)")
            .execute(&mut *writer)
            .await
            .unwrap();

        let making = tokio::spawn(async move {
            catalog.backend.alone("migrate", |c, ()| steps::apply(c, &INDEX).boxed()).await.map(|()| catalog)
        });
        until(
            &pool,
            "SELECT EXISTS (SELECT 1 FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%')",
        )
        .await;
        let quick = sqlx::query("INSERT INTO medianest_queues VALUES ('quick', FALSE)").execute(&pool);
        tokio::time::timeout(Duration::from_secs(20), quick).await.expect("writers do not wait").unwrap();
        until(&pool, "SELECT bool_and(pg_terminate_backend(pid, 60000)) FROM pg_stat_progress_create_index")
            .await;
        until(
            &pool,
            "SELECT EXISTS (SELECT 1 FROM pg_index WHERE indexrelid = to_regclass('medianest_queues_paused') \
             AND NOT indisvalid)",
        )
        .await;
        writer.commit().await.unwrap();
        let catalog = making.await.unwrap().unwrap();
        until(
            &pool,
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'medianest_queues_paused'::regclass",
        )
        .await;
        assert_eq!(catalog.check().await.err().map(|error| error.code().to_owned()), None);
        catalog.close().await;
    }
}
