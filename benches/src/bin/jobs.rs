//! Jobs that do nothing, handed out by Redis alone, and from end to end over PostgreSQL; and what one
//! `UPDATE` of a row for each job costs there. Prints one line of JSON, in jobs a second:
//!
//! ```sh
//! cargo run --release -p medianest-benches --bin medianest-jobs -- \
//!   --database-url postgres://medianest@127.0.0.1:15544/jobs --redis-url redis://127.0.0.1:16399
//! ```
#![expect(clippy::print_stdout, reason = "this program talks to people")]

use clap::Parser;
use futures::{StreamExt, future::try_join_all};
use medianest_core::{
    Dispatcher, Engine, EventBus, JobId, JobKind, JobPayload, MemoryBlobs, MemoryBus, NewJob, Result,
    TenantId, Timestamp, Topic,
    catalog::{Catalog, JobCatalog},
};
use medianest_media::InProcess;
use medianest_storage::{PostgresCatalog, Redis, RedisBus, RedisDispatcher, SqliteCatalog};
use sqlx::Connection;
use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

const KIND: JobKind = JobKind::Understand;
/// Jobs that are queued by one command.
const COMMAND: usize = 1_000;
/// Connections of the catalog, and of whoever updates without it.
const CONNECTIONS: usize = 10;

#[derive(Debug, Parser)]
struct Arguments {
    /// A database for this alone.
    #[arg(long)]
    database_url: String,
    /// A Redis; keys begin with a prefix of their own.
    #[arg(long)]
    redis_url: String,
    /// How many jobs.
    #[arg(long, default_value_t = 20_000)]
    jobs: usize,
    /// Jobs that the worker does at the same time.
    #[arg(long, default_value_t = 50)]
    at_once: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { database_url, redis_url, jobs, at_once } = Arguments::parse();
    let redis = Redis::open(&redis_url)?.prefixed(&format!("bench:{}", JobId::new()));
    let catalog = Arc::new(PostgresCatalog::connect(&database_url).await?);
    catalog.migrate().await?;
    let dispatched = dispatched(&redis, jobs, at_once).await?;
    let done = done(&redis, &catalog, jobs, at_once).await?;
    let updated = updated(&catalog, &database_url, jobs).await?;
    println!(
        "{}",
        serde_json::json!({
            "dispatched_per_s": dispatched.round(), "done_per_s": done.round(), "updated_per_s": updated.round(),
        })
    );
    catalog.close().await;
    Ok(())
}

fn new(run_at: Option<Timestamp>) -> NewJob {
    NewJob {
        id: JobId::new(),
        tenant: TenantId::DEFAULT,
        kind: KIND,
        asset_id: None,
        library_id: None,
        payload: JobPayload::default(),
        priority: 0,
        run_at,
    }
}

/// Ids into Redis and out of it again. They come from a catalog in memory, whose jobs nobody claims: so they
/// come again and again.
async fn dispatched(redis: &Redis, jobs: usize, at_once: usize) -> Result<f64, Box<dyn Error>> {
    let catalog = SqliteCatalog::in_memory().await?;
    catalog.migrate().await?;
    catalog.enqueue(&(0..2 * COMMAND).map(|_| new(None)).collect::<Vec<_>>()).await?;
    let bus: Arc<dyn EventBus> = Arc::new(MemoryBus::new());
    let mut wakeups = bus.subscribe(Topic::Jobs);
    let dispatcher = RedisDispatcher::start(redis.clone(), Arc::new(catalog), Arc::clone(&bus)).await?;
    let (mut handed_out, mut begun) = (0, Instant::now());
    let mut warm = false;
    while handed_out < jobs {
        let ids = dispatcher.next(KIND, u32::try_from(at_once)?).await.ok_or("redis is away")?;
        if ids.is_empty() {
            let _ = tokio::time::timeout(Duration::from_secs(1), wakeups.next()).await;
        }
        handed_out += ids.len();
        if !warm && handed_out > COMMAND {
            (handed_out, begun, warm) = (0, Instant::now(), true);
        }
    }
    Ok(handed_out as f64 / begun.elapsed().as_secs_f64())
}

/// Jobs queued, handed out, leased, done and recorded: what a worker does but for the work itself.
async fn done(
    redis: &Redis,
    catalog: &Arc<PostgresCatalog>,
    jobs: usize,
    at_once: usize,
) -> Result<f64, Box<dyn Error>> {
    for _ in 0..jobs.div_ceil(COMMAND) {
        catalog.enqueue(&(0..COMMAND).map(|_| new(None)).collect::<Vec<_>>()).await?;
    }
    let jobs = jobs.next_multiple_of(COMMAND);
    let rows: Arc<dyn Catalog> = Arc::clone(catalog) as _;
    let bus: Arc<dyn EventBus> = Arc::new(RedisBus::start(redis));
    let dispatcher = RedisDispatcher::start(redis.clone(), Arc::clone(&rows), Arc::clone(&bus)).await?;
    let engine = Engine::builder()
        .catalog(rows)
        .blobs(MemoryBlobs::new())
        .processor(InProcess)
        .bus(bus)
        .dispatcher(dispatcher)
        .build()?;
    let begun = Instant::now();
    let worker = engine.worker().concurrency(KIND, at_once).concurrency(JobKind::Render, 0);
    let worker = tokio::spawn(worker.concurrency(JobKind::Transcode, 0).run());
    while !catalog.runnable(KIND, 1).await?.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let running = async || catalog.queue_stats().await.map(|all| all.iter().any(|stats| stats.running > 0));
    while running().await? {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = begun.elapsed().as_secs_f64();
    worker.abort();
    Ok(jobs as f64 / took)
}

/// One small update of a row for each job, by a pool of connections without any cost of its own.
async fn updated(catalog: &PostgresCatalog, url: &str, jobs: usize) -> Result<f64, Box<dyn Error>> {
    let never = Timestamp::from_secs(i64::from(u32::MAX));
    let waiting: Vec<_> = (0..jobs).map(|_| new(Some(never))).collect();
    for jobs in waiting.chunks(COMMAND) {
        catalog.enqueue(jobs).await?;
    }
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(sqlx::PgConnection::connect(url).await?);
    }
    let begun = Instant::now();
    let of_one = waiting.chunks(jobs.div_ceil(CONNECTIONS)).zip(&mut connections);
    try_join_all(of_one.map(async |(jobs, connection)| {
        for job in jobs {
            let update = sqlx::query("UPDATE medianest_jobs SET progress = 1 WHERE id = $1");
            update.bind(job.id.as_uuid()).execute(&mut *connection).await?;
        }
        Ok::<_, sqlx::Error>(())
    }))
    .await?;
    let took = begun.elapsed().as_secs_f64();
    sqlx::query("DELETE FROM medianest_jobs WHERE state = 'queued'").execute(catalog.pool()).await?;
    Ok(jobs as f64 / took)
}
