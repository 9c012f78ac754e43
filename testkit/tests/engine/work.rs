//! Workers: shutdown, resumption, cancelling.

use crate::support::{eager, nest, nest_with};
use medianest_core::{
    AssetState, ErrorKind, JobKind, JobState, PageRequest, Principal, Upload,
    catalog::{Claim, JobQuery},
};
use std::{sync::atomic::Ordering, time::Duration};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn an_interrupted_rendition_goes_on_where_it_stopped() {
    let nest = nest().await;
    let media = nest.engine.as_system();
    // The pictures take four parts; then the first rung breaks off after two of its own.
    nest.processor.break_after.lock().unwrap().extend([2, 1000]);
    let asset = media.ingest(Upload::from_bytes("a.mp4", "video x")).await.unwrap();
    nest.work().await;
    let resumed = nest.processor.rendered.lock().unwrap().clone();
    assert!(resumed.iter().any(|(_, first_part)| *first_part == 2), "{resumed:?}");
    assert_eq!(media.require(asset.id).await.unwrap().state, AssetState::Ready);
    for variant in ["480p", "720p", "audio"] {
        let content =
            media.content(asset.id, &format!("renditions/{variant}").parse().unwrap()).await.unwrap();
        let text = media.read_all(&content).await.unwrap();
        let whole: String = (0..4).map(|part| format!("[{variant} {part}]")).collect();
        assert_eq!(text, whole);
    }
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_hands_its_job_back() {
    let nest = nest_with(|builder| builder.options(eager())).await;
    let media = nest.engine.as_system();
    nest.processor.hang.store(1, Ordering::SeqCst);
    let asset = media.ingest(Upload::from_bytes("a.jpg", "image x")).await.unwrap();
    let stop = CancellationToken::new();
    let worker = nest.engine.worker().shutdown(stop.clone()).grace(Duration::ZERO).run();
    let running = tokio::spawn(worker);
    let query = JobQuery { kind: Some(JobKind::Render), ..JobQuery::default() };
    loop {
        let jobs = media.jobs(&query, &PageRequest::first()).await.unwrap().items;
        if jobs.first().is_some_and(|job| job.state == JobState::Running) {
            break;
        }
        tokio::task::yield_now().await;
    }
    stop.cancel();
    running.await.unwrap().unwrap();
    let job = media.jobs(&query, &PageRequest::first()).await.unwrap().items.remove(0);
    assert_eq!((job.state, job.failures, job.crashes), (JobState::Queued, 0, 0));
    nest.processor.hang.store(0, Ordering::SeqCst);
    nest.work().await;
    assert_eq!(media.require(asset.id).await.unwrap().state, AssetState::Ready);
}

#[tokio::test]
async fn a_deleted_asset_is_not_rendered() {
    let nest = nest().await;
    let media = nest.engine.as_system();
    let asset = media.ingest(Upload::from_bytes("a.jpg", "image x")).await.unwrap();
    media.trash(asset.id).await.unwrap();
    media.delete(asset.id).await.unwrap();
    nest.work().await;
    assert!(nest.rendered().is_empty());
    assert!(nest.keys().await.is_empty());
}

/// Waits until something is so; that it never is fails the test.
async fn until<F: Future<Output = bool>>(mut so: impl FnMut() -> F) {
    let waiting = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it never came to that");
}

#[tokio::test]
async fn a_worker_that_is_dropped_lets_its_jobs_go() {
    let mut options = eager();
    options.lease = Duration::from_millis(30);
    let nest = nest_with(|builder| builder.options(options)).await;
    let media = nest.engine.as_system();
    nest.processor.hang.store(1, Ordering::SeqCst);
    let asset = media.ingest(Upload::from_bytes("a.jpg", "image x")).await.unwrap();
    let running = tokio::spawn(nest.engine.worker().run());
    let rendering = || nest.processor.rendering.load(Ordering::SeqCst);
    until(|| async { rendering() > 0 }).await;
    running.abort();
    until(|| async { rendering() == 0 }).await;
    until(|| async { nest.catalog.expired_leases(10).await.unwrap().len() == 1 }).await;
    nest.processor.hang.store(0, Ordering::SeqCst);
    until(|| async { nest.work().await == 0 }).await;
    assert_eq!(media.require(asset.id).await.unwrap().state, AssetState::Ready);
}

#[tokio::test]
async fn work_until_idle_ends_when_it_is_told_to() {
    let nest = nest().await;
    nest.processor.hang.store(1, Ordering::SeqCst);
    nest.engine.as_system().ingest(Upload::from_bytes("a.jpg", "image x")).await.unwrap();
    let stop = CancellationToken::new();
    let working = tokio::spawn(nest.engine.worker().shutdown(stop.clone()).run_until_idle());
    until(|| async { nest.processor.rendering.load(Ordering::SeqCst) > 0 }).await;
    stop.cancel();
    let done = tokio::time::timeout(Duration::from_secs(30), working).await.expect("it goes on for ever");
    assert_eq!(done.unwrap().unwrap(), 2);
}

/// After the machine slept all leases have run out, also of those who live.
#[tokio::test]
async fn a_worker_is_lost_when_it_is_silent_twice() {
    let mut options = eager();
    options.lease = Duration::from_secs(3600);
    let nest = nest_with(|builder| builder.options(options)).await;
    let media = nest.engine.as_system();
    let gone = media.ingest(Upload::from_bytes("a", "image gone")).await.unwrap();
    media.trash(gone.id).await.unwrap();
    media.delete(gone.id).await.unwrap();
    let claim = Claim {
        worker: String::from("asleep"),
        kinds: JobKind::ALL.to_vec(),
        ids: None,
        limit: 1,
        lease: Duration::ZERO,
    };
    media.ingest(Upload::from_bytes("b", "image b")).await.unwrap();
    let claimed = nest.catalog.claim(&claim).await.unwrap().remove(0);
    let crashes = || async { media.job(claimed.id).await.unwrap().crashes };

    let housekeeping = tokio::spawn(nest.engine.housekeeping().run());
    // Deleting the bytes takes more commands than taking the job, which began before.
    until(|| async { nest.keys().await.len() == 1 }).await;
    assert_eq!(crashes().await, 0, "it was given up at the first look");
    housekeeping.abort();

    options = eager();
    options.lease = Duration::from_millis(10);
    let quick = medianest_core::Engine::builder()
        .catalog(nest.catalog.clone())
        .blobs(nest.blobs.clone())
        .processor(crate::support::Scripted::default())
        .options(options)
        .build()
        .unwrap();
    let housekeeping = tokio::spawn(quick.housekeeping().run());
    until(|| async { crashes().await == 1 }).await;
    housekeeping.abort();
}

#[tokio::test]
async fn a_part_whose_row_may_be_there_keeps_its_bytes() {
    let mut options = eager();
    options.lease = Duration::from_millis(3);
    let nest = nest_with(|builder| builder.options(options).recipe(crate::support::two_pictures())).await;
    nest.engine.as_system().ingest(Upload::from_bytes("a.jpg", "image x")).await.unwrap();
    *nest.blobs.faults.close_after_part.lock().unwrap() = Some(nest.catalog.clone());
    let error = nest.engine.worker().run_until_idle().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(nest.keys().await.iter().filter(|key| key.starts_with("r/")).count(), 1);
}

#[tokio::test]
async fn who_sees_an_asset_sees_how_far_the_work_on_it_has_come() {
    let nest = nest().await;
    let media = nest.engine.acting_as(Principal::user("ann"));
    let asset = media.ingest(Upload::from_bytes("a.mp4", "video x")).await.unwrap();
    assert_eq!(media.progress(asset.id).await.unwrap(), None, "nobody works on it");
    let lease = Duration::from_secs(30);
    let claim = Claim { worker: "w".into(), kinds: vec![JobKind::Understand], ids: None, limit: 1, lease };
    let job = nest.catalog.claim(&claim).await.unwrap().remove(0);
    nest.catalog.heartbeat(&job.fence(), 0.25, lease).await.unwrap();
    assert_eq!(media.progress(asset.id).await.unwrap(), Some(0.25));
    let stranger = nest.engine.acting_as(Principal::user("bob"));
    assert_eq!(stranger.progress(asset.id).await.unwrap_err().code(), "asset_not_found");
}
