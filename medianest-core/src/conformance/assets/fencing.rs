//! A worker that lost its lease changes nothing.

use crate::{
    AssetId, AssetState, ErrorKind, Fence, JobKind, RenditionId, Result,
    catalog::{AfterFailure, Counted, Declared, FailedAttempt},
    conformance::{assert_fails, fixture::*},
};
use std::{fmt::Debug, time::Duration};

/// All that a command of the late attempt could have changed.
async fn snapshot(
    store: &Store,
    asset: AssetId,
    fence: &Fence,
    renditions: &[RenditionId],
) -> impl PartialEq + Debug {
    let mut parts = Vec::new();
    for id in renditions {
        parts.push(store.list_parts(*id).await.unwrap());
    }
    (
        get(store, asset).await,
        store.list_jobs(TENANT, &Default::default(), &page(100, None)).await.unwrap().items,
        store.list_renditions(asset).await.unwrap(),
        parts,
        (events(store).await, job(store, fence.job).await),
    )
}

/// Tries every fenced command and expects to be refused by each.
async fn assert_fenced(store: &Store, asset: AssetId, fence: &Fence, renditions: &[RenditionId]) {
    fn refused<T: Debug>(result: Result<T>) {
        assert_fails(result, ErrorKind::Fenced, "lease_lost");
    }
    let before = snapshot(store, asset, fence, renditions).await;
    refused(store.record_facts(fence, understood(declare(asset, &["new!"]))).await);
    refused(store.record_facts(fence, understood(Declared::default())).await);
    refused(store.open_renditions(fence, renditions).await);
    for id in renditions {
        refused(store.commit_part(fence, *id, &part(*id, 7, fence.attempt)).await);
        refused(store.finish_rendition(fence, finished(*id, Ok(info()))).await);
        refused(store.finish_rendition(fence, finished(*id, Err(failure("late")))).await);
    }
    refused(store.heartbeat(fence, 0.9, HOUR).await);
    refused(store.complete(fence).await);
    assert_eq!(store.complete_many(&[*fence]).await.unwrap(), [*fence]);
    for next in [
        AfterFailure::RetryAfter(Duration::ZERO),
        AfterFailure::GiveUp { asset: AssetState::Quarantined, event: Some(told("asset.late")) },
    ] {
        for counted in [Counted::Failure, Counted::Crash, Counted::Nothing] {
            let failed = FailedAttempt {
                failure: failure("late"),
                counted,
                only_expired: counted == Counted::Crash,
                next: next.clone(),
            };
            refused(store.fail(fence, failed).await);
        }
    }
    refused(store.release(fence).await);
    refused(store.end_cancelled(fence).await);
    assert_eq!(snapshot(store, asset, fence, renditions).await, before, "a late command changed something");
}

/// The lease ran out and somebody else has the job: in every command the late one is refused.
pub async fn a_late_attempt_changes_nothing(store: Store) {
    let library = library(&store).await;
    let asset = add(&store, library, 1).await.id;
    let first =
        store.claim(&claim("late", &[JobKind::Understand], 1, Duration::ZERO)).await.unwrap().remove(0);
    let expired = store.expired_leases(10).await.unwrap();
    assert_eq!(expired.iter().map(|job| job.fence()).collect::<Vec<_>>(), [first.fence()]);
    let crash = FailedAttempt {
        failure: failure("lease_expired"),
        counted: Counted::Crash,
        only_expired: true,
        next: AfterFailure::RetryAfter(Duration::ZERO),
    };
    store.fail(&first.fence(), crash).await.unwrap();
    assert_fenced(&store, asset, &first.fence(), &[]).await;
    let second = claim_one(&store, JobKind::Understand).await;
    assert_eq!(second.attempt, first.attempt + 1);
    assert_fenced(&store, asset, &first.fence(), &[]).await;
    store.record_facts(&second.fence(), understood(declare(asset, &["a!"]))).await.unwrap();
}

/// The same for who makes renditions, while the next one is at it.
pub async fn a_late_renderer_changes_nothing(store: Store) {
    let (asset, first, ids) = rendering(&store, &["a!", "b"]).await;
    store.commit_part(&first, ids[0], &part(ids[0], 0, 1)).await.unwrap();
    store.release(&first).await.unwrap();
    assert_fenced(&store, asset, &first, &ids).await;
    let second = claim_one(&store, JobKind::Render).await.fence();
    assert_fenced(&store, asset, &first, &ids).await;
    assert_eq!(store.open_renditions(&second, &ids).await.unwrap()[0].1, 1, "parts of before are kept");
    make(&store, &second, ids[0]).await;
    store.complete(&second).await.unwrap();
    assert_fenced(&store, asset, &first, &ids).await;
    assert_fenced(&store, asset, &second, &ids).await;
}

/// Neither an attempt that has not been, nor one of a job that has not been.
pub async fn an_invented_fence_is_refused(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!"]).await;
    for attempt in [0, fence.attempt + 1, u32::MAX] {
        assert_fenced(&store, asset, &Fence { attempt, ..fence }, &ids).await;
    }
    let nobody = Fence { job: crate::JobId::new(), attempt: 1 };
    assert_fails(store.complete(&nobody).await, ErrorKind::Fenced, "lease_lost");
    assert_eq!(store.complete_many(&[nobody, fence]).await.unwrap(), [nobody]);
}
