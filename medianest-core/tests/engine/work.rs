//! Workers: shutdown, resumption, cancelling.

use crate::support::{eager, nest, nest_with};
use medianest_core::{AssetState, JobKind, JobState, PageRequest, Upload, catalog::JobQuery};
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
