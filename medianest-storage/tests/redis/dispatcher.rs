//! [`RedisDispatcher`]: whatever happens to Redis, each job is done once.

use crate::support::{connect, connected, in_the_end};
use futures::future::join_all;
use medianest_core::{
    ByteSource, Dispatcher, Engine, Error, EventBus, Facts, JobId, JobKind, JobPayload, JobState, Limits,
    MediaProcessor, MediaType, MemoryBlobs, MemoryBus, NewJob, PageRequest, PartSink, RenderTask, Result,
    TenantId, Topic, Variant,
    catalog::{Catalog, JobQuery},
    engine::EngineOptions,
};
use medianest_storage::{Redis, RedisDispatcher, SqliteCatalog};
use medianest_testkit::redis::{Cluster, Server, cluster, server};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

const TENANT: TenantId = TenantId::DEFAULT;

/// There is no media in these tests.
#[derive(Debug)]
struct Nothing;

impl MediaProcessor for Nothing {
    fn sniff(&self, _: &[u8]) -> Option<MediaType> {
        None
    }

    fn understand(&self, _: &dyn ByteSource, _: &Limits) -> Result<Facts> {
        Err(Error::internal("no media"))
    }

    fn render(
        &self,
        _: &dyn ByteSource,
        _: &Facts,
        _: &[RenderTask],
        _: &Limits,
        _: &mut dyn PartSink,
    ) -> Result<()> {
        Err(Error::internal("no media"))
    }

    fn renderer(&self, _: &Variant) -> String {
        String::from("nothing")
    }
}

async fn rows() -> Arc<dyn Catalog> {
    let catalog = SqliteCatalog::in_memory().await.unwrap();
    catalog.migrate().await.unwrap();
    Arc::new(catalog)
}

fn jobs(count: usize, kind: JobKind, priority: i16) -> Vec<NewJob> {
    let new = |_| NewJob {
        id: JobId::new(),
        tenant: TENANT,
        kind,
        asset_id: None,
        library_id: None,
        payload: JobPayload::default(),
        priority,
        run_at: None,
    };
    (0..count).map(new).collect()
}

/// Workers of as many processes, over one catalog.
struct Fleet {
    catalog: Arc<dyn Catalog>,
    bus: Arc<dyn EventBus>,
    dispatchers: Vec<Arc<dyn Dispatcher>>,
    stop: CancellationToken,
    running: Vec<tokio::task::JoinHandle<Result<()>>>,
}

impl Fleet {
    async fn start(redis: &[Redis]) -> Self {
        let catalog = rows().await;
        let (bus, stop): (Arc<dyn EventBus>, _) = (Arc::new(MemoryBus::new()), CancellationToken::new());
        let mut fleet = Self { catalog, bus, dispatchers: Vec::new(), stop, running: Vec::new() };
        for redis in redis {
            let dispatcher =
                RedisDispatcher::start(redis.clone(), Arc::clone(&fleet.catalog), Arc::clone(&fleet.bus));
            let dispatcher: Arc<dyn Dispatcher> = Arc::new(dispatcher.await.unwrap());
            let mut options = EngineOptions::default();
            options.poll = Duration::from_millis(200);
            let engine = Engine::builder()
                .catalog(Arc::clone(&fleet.catalog))
                .blobs(MemoryBlobs::new())
                .processor(Nothing)
                .bus(Arc::clone(&fleet.bus))
                .dispatcher(Arc::clone(&dispatcher))
                .options(options)
                .build()
                .unwrap();
            let worker = engine
                .worker()
                .concurrency(JobKind::Understand, 8)
                .concurrency(JobKind::Render, 8)
                .shutdown(fleet.stop.clone());
            fleet.dispatchers.push(dispatcher);
            fleet.running.push(tokio::spawn(worker.run()));
        }
        fleet
    }

    async fn enqueue(&self, jobs: &[NewJob]) {
        self.catalog.enqueue(jobs).await.unwrap();
        self.bus.wake(Topic::Jobs);
    }

    async fn left(&self) -> u64 {
        let stats = self.catalog.queue_stats().await.unwrap();
        stats.iter().map(|queue| queue.runnable + queue.delayed + queue.running).sum()
    }

