//! Jobs that fail, crash, are called off or replaced: what becomes of them and of what they were to make.

use super::{
    assert_fails,
    fixture::*,
    jobs::{claimed, give_up, queue, retry_after},
};
use crate::{
    AssetState, ErrorKind, JobKind, JobState, RenditionState,
    catalog::{Counted, Declared, FailedAttempt},
    event_kinds,
};
use std::time::Duration;

fn crash() -> FailedAttempt {
    FailedAttempt { counted: Counted::Crash, ..retry_after(Duration::ZERO) }
}

/// Its lease had run out, and it was heard of before it was given up.
pub async fn a_worker_that_was_heard_of_is_not_lost(store: Store) {
    let id = queue(&store, JobKind::Render).await;
    let fence = store.claim(&claim("w", &ALL_KINDS, 1, Duration::ZERO)).await.unwrap().remove(0).fence();
    assert_eq!(store.expired_leases(10).await.unwrap().len(), 1);
    assert!(store.heartbeat(&fence, 0.5, HOUR).await.unwrap());
    let lost = FailedAttempt { only_expired: true, ..crash() };
    assert_fails(store.fail(&fence, lost.clone()).await, ErrorKind::Fenced, "lease_lost");
    let row = job(&store, id).await;
    assert_eq!((row.state, row.crashes, row.failure), (JobState::Running, 0, None));
    store.heartbeat(&fence, 0.5, Duration::ZERO).await.unwrap();
    store.fail(&fence, lost).await.unwrap();
    assert_eq!(job(&store, id).await.crashes, 1);
}

/// The job waits, and nothing is held against it.
pub async fn a_dependency_that_was_away_is_not_counted(store: Store) {
    let id = queue(&store, JobKind::Render).await;
    for attempt in 1..=3 {
        let fence = claimed(&store, 1).await.remove(0).fence();
        let outage = FailedAttempt { counted: Counted::Nothing, ..retry_after(Duration::ZERO) };
        store.fail(&fence, outage).await.unwrap();
        let row = job(&store, id).await;
        assert_eq!((row.state, row.attempt, row.failures, row.crashes), (JobState::Queued, attempt, 0, 0));
        assert_eq!(row.failure, Some(failure("flaky")));
    }
}

/// With a part that was not there before.
pub async fn a_job_that_comes_forward_forgets_its_crashes(store: Store) {
    let (_, mut fence, ids) = rendering(&store, &["a!"]).await;
    for (ordinal, before, after) in [(0, 1, 0), (0, 1, 1), (1, 2, 0)] {
        store.fail(&fence, crash()).await.unwrap();
        fence = claim_one(&store, JobKind::Render).await.fence();
        assert_eq!(job(&store, fence.job).await.crashes, before);
        store.commit_part(&fence, ids[0], &part(ids[0], ordinal, fence.attempt)).await.unwrap();
        assert_eq!(job(&store, fence.job).await.crashes, after, "part {ordinal}");
    }
}

/// With the code `cancelled`, and the asset with what it requires; who is at it finds nothing to do.
pub async fn what_a_cancelled_job_was_to_make_fails(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!", "b!"]).await;
    make(&store, &fence, ids[0]).await;
    assert!(store.cancel(TENANT, fence.job, Some(settled_events())).await.unwrap());
    let renditions = store.list_renditions(asset).await.unwrap();
    let codes: Vec<_> =
        renditions.iter().map(|row| row.failure.as_ref().map(|failure| failure.code.as_str())).collect();
    assert_eq!(codes, [None, Some("cancelled")]);
    let row = get(&store, asset).await;
    assert_eq!((row.state, row.failure.unwrap().code.as_str()), (AssetState::Failed, "cancelled"));
    assert_eq!(count(&store, event_kinds::ASSET_FAILED).await, 1);

    let late = store.commit_part(&fence, ids[1], &part(ids[1], 0, fence.attempt)).await;
    assert_fails(late, ErrorKind::NotFound, "rendition_not_found");
    assert!(!store.heartbeat(&fence, 0.5, HOUR).await.unwrap());
    store.complete(&fence).await.unwrap();
    assert_eq!(job(&store, fence.job).await.state, JobState::Cancelled, "who did not finish is not done");

    store.retry(TENANT, fence.job).await.unwrap();
    assert_eq!(get(&store, asset).await.state, AssetState::Processing);
    let again = claim_one(&store, JobKind::Render).await.fence();
    assert_eq!(make(&store, &again, ids[1]).await, Some(AssetState::Ready));
    assert_eq!(store.complete_many(&[again]).await.unwrap(), []);
    assert_eq!(job(&store, again.job).await.state, JobState::Done);
}

