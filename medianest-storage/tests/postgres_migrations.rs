//! D8: migrations that are cut off, that several processes begin at once, and programs of the version before, which
//! go on working beside.
#![cfg(feature = "postgres")]

mod before;

use before::{Before, before};
use medianest_core::{
    JobState, PageRequest, TenantId,
    catalog::{Catalog, EventLog, JobCatalog, JobQuery},
};
use medianest_storage::{PgPool, PostgresCatalog};
use medianest_testkit::postgres::{Database, database, database_like};
use std::{
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

const TENANT: TenantId = TenantId::DEFAULT;
const CHILD: &str = "MEDIANEST_TEST_MIGRATES";

async fn run(pool: &PgPool, script: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(script.to_owned())).execute(pool).await.unwrap();
}

async fn connect(database: &Database) -> PgPool {
    PgPool::connect(&database.url()).await.unwrap()
}

/// What the database consists of, and what is in it.
async fn described(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT concat_ws(' ', 'column', attrelid::regclass, attname, atttypid::regtype, attnotnull, attidentity::text, \
             pg_get_expr(adbin, adrelid)) \
         FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid \
         LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum \
         WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped \
         UNION ALL SELECT concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid) FROM pg_index \
         JOIN pg_class ON pg_class.oid = indrelid WHERE relnamespace = 'public'::regnamespace \
         UNION ALL SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid)) \
         FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
         UNION ALL SELECT concat_ws(' ', 'partition', inhrelid::regclass, 'of', inhparent::regclass) FROM pg_inherits \
         WHERE inhrelid::regclass::text NOT LIKE '%idx' \
         UNION ALL SELECT concat_ws(' ', 'applied', version, name, works_for) FROM medianest_migrations \
         UNION ALL SELECT concat_ws(' ', 'jobs', state, count(*)) FROM medianest_jobs GROUP BY state \
         UNION ALL SELECT concat_ws(' ', 'events', count(*), count(position)) FROM medianest_events ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

/// Does something, in place of each statement that changes tables from the `nth` on.
async fn instead_of(pool: &PgPool, nth: i64, what: &str) {
    let script = format!(
        "CREATE SEQUENCE public.test_statements; \
         CREATE FUNCTION public.test_interrupt() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF nextval('public.test_statements') >= {nth} THEN {what} END IF; END $$; \
         CREATE EVENT TRIGGER test_interrupt ON ddl_command_start EXECUTE FUNCTION public.test_interrupt();"
    );
    run(pool, &script).await;
}

async fn no_more_of_that(pool: &PgPool) {
    run(
        pool,
        "DROP EVENT TRIGGER test_interrupt; DROP FUNCTION public.test_interrupt(); DROP SEQUENCE public.test_statements",
    )
    .await;
}

/// The backend dies at each statement of the migration in turn; those who work go on; whoever migrates then comes to
/// the same end as if nothing had happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d8_a_migration_that_is_cut_off_anywhere_is_done_again() {
    let template = database();
    before(&template).await;
    let whole = {
        let database = database_like(template.name());
        let catalog = PostgresCatalog::connect(&database.url()).await.unwrap();
        catalog.migrate().await.unwrap();
        let whole = described(catalog.pool()).await;
        catalog.close().await;
        whole
    };
    assert!(whole.iter().any(|line| line == "partition medianest_jobs_0 of medianest_jobs"), "{whole:#?}");
    let mut cuts = 0;
    for nth in 1.. {
        let database = database_like(template.name());
        let pool = connect(&database).await;
        instead_of(&pool, nth, "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60);").await;
        let catalog = PostgresCatalog::connect(&database.url()).await.unwrap();
        let cut = catalog.migrate().await.is_err();
        no_more_of_that(&pool).await;
        let mut worker = Before::connect(&database).await;
        worker.works().await;
        if !cut {
            break;
        }
        cuts += 1;
        assert_eq!(catalog.check().await.unwrap_err().code(), "schema_outdated");
        worker.undo().await;
        catalog.migrate().await.unwrap();
        catalog.check().await.unwrap();
        assert_eq!(described(&pool).await, whole, "cut off at statement {nth}");
        worker.works().await;
        catalog.close().await;
    }
    assert!(cuts > 10, "the migration was cut off {cuts} times only");
}

