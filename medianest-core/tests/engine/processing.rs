//! What becomes of media that cannot be processed.

use crate::support::{nest, nest_with};
use medianest_core::{
    AssetState, JobKind, JobState, PageRequest, Upload,
    catalog::{Claim, JobQuery},
};
use std::time::Duration;

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
async fn a_quarantined_asset_is_not_tried_again() {
    let nest = nest().await;
    let asset = nest.put("dangerous").await;
    let refused = nest.engine.as_system().reprocess(asset.id).await.unwrap_err();
    assert_eq!(refused.code(), "asset_quarantined");
}

#[tokio::test]
async fn what_fails_from_outside_is_tried_again_and_given_up_in_the_end() {
    for (text, code) in [("away", "source_unreadable"), ("panic", "internal")] {
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
    nest.put("away").await;
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
