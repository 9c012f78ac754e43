//! What becomes of media that cannot be processed.

use crate::support::{nest, nest_with};
use medianest_core::{
    AssetState, BlobStore, ErrorKind, JobKind, JobState, PageRequest, Principal, Upload,
    catalog::{Claim, JobQuery},
};
use std::{sync::atomic::Ordering, time::Duration};

#[tokio::test]
async fn what_is_wrong_with_media_is_told() {
    let nest = nest().await;
    for (text, state, code) in [
        ("gibberish", AssetState::Failed, "unsupported_media_type"),
        ("dangerous", AssetState::Quarantined, "dangerous_content"),
        ("image unrenderable", AssetState::Failed, "corrupt"),
    ] {
        let asset = nest.put(text).await;
        assert_eq!(asset.state, state, "{text}");
        assert_eq!(asset.failure.unwrap().code, code, "{text}");
        let media = nest.engine.as_system();
        let original = media.content(asset.id, &"content".parse().unwrap()).await.unwrap();
        assert_eq!(media.read_all(&original).await.unwrap(), text, "the original is kept");
    }
}

#[tokio::test]
async fn a_quarantined_asset_is_tried_again_by_operators_alone() {
    let nest = nest().await;
    let owner = nest.engine.acting_as(Principal::user("ann"));
    let asset = owner.ingest(Upload::from_bytes("x", "dangerous")).await.unwrap();
    nest.work().await;
    let refused = owner.reprocess(asset.id).await.unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Conflict, "asset_quarantined"));
    let admin = nest.engine.acting_as(Principal::admin("root"));
    assert_eq!(admin.reprocess(asset.id).await.unwrap().state, AssetState::Processing);
    nest.work().await;
    assert_eq!(owner.require(asset.id).await.unwrap().state, AssetState::Quarantined);
}

#[tokio::test]
async fn what_fails_from_outside_is_tried_again_and_given_up_in_the_end() {
    for (text, code) in [("killed", "decoder_killed"), ("panic", "internal")] {
        let mut options = crate::support::eager();
        options.max_failures = 3;
        let nest = nest_with(|builder| builder.options(options)).await;
        let asset = nest.put(text).await;
        let media = nest.engine.as_system();
        let jobs = media.jobs(&JobQuery::default(), &PageRequest::first()).await.unwrap().items;
        assert_eq!((jobs[0].state, jobs[0].failures, jobs[0].attempt), (JobState::Dead, 3, 3), "{text}");
        assert_eq!((asset.state, asset.failure.unwrap().code.as_str()), (AssetState::Failed, code));
        // By hand it is tried anew, from the start.
        let retried = media.retry_job(jobs[0].id).await.unwrap();
        assert_eq!((retried.state, retried.failures), (JobState::Queued, 0));
        assert_eq!(media.require(asset.id).await.unwrap().state, AssetState::Processing);
    }
}

#[tokio::test]
async fn a_failed_job_waits_longer_each_time() {
    let mut options = crate::support::eager();
    options.retry_delay = Duration::from_secs(3600);
    let nest = nest_with(|builder| builder.options(options)).await;
    nest.put("killed").await;
    let jobs = nest.engine.as_system().jobs(&JobQuery::default(), &PageRequest::first()).await.unwrap().items;
    let waits = jobs[0].run_at.since(jobs[0].created_at);
    assert!((2700..=4600).contains(&waits.as_secs()), "{waits:?}");
}

#[tokio::test]
async fn a_job_that_kills_its_workers_is_poison() {
    let mut options = crate::support::eager();
    options.max_crashes = 2;
    let nest = nest_with(|builder| builder.options(options)).await;
    let media = nest.engine.as_system();
    let asset = media.ingest(Upload::from_bytes("x", "image killer")).await.unwrap();
    let claim = Claim {
        worker: String::from("doomed"),
        kinds: JobKind::ALL.to_vec(),
        ids: None,
        limit: 1,
        lease: Duration::ZERO,
    };
    for crashes in 1..=2 {
        // A worker that takes the job and is never heard of again.
        assert_eq!(nest.engine.catalog().claim(&claim).await.unwrap().len(), 1);
        nest.engine.housekeeping().once().await.unwrap();
        let job = media.jobs(&JobQuery::default(), &PageRequest::first()).await.unwrap().items.remove(0);
        assert_eq!(job.crashes, crashes);
    }
    let asset = media.require(asset.id).await.unwrap();
    assert_eq!(asset.state, AssetState::Quarantined);
    assert_eq!(asset.failure.unwrap().code, "worker_lost");
    assert_eq!(nest.work().await, 0);
}

