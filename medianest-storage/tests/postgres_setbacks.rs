//! [`PostgresCatalog`] while its servers fail: what is tried again, for how long, and where.
#![cfg(feature = "postgres")]

use medianest_core::{
    AssetId, ErrorKind, JobKind, NewJob, Result, TenantId,
    catalog::{Catalog, JobCatalog},
};
use medianest_storage::{PgPool, PostgresCatalog, PostgresOptions};
use medianest_testkit::postgres::{Server, database};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// After so long nobody is told any more that the database was away.
const RECOVERED: Duration = Duration::from_secs(10);
/// The same on a machine that is busy with something else.
const AT_LAST: Duration = Duration::from_secs(60);

/// Whatever the machine is busy with, it is not so three times.
async fn recovers_soon(setback: impl AsyncFn() -> Duration) {
    for _ in 0..3 {
        if setback().await < RECOVERED {
            return;
        }
    }
    panic!("three times somebody was refused for longer than {RECOVERED:?} after it was back");
}

async fn write(catalog: &PostgresCatalog) -> Result<()> {
    catalog.enqueue(&[NewJob::new(TenantId::DEFAULT, JobKind::Render, AssetId::new())]).await
}

/// Makes each write fail with this code, for as many attempts as are given; counts them.
async fn fail(pool: &PgPool, code: &str, attempts: u32) {
    let script = format!(
        "DROP SEQUENCE IF EXISTS attempts; CREATE SEQUENCE attempts; \
         CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF nextval('attempts') <= {attempts} THEN RAISE EXCEPTION 'as told' USING ERRCODE = '{code}'; END IF; \
         RETURN NEW; END $$; \
         CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON medianest_jobs FOR EACH ROW EXECUTE FUNCTION fail()"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(pool).await.unwrap();
}

/// D4: races that were lost are run again, but not for ever; what waited long enough is not.
#[tokio::test]
async fn d4_a_lost_race_is_run_again_a_few_times() {
    let database = database();
    let catalog = PostgresCatalog::connect(&database.url()).await.unwrap();
    catalog.migrate().await.unwrap();
    let pool = PgPool::connect(&database.url()).await.unwrap();
    let attempts = async || -> i64 {
        sqlx::query_scalar("SELECT last_value FROM attempts").fetch_one(&pool).await.unwrap()
    };
    // Serialization failure, deadlock.
    for code in ["40001", "40P01"] {
        fail(&pool, code, 3).await;
        write(&catalog).await.unwrap();
        assert_eq!(attempts().await, 4, "{code}");
        fail(&pool, code, 1000).await;
        let error = write(&catalog).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "lost_race"));
        assert_eq!(attempts().await, 6, "{code}");
    }
    // Statement timeout, lock timeout.
    for code in ["57014", "55P03"] {
        fail(&pool, code, 1000).await;
        assert_eq!(write(&catalog).await.unwrap_err().code(), "database_busy");
        assert_eq!(attempts().await, 1, "{code}");
    }
}

/// D3: a server that vanishes without a word, such as a machine without power, is given up after the time that a
/// statement may take, not when TCP does; what was under way ends, and all is well when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_a_server_that_vanishes_is_given_up() {
    let server = Server::start();
    let mut options = PostgresOptions::default();
    options.statement_timeout = Duration::from_secs(5);
    let catalog = PostgresCatalog::connect_with(&server.url("postgres"), &options).await.unwrap();
    catalog.migrate().await.unwrap();
    write(&catalog).await.unwrap();

    server.freeze();
    let begun = Instant::now();
    let (written, read) = tokio::join!(write(&catalog), catalog.queue_stats());
    for error in [written.unwrap_err(), read.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    }
    assert!(begun.elapsed() < 2 * AT_LAST, "{:?}", begun.elapsed());
    server.thaw();
    let begun = Instant::now();
    while write(&catalog).await.is_err() {
        assert!(begun.elapsed() < AT_LAST, "it is back, and nobody uses it");
    }
    catalog.queue_stats().await.unwrap();
    catalog.close().await;
}