    async fn until_left(&self, most: u64) {
        let waiting = async {
            while self.left().await > most {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(240), waiting).await.expect("the jobs are done in the end");
    }

    /// Each job was given to a worker once, and done.
    async fn all_done_once(self, count: usize) {
        self.until_left(0).await;
        self.stop.cancel();
        join_all(self.running).await.into_iter().for_each(|ended| ended.unwrap().unwrap());
        let (mut page, mut seen) = (PageRequest::first(), 0);
        loop {
            let jobs = self.catalog.list_jobs(TENANT, &JobQuery::default(), &page).await.unwrap();
            for job in &jobs.items {
                assert_eq!((job.state, job.attempt, job.crashes), (JobState::Done, 1, 0), "{job:?}");
            }
            seen += jobs.items.len();
            match jobs.next_cursor {
                Some(cursor) => page = PageRequest::new(Some(PageRequest::MAX_LIMIT), Some(cursor)).unwrap(),
                None => break,
            }
        }
        assert_eq!(seen, count);
    }
}

/// Killed with all it had, and for a while nobody there.
#[tokio::test(flavor = "multi_thread")]
async fn p14_none_of_ten_thousand_jobs_is_lost_with_redis() {
    let mut server = Server::start(&[]);
    let redis = connect(&server.url());
    let fleet = Fleet::start(&[redis.clone(), redis]).await;
    fleet.enqueue(&jobs(6_000, JobKind::Understand, 0)).await;
    fleet.enqueue(&jobs(3_000, JobKind::Render, 0)).await;
    fleet.until_left(6_000).await;
    server.kill();
    fleet.until_left(4_000).await;
    assert_eq!(fleet.dispatchers[0].next(JobKind::Transcode, 1).await, None);
    server.restart();
    in_the_end(|| async {
        let next = fleet.dispatchers[0].next(JobKind::Transcode, 1).await;
        next.ok_or_else(|| Error::internal("not yet"))
    })
    .await;
    fleet.enqueue(&jobs(1_000, JobKind::Understand, 0)).await;
    fleet.all_done_once(10_000).await;
}

/// Made, and worked on, before there is anybody to hand them out.
#[tokio::test(flavor = "multi_thread")]
async fn p15_jobs_do_not_wait_for_redis() {
    let mut server = Server::start(&[]);
    server.kill();
    let redis = connect(&server.url());
    let fleet = Fleet::start(&[redis.clone(), redis]).await;
    fleet.enqueue(&jobs(500, JobKind::Understand, 0)).await;
    fleet.all_done_once(500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_jobs_through_a_cluster_of_which_a_primary_dies() {
    let mut servers = Cluster::start();
    let redis = Redis::open(&servers.url()).unwrap();
    let fleet = Fleet::start(&[redis.clone(), redis]).await;
    fleet.enqueue(&jobs(3_000, JobKind::Understand, 0)).await;
    fleet.until_left(2_000).await;
    servers.primary_of("medianest:{jobs:understand}:ready").kill();
    fleet.all_done_once(3_000).await;
}

/// FLUSHALL, again and again.
#[tokio::test(flavor = "multi_thread")]
async fn d1_what_redis_forgot_is_read_again() {
    let server = Server::start(&[]);
    let redis = connected(&server.url()).await;
    let fleet = Fleet::start(&[redis.clone(), redis]).await;
    fleet.enqueue(&jobs(5_000, JobKind::Understand, 0)).await;
    for left in [4_000, 3_000, 2_000, 1_000] {
        fleet.until_left(left).await;
        server.cli(&["FLUSHALL"]);
    }
    fleet.all_done_once(5_000).await;
}

/// It answers, but takes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn d1_jobs_do_not_wait_for_a_redis_that_is_full() {
    let server = Server::start(&[]);
    let redis = connected(&server.url()).await;
    let fleet = Fleet::start(&[redis.clone(), redis]).await;
    fleet.enqueue(&jobs(500, JobKind::Understand, 0)).await;
    fleet.until_left(400).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    fleet.enqueue(&jobs(500, JobKind::Understand, 0)).await;
    fleet.until_left(0).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    in_the_end(|| async {
        let next = fleet.dispatchers[0].next(JobKind::Transcode, 1).await;
        next.ok_or_else(|| Error::internal("not yet"))
    })
    .await;
    fleet.all_done_once(1_000).await;
}

/// Ids that come again, of jobs that are done, and of none at all.
#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_handed_out_twice_are_harmless() {
    let server = Server::start(&[]);
    let redis = Redis::open(&server.url()).unwrap();
    let fleet = Fleet::start(&[redis.clone(), redis]).await;
    let jobs = jobs(2_000, JobKind::Understand, 0);
    fleet.enqueue(&jobs).await;
    for _ in 0..3 {
        for some in jobs.chunks(400) {
            let invented = JobId::new().to_string();
            let ids: Vec<_> = some.iter().map(|job| job.id.to_string()).collect();
            let mut add = vec!["ZADD", "medianest:{jobs:understand}:ready", "0", &invented];
            ids.iter().for_each(|id| add.extend(["0", id]));
            server.cli(&add);
        }
        fleet.bus.wake(Topic::Jobs);
    }
    fleet.all_done_once(2_000).await;
}

#[tokio::test]
async fn the_urgent_come_first_and_delayed_or_paused_ones_not_at_all() {
    let catalog = rows().await;
    let bus: Arc<dyn EventBus> = Arc::new(MemoryBus::new());
    let redis = connected(&cluster().url()).await;
    let dispatcher = RedisDispatcher::start(redis, Arc::clone(&catalog), bus).await.unwrap();
    let (kind, other) = (JobKind::Render, JobKind::Transcode);
    let mut rows: Vec<_> = [0, 9, -9].iter().flat_map(|priority| jobs(2, kind, *priority)).collect();
    rows[1].run_at = Some(medianest_core::Timestamp::from_secs(33_000_000_000));
    catalog.enqueue(&rows).await.unwrap();
    catalog.enqueue(&jobs(1, other, 0)).await.unwrap();
    catalog.set_paused(other, true).await.unwrap();
    let first = in_the_end(|| async {
        let ids = dispatcher.next(kind, 1).await.ok_or_else(|| Error::internal("away"))?;
        ids.first().copied().ok_or_else(|| Error::internal("not yet"))
    });
    let mut taken = vec![first.await];
    taken.extend(dispatcher.next(kind, 10).await.unwrap());
    let wanted = [2, 3, 0, 4, 5].map(|n: usize| rows[n].id);
    assert_eq!(taken, wanted);
    assert_eq!(dispatcher.next(other, 10).await, Some(Vec::new()));
}

/// What waits is looked at again before it has been handed out.
#[tokio::test]
async fn what_becomes_urgent_overtakes_what_waits() {
    let catalog = rows().await;
    let bus: Arc<dyn EventBus> = Arc::new(MemoryBus::new());
    let dispatcher =
        RedisDispatcher::start(connected(&server().url()).await, Arc::clone(&catalog), bus).await.unwrap();
    let (kind, count) = (JobKind::Render, 900);
    catalog.enqueue(&jobs(count, kind, 0)).await.unwrap();
    let next = || async {
        let ids = dispatcher.next(kind, 1).await.ok_or_else(|| Error::internal("away"))?;
        ids.first().copied().ok_or_else(|| Error::internal("not yet"))
    };
    in_the_end(next).await;
    let urgent = jobs(1, kind, 1);
    catalog.enqueue(&urgent).await.unwrap();
    let mut taken = 0;
    while in_the_end(next).await != urgent[0].id {
        taken += 1;
        assert!(taken < count - 1, "it came last");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn d1_a_server_that_evicts_is_refused_with_the_line_that_mends_it() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let redis = connected(&server.url()).await;
    let (catalog, bus): (_, Arc<dyn EventBus>) = (rows().await, Arc::new(MemoryBus::new()));
    let start = || RedisDispatcher::start(redis.clone(), Arc::clone(&catalog), Arc::clone(&bus));
    let error = start().await.unwrap_err();
    assert_eq!(error.code(), "redis_evicts");
    let line = error.message().split('`').find_map(|part| part.strip_prefix("redis-cli ")).unwrap();
    server.cli(&line.split(' ').collect::<Vec<_>>());
    assert!(start().await.unwrap().next(JobKind::Render, 1).await.is_some());
}