#[tokio::test]
async fn an_outage_fails_nothing_however_long() {
    let mut options = crate::support::eager();
    options.max_failures = 2;
    let nest = nest_with(|builder| builder.options(options)).await;
    nest.processor.outages.store(7, Ordering::SeqCst);
    let asset = nest.put("away x").await;
    assert_eq!((asset.state, asset.failure), (AssetState::Ready, None));
    let query = JobQuery { kind: Some(JobKind::Understand), ..JobQuery::default() };
    let job = nest.engine.as_system().jobs(&query, &PageRequest::first()).await.unwrap().items.remove(0);
    assert_eq!((job.state, job.attempt, job.failures), (JobState::Done, 8, 0));
}

#[tokio::test]
async fn bytes_that_are_gone_are_no_outage() {
    let nest = nest().await;
    let media = nest.engine.as_system();
    let asset = media.ingest(Upload::from_bytes("x", "image x")).await.unwrap();
    nest.blobs.delete(&asset.blob.key).await.unwrap();
    nest.work().await;
    let asset = media.require(asset.id).await.unwrap();
    assert_eq!((asset.state, asset.failure.unwrap().code.as_str()), (AssetState::Failed, "original_lost"));
}

#[tokio::test]
async fn a_decoder_that_crashed_once_is_tried_again() {
    for text in ["crash x", "image crash"] {
        let nest = nest().await;
        nest.processor.crashes.store(2, Ordering::SeqCst);
        assert_eq!(nest.put(text).await.state, AssetState::Ready, "{text}");
    }
}

#[tokio::test]
async fn a_decoder_that_crashes_each_time_is_poison() {
    for text in ["crash x", "image crash"] {
        let nest = nest().await;
        nest.processor.crashes.store(100, Ordering::SeqCst);
        let asset = nest.put(text).await;
        assert_eq!(asset.state, AssetState::Quarantined, "{text}");
        assert_eq!(asset.failure.unwrap().code, "decoder_crashed");
        let dead = JobQuery { state: Some(JobState::Dead), ..JobQuery::default() };
        let jobs = nest.engine.as_system().jobs(&dead, &PageRequest::first()).await.unwrap().items;
        assert_eq!((jobs[0].crashes, jobs[0].failures, jobs[0].attempt), (3, 0, 3));
        // Its recipe passes it over.
        nest.processor.revision.store(2, Ordering::SeqCst);
        let applied = nest.engine.as_system().apply_recipe(asset.library_id).await.unwrap();
        assert_eq!((applied.assets, applied.declared), (1, 0));
    }
}

#[tokio::test]
async fn a_job_that_was_called_off_is_neither_fresh_nor_forgotten() {
    let nest = nest().await;
    let media = nest.engine.as_system();
    let asset = media.ingest(Upload::from_bytes("x", "image x")).await.unwrap();
    let understand = nest.engine.worker().concurrency(JobKind::Render, 0).concurrency(JobKind::Transcode, 0);
    understand.run_until_idle().await.unwrap();
    let queued = JobQuery { kind: Some(JobKind::Render), ..JobQuery::default() };
    let job = media.jobs(&queued, &PageRequest::first()).await.unwrap().items.remove(0);
    assert!(media.cancel_job(job.id).await.unwrap());
    let failed = media.require(asset.id).await.unwrap();
    assert_eq!((failed.state, failed.failure.unwrap().code.as_str()), (AssetState::Failed, "cancelled"));
    let applied = media.apply_recipe(asset.library_id).await.unwrap();
    assert!(applied.declared > 0 && applied.fresh == 0, "{applied:?}");
    nest.work().await;
    assert_eq!(media.require(asset.id).await.unwrap().state, AssetState::Ready);
    assert_eq!(media.retry_job(job.id).await.unwrap_err().code(), "job_not_retryable");
    assert_eq!(media.require(asset.id).await.unwrap().state, AssetState::Ready);
}