/// The process dies, by SIGKILL, in the middle of a step.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d8_a_process_that_dies_while_it_migrates_is_in_nobodys_way() {
    if let Ok(url) = std::env::var(CHILD) {
        PostgresCatalog::connect(&url).await.unwrap().migrate().await.unwrap();
        return;
    }
    let template = database();
    before(&template).await;
    // Before the first step, within the first, in one that looks at all rows, within the last.
    for nth in [1, 5, 8, 14] {
        let database = database_like(template.name());
        let pool = connect(&database).await;
        // The server notices soon that a client is gone whose statement it is working on.
        let soon =
            format!("ALTER DATABASE {} SET client_connection_check_interval = '100ms'", database.name());
        run(&pool, &soon).await;
        instead_of(&pool, nth, "PERFORM pg_sleep(600);").await;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "d8_a_process_that_dies_while_it_migrates_is_in_nobodys_way", "--nocapture"])
            .env(CHILD, database.url())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
        while sqlx::query_scalar::<_, i64>(sleeps).fetch_one(&pool).await.unwrap() == 0 {
            assert!(begun.elapsed() < Duration::from_secs(120), "the child never came to statement {nth}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        no_more_of_that(&pool).await;
        let catalog = PostgresCatalog::connect(&database.url()).await.unwrap();
        let migrated = tokio::time::timeout(Duration::from_secs(120), catalog.migrate()).await;
        migrated.expect("nobody waits for the dead").unwrap();
        catalog.check().await.unwrap();
        Before::connect(&database).await.works().await;
        catalog.close().await;
    }
}

/// Several processes of the new version start while those of the version before are at work: nobody of these sees an
/// error, before, during or after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d8_replicas_migrate_at_once_beside_the_version_before() {
    let database = database();
    before(&database).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = JoinSet::new();
    for _ in 0..3 {
        let (mut worker, stop) = (Before::connect(&database).await, Arc::clone(&stop));
        workers.spawn(async move {
            let mut rounds = 0;
            while !stop.load(Ordering::Relaxed) {
                worker.works().await;
                rounds += 1;
            }
            rounds
        });
    }
    let mut replicas = JoinSet::new();
    for _ in 0..4 {
        let url = database.url();
        replicas.spawn(async move {
            let catalog = PostgresCatalog::connect(&url).await.unwrap();
            catalog.migrate().await.unwrap();
            catalog.check().await.unwrap();
            catalog.close().await;
        });
    }
    while let Some(migrated) = replicas.join_next().await {
        migrated.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(rounds) = workers.join_next().await {
        assert!(rounds.unwrap() > 0);
    }
    let alone = self::database();
    let catalog = PostgresCatalog::connect(&alone.url()).await.unwrap();
    catalog.migrate().await.unwrap();
    assert_eq!(migrations(&connect(&database).await).await, migrations(catalog.pool()).await);
}

/// What was applied.
async fn migrations(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("SELECT concat_ws(' ', version, name) FROM medianest_migrations ORDER BY 1")
        .fetch_all(pool)
        .await
        .unwrap()
}

/// What the version before writes on the new tables, the new one reads, and the reverse.
#[tokio::test]
async fn d8_an_old_program_on_a_new_schema() {
    let database = database();
    before(&database).await;
    let catalog = PostgresCatalog::connect(&database.url()).await.unwrap();
    catalog.migrate().await.unwrap();
    for of in medianest_core::catalog::Aging::ALL {
        catalog.begin_period(of, Duration::ZERO).await.unwrap();
    }
    let mut worker = Before::connect(&database).await;
    worker.works().await;
    let done = JobQuery { state: Some(JobState::Done), ..JobQuery::default() };
    let listed = catalog.list_jobs(TENANT, &done, &PageRequest::first()).await.unwrap().items;
    assert!(!listed.is_empty());
    let head = catalog.event_head().await.unwrap();
    assert!(head.position > 0);
    let tail = catalog.event_tail().await.unwrap();
    let (events, _) = catalog.read_all_events(tail, 1000).await.unwrap();
    assert_eq!(events.len() as u64, head.position - tail.position);
}

/// A running program stays ready while a later one expands the tables, and refuses those that it contracts.
#[tokio::test]
async fn d8_a_later_schema_is_refused_only_when_it_has_to_be() {
    let database = database();
    let catalog = PostgresCatalog::connect(&database.url()).await.unwrap();
    catalog.migrate().await.unwrap();
    let later = async |version: i64, works_for: Option<i64>| {
        sqlx::query("INSERT INTO medianest_migrations VALUES ($1, 'later', '', 0, $2)")
            .bind(version)
            .bind(works_for)
            .execute(catalog.pool())
            .await
            .unwrap();
    };
    later(9001, Some(5)).await;
    later(9002, Some(4)).await;
    catalog.check().await.unwrap();
    catalog.migrate().await.unwrap();
    for works_for in [Some(9003), None] {
        later(9003, works_for).await;
        assert_eq!(catalog.check().await.unwrap_err().code(), "schema_too_new");
        assert_eq!(catalog.migrate().await.unwrap_err().code(), "schema_too_new");
        run(catalog.pool(), "DELETE FROM medianest_migrations WHERE version = 9003").await;
        catalog.check().await.unwrap();
    }
}
