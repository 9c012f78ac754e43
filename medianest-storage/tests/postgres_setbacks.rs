//! [`PostgresCatalog`] while its servers fail: what is tried again, for how long, and where.
#![cfg(feature = "postgres")]

use medianest_core::{
    AssetId, ErrorKind, JobKind, NewJob, Result, TenantId,
    catalog::{Catalog, JobCatalog},
};
use medianest_storage::{PgPool, PostgresCatalog};
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

/// Races that were lost are run again, but not for ever; what waited long enough is not.
#[tokio::test]
async fn a_lost_race_is_run_again_a_few_times() {
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

/// A server that crashes and starts again is used again by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_soon_forgotten() {
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

/// Of several hosts the one is used that is the primary, also when another becomes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over() {
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