/// A caller who goes away, at any moment of a write, leaves no transaction open behind them.
#[tokio::test]
async fn a_write_that_is_called_off_leaves_no_transaction_open() {
    let database = database();
    let catalog = PostgresCatalog::connect(&database.url()).await.unwrap();
    catalog.migrate().await.unwrap();
    let watch = PgPool::connect(&database.url()).await.unwrap();
    for polls in 0..120 {
        let mut writing = Box::pin(write(&catalog));
        for _ in 0..polls % 12 {
            if futures::poll!(&mut writing).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
            if polls % 3 == 0 {
                tokio::time::sleep(Duration::from_micros(50)).await;
            }
        }
        drop(writing);
    }
    let begun = Instant::now();
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                AND state LIKE 'idle in transaction%'";
    while sqlx::query_scalar::<_, i64>(open).fetch_one(&watch).await.unwrap() > 0 {
        // Less than what the server bears.
        assert!(begun.elapsed() < Duration::from_secs(30), "a transaction is open and nobody knows of it");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    write(&catalog).await.unwrap();
    catalog.close().await;
}

/// No session of ours waits for ever for a lock, runs for ever, or holds locks while it does nothing.
#[tokio::test]
async fn sessions_have_time_limits() {
    let database = database();
    let catalog = PostgresCatalog::connect(&database.url()).await.unwrap();
    for (setting, expected) in [
        ("statement_timeout", "30s"),
        ("lock_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "1min"),
    ] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(catalog.pool())
            .await
            .unwrap();
        assert_eq!(value, expected, "{setting}");
    }
}

/// Reads and writes all the time, and notes when it was told last that the database is away.
struct Load {
    stop: Arc<AtomicBool>,
    last_error: Arc<Mutex<Option<Instant>>>,
    tasks: JoinSet<u64>,
}

impl Load {
    fn start(catalog: &Arc<PostgresCatalog>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let last_error = Arc::new(Mutex::new(None));
        let mut tasks = JoinSet::new();
        for task in 0..8 {
            let (catalog, stop, last_error) =
                (Arc::clone(catalog), Arc::clone(&stop), Arc::clone(&last_error));
            tasks.spawn(async move {
                let mut done = 0;
                while !stop.load(Ordering::Relaxed) {
                    let outcome = match task % 2 {
                        0 => write(&catalog).await,
                        _ => catalog.queue_stats().await.map(drop),
                    };
                    match outcome {
                        Ok(()) => done += 1,
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                            *last_error.lock().unwrap() = Some(Instant::now());
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                }
                done
            });
        }
        Self { stop, last_error, tasks }
    }

    /// Waits until nobody was refused for a while, and tells how long after `since` that began.
    async fn recovered(mut self, since: Instant) -> Duration {
        const QUIET: Duration = Duration::from_secs(3);
        let took = loop {
            let last = self.last_error.lock().unwrap().unwrap_or(since).max(since);
            let took = last - since;
            assert!(took < AT_LAST, "somebody was refused {took:?} after it was back");
            if last.elapsed() > QUIET {
                break took;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        self.stop.store(true, Ordering::Relaxed);
        while let Some(done) = self.tasks.join_next().await {
            assert!(done.unwrap() > 0);
        }
        took
    }
}

/// D3: a server that crashes and starts again is used again by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_a_restart_is_soon_forgotten() {
    recovers_soon(restart).await;
}

async fn restart() -> Duration {
    let server = Server::start();
    let catalog = Arc::new(PostgresCatalog::connect(&server.url("postgres")).await.unwrap());
    catalog.migrate().await.unwrap();
    let load = Load::start(&catalog);
    let server = tokio::task::spawn_blocking(move || {
        server.kill();
        server.start_again();
        server
    });
    let _server = server.await.unwrap();
    let took = load.recovered(Instant::now()).await;
    catalog.close().await;
    took
}

/// D3: `kill -9` of one backend, after which PostgreSQL restarts all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_a_killed_backend_is_soon_forgotten() {
    recovers_soon(kill_backend).await;
}

async fn kill_backend() -> Duration {
    let server = Server::start();
    let catalog = Arc::new(PostgresCatalog::connect(&server.url("postgres")).await.unwrap());
    catalog.migrate().await.unwrap();
    let load = Load::start(&catalog);
    let server = tokio::task::spawn_blocking(move || {
        let of = "SELECT pid FROM pg_stat_activity WHERE application_name = 'medianest' LIMIT 1";
        let pid = server.ask(of);
        assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        server
    });
    let _server = server.await.unwrap();
    let took = load.recovered(Instant::now()).await;
    catalog.close().await;
    took
}

/// D3: `too many connections`: whoever finds none is told to come again, nobody hangs, and all is well as soon as there
/// is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_too_many_connections() {
    let server = Server::start();
    server.sql("CREATE ROLE app LOGIN CONNECTION LIMIT 4");
    server.sql("GRANT ALL ON SCHEMA public TO app");
    let url = server.url("postgres").replace("medianest@", "app@");
    let catalog = Arc::new(PostgresCatalog::connect(&url).await.unwrap());
    catalog.migrate().await.unwrap();
    catalog.close().await;
    let others = PgPool::connect(&url).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(others.acquire().await.unwrap());
    }

    let catalog = Arc::new(PostgresCatalog::connect(&url).await.unwrap());
    let mut calls = JoinSet::new();
    for _ in 0..16 {
        let catalog = Arc::clone(&catalog);
        calls.spawn(async move { write(&catalog).await });
    }
    let mut done = 0;
    while let Some(outcome) = calls.join_next().await {
        match outcome.unwrap() {
            Ok(()) => done += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
        }
    }
    assert!(done > 0, "there is one connection for all");
    drop(held);
    others.close().await;
    let begun = Instant::now();
    while futures::future::join_all((0..4).map(|_| write(&catalog))).await.iter().any(Result::is_err) {
        assert!(begun.elapsed() < AT_LAST, "there is room again, and nobody takes it");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    catalog.close().await;
}

/// D4: who waits for a lock for longer than a statement may take is told so, and may come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d4_limits_of_the_server_are_told() {
    let server = Server::start();
    let mut options = PostgresOptions::default();
    options.statement_timeout = Duration::from_secs(2);
    let catalog = PostgresCatalog::connect_with(&server.url("postgres"), &options).await.unwrap();
    catalog.migrate().await.unwrap();
    let holder = PgPool::connect(&server.url("postgres")).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    sqlx::query("LOCK TABLE medianest_jobs").execute(&mut *held).await.unwrap();
    let error = write(&catalog).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "database_busy"));
    held.rollback().await.unwrap();
    write(&catalog).await.unwrap();
    catalog.close().await;
}

/// D3: of several hosts the one is used that is the primary, also when another becomes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d3_a_replica_takes_over() {
    recovers_soon(failover).await;
}

async fn failover() -> Duration {
    let first = Server::start();
    let url = |one: &Server, two: &Server| {
        let hosts = format!("{},{}", one.socket().display(), two.socket().display());
        format!("postgres://medianest@localhost/postgres?host={hosts}&target_session_attrs=read-write")
    };
    PostgresCatalog::connect(&first.url("postgres")).await.unwrap().migrate().await.unwrap();
    let second = first.replica();
    let catalog = Arc::new(PostgresCatalog::connect(&url(&second, &first)).await.unwrap());
    write(&catalog).await.unwrap();

    let load = Load::start(&catalog);
    let servers = tokio::task::spawn_blocking(move || {
        first.kill();
        second.promote();
        (first, second)
    });
    let (_first, second) = servers.await.unwrap();
    let took = load.recovered(Instant::now()).await;
    let there = second.ask("SELECT count(*) FROM medianest_jobs").parse::<u64>().unwrap();
    write(&catalog).await.unwrap();
    assert_eq!(second.ask("SELECT count(*) FROM medianest_jobs").parse::<u64>().unwrap(), there + 1);
    catalog.close().await;
    took
}