/// Those that another job makes, and an asset that is `ready`.
pub async fn a_cancelled_job_leaves_the_rest(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!"]).await;
    let optional = declare(asset, &["b"]);
    let job = optional.jobs[0].id;
    store.declare_renditions(asset, optional).await.unwrap();
    assert!(store.cancel(TENANT, job, Some(settled_events())).await.unwrap());
    assert_eq!(get(&store, asset).await.state, AssetState::Processing);
    assert_eq!(make(&store, &fence, ids[0]).await, Some(AssetState::Ready));
    store.complete(&fence).await.unwrap();

    let again = declare(asset, &["a!"]);
    let job = again.jobs[0].id;
    store.declare_renditions(asset, again).await.unwrap();
    assert!(store.cancel(TENANT, job, Some(settled_events())).await.unwrap());
    assert_eq!((get(&store, asset).await.state, get(&store, asset).await.failure), (AssetState::Ready, None));
    let states: Vec<_> = store.list_renditions(asset).await.unwrap().iter().map(|row| row.state).collect();
    assert_eq!(states, [RenditionState::Ready, RenditionState::Failed, RenditionState::Failed]);
    assert_eq!(count(&store, event_kinds::ASSET_FAILED).await, 0);
}

/// Be it waiting or at work, whose facts come too late.
pub async fn a_cancelled_understanding_fails_its_asset(store: Store) {
    let library = library(&store).await;
    let asset = add(&store, library, 1).await.id;
    let id = store.list_jobs(TENANT, &Default::default(), &page(1, None)).await.unwrap().items[0].id;
    for running in [false, true] {
        let fence = if running { Some(claim_one(&store, JobKind::Understand).await.fence()) } else { None };
        assert!(store.cancel(TENANT, id, Some(settled_events())).await.unwrap());
        let row = get(&store, asset).await;
        assert_eq!((row.state, row.failure.unwrap().code.as_str()), (AssetState::Failed, "cancelled"));
        if let Some(fence) = fence {
            let late = store.record_facts(&fence, understood(declare(asset, &["a!"]))).await;
            assert_fails(late, ErrorKind::Cancelled, "cancelled");
            assert!(get(&store, asset).await.facts.is_none());
            store.end_cancelled(&fence).await.unwrap();
        }
        store.retry(TENANT, id).await.unwrap();
        assert_eq!(get(&store, asset).await.state, AssetState::Processing);
    }
    assert_eq!(count(&store, event_kinds::ASSET_FAILED).await, 2);
}

/// `job_not_retryable`: another job has taken its place. The asset stays as it is.
pub async fn an_obsolete_job_is_not_retried(store: Store) {
    let (asset, first, _) = rendering(&store, &["a!"]).await;
    store.fail(&first, give_up()).await.unwrap();
    store.declare_renditions(asset, declare(asset, &["a!"])).await.unwrap();
    let second = claim_one(&store, JobKind::Render).await.fence();
    store.fail(&second, give_up()).await.unwrap();
    let before = get(&store, asset).await;
    assert_fails(store.retry(TENANT, first.job).await, ErrorKind::Conflict, "job_not_retryable");
    assert_eq!(get(&store, asset).await, before);
    assert_eq!(store.retry(TENANT, second.job).await.unwrap().state, JobState::Queued);
}

/// Facts that come anew declare everything anew: who still renders what they replace is called off.
pub async fn facts_call_off_what_they_replace(store: Store) {
    let (asset, render, _) = rendering(&store, &["a!", "b"]).await;
    let mut again = Declared { understand_again: true, ..declare(asset, &[]) };
    again.jobs = vec![crate::NewJob::new(TENANT, JobKind::Understand, asset)];
    store.declare_renditions(asset, again).await.unwrap();
    let understand = claim_one(&store, JobKind::Understand).await;
    assert!(store.heartbeat(&render, 0.5, HOUR).await.unwrap());
    store.record_facts(&understand.fence(), understood(declare(asset, &["a!", "b"]))).await.unwrap();
    assert!(!store.heartbeat(&render, 0.5, HOUR).await.unwrap(), "it renders what nobody wants");
    store.end_cancelled(&render).await.unwrap();
    let next = claim_one(&store, JobKind::Render).await;
    for id in &next.payload.renditions {
        make(&store, &next.fence(), *id).await;
    }
    assert_eq!(get(&store, asset).await.state, AssetState::Ready);
}
