//! P4: what is handed out twice, one after the other or at the same time, is done once.

use crate::support::{Nest, eager, nest_with};
use async_trait::async_trait;
use medianest_core::{
    Asset, AssetState, Dispatcher, JobId, JobKind, JobState, NewJob, PageRequest, RenditionState, TenantId,
    Upload,
    catalog::{Catalog, JobQuery},
    event_kinds,
};
use medianest_storage::SqliteCatalog;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Hands out every job that there ever was, to everybody, again and again.
#[derive(Debug)]
struct Repeating {
    catalog: Arc<dyn Catalog>,
    /// How often each was handed out.
    times: Arc<Mutex<BTreeMap<JobId, u32>>>,
}

#[async_trait]
impl Dispatcher for Repeating {
    async fn next(&self, kind: JobKind, _: u32) -> Option<Vec<JobId>> {
        // So that a worker that finds nothing to do does not keep others from it.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let query = JobQuery { kind: Some(kind), ..JobQuery::default() };
        let jobs = self.catalog.list_jobs(TenantId::DEFAULT, &query, &PageRequest::first()).await.ok()?;
        let ids: Vec<_> = jobs.items.iter().map(|job| job.id).collect();
        let mut times = self.times.lock().unwrap();
        ids.iter().for_each(|id| *times.entry(*id).or_default() += 1);
        Some(ids)
    }
}

/// All work is done, and every job was handed out a few times since.
async fn work(nest: &Nest, workers: usize, times: &Mutex<BTreeMap<JobId, u32>>) {
    let stop = CancellationToken::new();
    let worker = || nest.engine.worker().shutdown(stop.clone()).run();
    let running: Vec<_> = (0..workers).map(|_| tokio::spawn(worker())).collect();
    let done = async {
        while !all_have_ended(nest).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        times.lock().unwrap().clear();
        let jobs = jobs(nest).await.len();
        let is_enough = || {
            let times = times.lock().unwrap();
            times.len() == jobs && times.values().all(|times| *times > 3)
        };
        while !is_enough() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), done).await.expect("the work never ends");
    stop.cancel();
    for worker in running {
        worker.await.unwrap().unwrap();
    }
}

async fn jobs(nest: &Nest) -> Vec<medianest_core::Job> {
    let page = PageRequest::first();
    nest.catalog.list_jobs(TenantId::DEFAULT, &JobQuery::default(), &page).await.unwrap().items
}

async fn all_have_ended(nest: &Nest) -> bool {
    jobs(nest).await.iter().all(|job| !matches!(job.state, JobState::Queued | JobState::Running))
}

async fn repeating() -> (Nest, Arc<Mutex<BTreeMap<JobId, u32>>>) {
    let catalog: Arc<dyn Catalog> = Arc::new(SqliteCatalog::in_memory().await.unwrap());
    catalog.migrate().await.unwrap();
    let times = Arc::default();
    let dispatcher = Repeating { catalog: catalog.clone(), times: Arc::clone(&times) };
    let shared = catalog.clone();
    let mut nest =
        nest_with(move |builder| builder.options(eager()).catalog(shared).dispatcher(dispatcher)).await;
    nest.catalog = catalog;
    (nest, times)
}

/// One ready rendition of each variant with its four parts or its one, and nothing else in the store.
async fn assert_one_set(nest: &Nest, asset: &Asset) {
    let asset = nest.engine.as_system().require(asset.id).await.unwrap();
    assert_eq!(asset.state, AssetState::Ready);
    let renditions = nest.catalog.list_renditions(asset.id).await.unwrap();
    let mut keys = vec![asset.blob.key.to_string()];
    let mut variants = BTreeMap::new();
    for rendition in renditions {
        assert_eq!(rendition.state, RenditionState::Ready, "{rendition:?}");
        *variants.entry(rendition.variant.to_string()).or_insert(0) += 1;
        keys.extend(
            nest.catalog.list_parts(rendition.id).await.unwrap().iter().map(|part| part.key.to_string()),
        );
    }
    assert!(variants.len() > 5 && variants.values().all(|count| *count == 1), "{variants:?}");
    let mut stored = nest.keys().await;
    keys.sort();
    stored.sort();
    assert_eq!(stored, keys);
    nest.engine.housekeeping().once().await.unwrap();
    let events = nest.engine.events().consumer("p4").await.unwrap().next().await.unwrap();
    let ready = events.iter().filter(|event| event.kind == event_kinds::ASSET_READY).count();
    assert_eq!(ready, 1, "{events:?}");
}

#[tokio::test]
async fn p4_jobs_of_each_kind_that_are_handed_out_again_and_again_are_done_once() {
    for workers in [1, 4] {
        let (nest, times) = repeating().await;
        let asset = nest.engine.as_system().ingest(Upload::from_bytes("a.mp4", "video x")).await.unwrap();
        work(&nest, workers, &times).await;
        let jobs = jobs(&nest).await;
        let mut kinds: Vec<_> = jobs.iter().map(|job| job.kind.as_str()).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["render", "transcode", "understand"]);
        for job in jobs {
            assert_eq!((job.state, job.attempt), (JobState::Done, 1), "{job:?}");
        }
        let rendered = nest.rendered();
        let mut once = rendered.clone();
        once.dedup();
        assert_eq!(rendered, once, "each variant was rendered once");
        assert_one_set(&nest, &asset).await;
    }
}

/// The same work, as a second row.
#[tokio::test]
async fn p4_jobs_of_each_kind_that_are_queued_twice_leave_one_set() {
    for workers in [1, 4] {
        let (nest, times) = repeating().await;
        let asset = nest.engine.as_system().ingest(Upload::from_bytes("a.mp4", "video x")).await.unwrap();
        let again = NewJob::new(asset.tenant, JobKind::Understand, asset.id);
        nest.catalog.enqueue(&[again]).await.unwrap();
        nest.processor.hang.store(1, std::sync::atomic::Ordering::SeqCst);
        let doubled = async {
            // As soon as there are renditions to make, their jobs come twice.
            let first = loop {
                let (read, heavy): (Vec<_>, Vec<_>) =
                    jobs(&nest).await.into_iter().partition(|job| job.kind == JobKind::Understand);
                if read.iter().all(|job| job.state == JobState::Done) && !heavy.is_empty() {
                    break heavy;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            let again = first.iter().map(|job| {
                NewJob::new(asset.tenant, job.kind, asset.id).renditions(job.payload.renditions.clone())
            });
            nest.catalog.enqueue(&again.collect::<Vec<_>>()).await.unwrap();
            nest.processor.hang.store(0, std::sync::atomic::Ordering::SeqCst);
        };
        futures::join!(work(&nest, workers, &times), doubled);
        for job in jobs(&nest).await {
            assert!(matches!(job.state, JobState::Done | JobState::Cancelled), "{job:?}");
        }
        assert_one_set(&nest, &asset).await;
    }
}
