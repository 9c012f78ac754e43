//! The suite of [`JobCatalog`](crate::catalog::JobCatalog).

use super::{assert_fails, fixture::*};
use crate::{
    AssetState, ErrorKind, Job, JobId, JobKind, JobPayload, JobState, NewJob, RenditionState, TenantId,
    Timestamp,
    catalog::{AfterFailure, Counted, FailedAttempt, JobQuery},
    event_kinds,
};
use futures::future::join_all;
use std::{collections::BTreeSet, time::Duration};

fn bare(kind: JobKind) -> NewJob {
    NewJob {
        id: JobId::new(),
        tenant: TENANT,
        kind,
        asset_id: None,
        library_id: None,
        payload: JobPayload::default(),
        priority: 0,
        run_at: None,
    }
}

pub(super) async fn queue(store: &Store, kind: JobKind) -> JobId {
    let new = bare(kind);
    store.enqueue(std::slice::from_ref(&new)).await.unwrap();
    new.id
}

pub(super) async fn claimed(store: &Store, limit: u32) -> Vec<Job> {
    store.claim(&claim("worker", &ALL_KINDS, limit, HOUR)).await.unwrap()
}

pub(super) fn retry_after(delay: Duration) -> FailedAttempt {
    FailedAttempt {
        failure: failure("flaky"),
        counted: Counted::Failure,
        only_expired: false,
        next: AfterFailure::RetryAfter(delay),
    }
}

pub(super) fn give_up() -> FailedAttempt {
    let next =
        AfterFailure::GiveUp { asset: AssetState::Failed, event: Some(told(event_kinds::ASSET_FAILED)) };
    FailedAttempt { failure: failure("hopeless"), counted: Counted::Failure, only_expired: false, next }
}

/// As it was queued; the same id twice is one job.
pub async fn a_job_is_queued_once(store: Store) {
    let new = NewJob { priority: -3, ..bare(JobKind::Transcode) };
    store.enqueue(&[new.clone(), bare(JobKind::Render)]).await.unwrap();
    store.enqueue(&[NewJob { priority: 9, kind: JobKind::Render, ..new.clone() }]).await.unwrap();
    let row = job(&store, new.id).await;
    assert_eq!((row.kind, row.priority, row.state), (JobKind::Transcode, -3, JobState::Queued));
    assert_eq!((row.attempt, row.failures, row.crashes, row.progress), (0, 0, 0, 0.0));
    assert_eq!((row.worker, row.lease_until, row.failure, row.finished_at), (None, None, None, None));
    assert_eq!(claimed(&store, 10).await.len(), 2);
    store.enqueue(&[]).await.unwrap();
    store.enqueue(std::slice::from_ref(&new)).await.unwrap();
    assert_eq!(job(&store, new.id).await.state, JobState::Running);
}

/// To a worker, for a while, as the first attempt.
pub async fn a_claim_is_a_lease(store: Store) {
    let id = queue(&store, JobKind::Render).await;
    let job = claimed(&store, 10).await.remove(0);
    assert_eq!((job.id, job.state, job.attempt), (id, JobState::Running, 1));
    assert_eq!(job.worker.as_deref(), Some("worker"));
    let left = job.lease_until.unwrap().since(now());
    assert!(left > HOUR / 2 && left <= HOUR * 2, "{left:?}");
    assert!(claimed(&store, 10).await.is_empty());
    assert!(store.expired_leases(10).await.unwrap().is_empty());
}

/// Of these kinds, at most so many, of these ids only.
pub async fn a_claim_gives_what_was_asked_for(store: Store) {
    let render = queue(&store, JobKind::Render).await;
    let others = [queue(&store, JobKind::Transcode).await, queue(&store, JobKind::Transcode).await];
    assert!(store.claim(&claim("w", &[], 10, HOUR)).await.unwrap().is_empty());
    assert!(store.claim(&claim("w", &[JobKind::Understand], 10, HOUR)).await.unwrap().is_empty());
    let mut of_ids = claim("w", &ALL_KINDS, 10, HOUR);
    of_ids.ids = Some(vec![]);
    assert!(store.claim(&of_ids).await.unwrap().is_empty());
    of_ids.ids = Some(vec![JobId::new(), others[1], others[1]]);
    let some = store.claim(&of_ids).await.unwrap();
    assert_eq!(some.iter().map(|job| job.id).collect::<Vec<_>>(), [others[1]]);
    assert!(store.claim(&of_ids).await.unwrap().is_empty(), "an id that is handed out twice is harmless");
    of_ids.kinds = vec![JobKind::Render];
    of_ids.ids = Some(vec![others[0]]);
    assert!(store.claim(&of_ids).await.unwrap().is_empty());
    assert_eq!(store.claim(&claim("w", &ALL_KINDS, 1, HOUR)).await.unwrap().len(), 1);
    let last = store.claim(&claim("w", &ALL_KINDS, 1, HOUR)).await.unwrap();
    assert_eq!(last.len(), 1);
    assert!([render, others[0]].contains(&last[0].id));
}

/// Highest priority first, then the longest waiting.
pub async fn the_urgent_come_first(store: Store) {
    let at = |seconds: i64| Some(Timestamp::from_secs(1_700_000_000 + seconds));
    let jobs: Vec<_> = [(0, 30), (5, 20), (0, 10), (-5, 0), (5, 10), (i16::MAX, 99), (i16::MIN, 0)]
        .map(|(priority, seconds)| NewJob { priority, run_at: at(seconds), ..bare(JobKind::Render) })
        .into();
    store.enqueue(&jobs).await.unwrap();
    let mut order = Vec::new();
    for limit in [1, 3, 10] {
        let some = store.claim(&claim("w", &ALL_KINDS, limit, HOUR)).await.unwrap();
        order.extend(some.iter().map(|job| jobs.iter().position(|new| new.id == job.id).unwrap()));
    }
    assert_eq!(order, [5, 4, 1, 2, 0, 3, 6]);
}

/// As a claim would take them, which takes them then.
pub async fn what_is_runnable_is_told_in_order(store: Store) {
    let at = |seconds: i64| Some(Timestamp::from_secs(1_700_000_000 + seconds));
    let jobs = [(0, 30), (5, 20), (0, 10), (i16::MIN, 0), (5, 10)].map(|(priority, seconds)| NewJob {
        priority,
        run_at: at(seconds),
        ..bare(JobKind::Render)
    });
    let later = NewJob { run_at: Some(now() + HOUR), ..bare(JobKind::Render) };
    store.enqueue(&jobs).await.unwrap();
    store.enqueue(&[later, bare(JobKind::Transcode)]).await.unwrap();
    let all = store.runnable(JobKind::Render, 10).await.unwrap();
    let told: Vec<_> = all.iter().map(|job| (job.id, job.priority, Some(job.run_at))).collect();
    let wanted = [4, 1, 2, 0, 3].map(|n: usize| (jobs[n].id, jobs[n].priority, jobs[n].run_at));
    assert_eq!(told, wanted);
    assert_eq!(store.runnable(JobKind::Render, 2).await.unwrap(), all[..2]);
    let claimed: Vec<_> = claimed(&store, 2).await.iter().map(|job| job.id).collect();
    assert_eq!(claimed, [all[0].id, all[1].id]);
    assert_eq!(store.runnable(JobKind::Render, 10).await.unwrap(), all[2..]);
    store.set_paused(JobKind::Render, true).await.unwrap();
    assert!(store.runnable(JobKind::Render, 10).await.unwrap().is_empty());
}

/// Not before its time.
pub async fn a_delayed_job_waits(store: Store) {
    let later = NewJob { run_at: Some(now() + HOUR), ..bare(JobKind::Render) };
    store.enqueue(std::slice::from_ref(&later)).await.unwrap();
    assert!(claimed(&store, 10).await.is_empty());
    let of_ids = crate::catalog::Claim { ids: Some(vec![later.id]), ..claim("w", &ALL_KINDS, 10, HOUR) };
    assert!(store.claim(&of_ids).await.unwrap().is_empty());
    assert_eq!(job(&store, later.id).await.state, JobState::Queued);
}

/// Many workers at the same time: each job to one of them, none left over.
pub async fn no_job_is_leased_twice(store: Store) {
    let jobs: Vec<_> = (0..60).map(|_| bare(JobKind::Render)).collect();
    store.enqueue(&jobs).await.unwrap();
    let workers = (0..8).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let some = store.claim(&claim(&format!("w{n}"), &ALL_KINDS, 1 + n % 4, HOUR)).await.unwrap();
                if some.is_empty() {
                    return mine;
                }
                assert!(some.iter().all(|job| job.worker == Some(format!("w{n}"))));
                mine.extend(some.iter().map(|job| job.id));
            }
        })
    });
    let leased: Vec<_> = join_all(workers).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(leased.len(), 60);
    assert_eq!(leased.into_iter().collect::<BTreeSet<_>>(), jobs.iter().map(|job| job.id).collect());
}

/// The lease is longer, the progress is seen.
pub async fn a_heartbeat_extends_the_lease(store: Store) {
    let id = queue(&store, JobKind::Render).await;
    let leased = store.claim(&claim("w", &ALL_KINDS, 1, Duration::ZERO)).await.unwrap().remove(0);
    assert_eq!(store.expired_leases(10).await.unwrap().len(), 1);
    assert!(store.heartbeat(&leased.fence(), 0.25, HOUR).await.unwrap());
    assert!(store.expired_leases(10).await.unwrap().is_empty());
    let row = job(&store, id).await;
    assert_eq!((row.progress, row.state), (0.25, JobState::Running));
    assert!(row.lease_until > leased.lease_until);
}

/// `Done`, one by one or many in a command.
pub async fn completing_jobs(store: Store) {
    store.enqueue(&[bare(JobKind::Render), bare(JobKind::Render), bare(JobKind::Render)]).await.unwrap();
    let fences: Vec<_> = claimed(&store, 10).await.iter().map(Job::fence).collect();
    store.complete(&fences[0]).await.unwrap();
    assert_eq!(store.complete_many(&fences).await.unwrap(), [fences[0]]);
    assert_eq!(store.complete_many(&[]).await.unwrap(), []);
    for fence in &fences {
        let row = job(&store, fence.job).await;
        assert_eq!((row.state, row.finished_at.is_some(), row.lease_until), (JobState::Done, true, None));
    }
    assert!(claimed(&store, 10).await.is_empty());
}

/// After its delay, with the reason and the count.
pub async fn a_failed_attempt_is_repeated(store: Store) {
    let id = queue(&store, JobKind::Render).await;
    for attempt in 1..=3 {
        let leased = claimed(&store, 1).await.remove(0);
        assert_eq!(leased.attempt, attempt);
        store.fail(&leased.fence(), retry_after(Duration::ZERO)).await.unwrap();
        let row = job(&store, id).await;
        assert_eq!((row.state, row.failures, row.crashes), (JobState::Queued, attempt, 0));
        assert_eq!((row.failure, row.lease_until), (Some(failure("flaky")), None));
    }
    let leased = claimed(&store, 1).await.remove(0);
    store.fail(&leased.fence(), retry_after(HOUR)).await.unwrap();
    assert!(claimed(&store, 1).await.is_empty());
    assert!(job(&store, id).await.run_at > now() + HOUR / 2);
}

/// A crash is counted apart from a failure.
pub async fn a_lease_that_ran_out_is_a_crash(store: Store) {
    let id = queue(&store, JobKind::Render).await;
    for crashes in 1..=2 {
        store.claim(&claim("w", &ALL_KINDS, 1, Duration::ZERO)).await.unwrap();
        let expired = store.expired_leases(10).await.unwrap().remove(0);
        assert_eq!((expired.id, expired.state), (id, JobState::Running));
        let crash =
            FailedAttempt { counted: Counted::Crash, only_expired: true, ..retry_after(Duration::ZERO) };
        store.fail(&expired.fence(), crash).await.unwrap();
        let row = job(&store, id).await;
        assert_eq!((row.state, row.failures, row.crashes), (JobState::Queued, 0, crashes));
        assert!(store.expired_leases(10).await.unwrap().is_empty());
    }
}

/// At once, unharmed; the next attempt has the next number.
pub async fn a_released_job_is_claimed_again(store: Store) {
    let id = queue(&store, JobKind::Render).await;
    let first = claimed(&store, 1).await.remove(0);
    store.release(&first.fence()).await.unwrap();
    let row = job(&store, id).await;
    assert_eq!((row.state, row.attempt, row.failures, row.crashes), (JobState::Queued, 1, 0, 0));
    assert_eq!(claimed(&store, 1).await.remove(0).attempt, 2);
}

/// `Dead`, with its renditions and its asset.
pub async fn a_job_that_is_given_up(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!", "b!", "c"]).await;
    make(&store, &fence, ids[0]).await;
    store.fail(&fence, give_up()).await.unwrap();
    let row = job(&store, fence.job).await;
    assert_eq!((row.state, row.failure), (JobState::Dead, Some(failure("hopeless"))));
    assert!(row.finished_at.is_some());
    let states: Vec<_> = store.list_renditions(asset).await.unwrap().iter().map(|row| row.state).collect();
    assert_eq!(states, [RenditionState::Ready, RenditionState::Failed, RenditionState::Failed]);
    let settled = get(&store, asset).await;
    assert_eq!((settled.state, settled.failure), (AssetState::Failed, Some(failure("hopeless"))));
    assert_eq!(count(&store, event_kinds::ASSET_FAILED).await, 1);
    assert!(claimed(&store, 10).await.is_empty());
}

/// `ready` stays `ready`, and nothing is told.
pub async fn giving_up_leaves_a_ready_asset(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!", "b"]).await;
    make(&store, &fence, ids[0]).await;
    store.fail(&fence, give_up()).await.unwrap();
    let row = get(&store, asset).await;
    assert_eq!((row.state, row.failure), (AssetState::Ready, None));
    assert_eq!(store.list_renditions(asset).await.unwrap()[1].state, RenditionState::Failed);
    assert_eq!(count(&store, event_kinds::ASSET_FAILED).await, 0);
}

/// A queued job is cancelled at once, and not twice.
pub async fn cancelling_a_queued_job(store: Store) {
    let id = queue(&store, JobKind::Render).await;
    assert_fails(store.cancel(TenantId::new(), id, None).await, ErrorKind::NotFound, "job_not_found");
    assert!(store.cancel(TENANT, id, None).await.unwrap());
    assert_eq!(job(&store, id).await.state, JobState::Cancelled);
    assert!(!store.cancel(TENANT, id, None).await.unwrap());
    assert!(claimed(&store, 10).await.is_empty());
    assert_fails(store.cancel(TENANT, JobId::new(), None).await, ErrorKind::NotFound, "job_not_found");
}

/// A running one learns of it by its next heartbeat, and ends itself.
pub async fn cancelling_a_running_job(store: Store) {
    let id = queue(&store, JobKind::Render).await;
    let leased = claimed(&store, 1).await.remove(0);
    assert!(store.cancel(TENANT, id, None).await.unwrap());
    assert_eq!(job(&store, id).await.state, JobState::Running);
    assert!(!store.heartbeat(&leased.fence(), 0.5, HOUR).await.unwrap());
    store.end_cancelled(&leased.fence()).await.unwrap();
    let row = job(&store, id).await;
    assert_eq!((row.state, row.finished_at.is_some()), (JobState::Cancelled, true));
    assert!(!store.cancel(TENANT, id, None).await.unwrap());
}

/// What has ended, has ended.
pub async fn cancelling_what_has_ended(store: Store) {
    let id = queue(&store, JobKind::Render).await;
    let leased = claimed(&store, 1).await.remove(0);
    store.complete(&leased.fence()).await.unwrap();
    assert!(!store.cancel(TENANT, id, None).await.unwrap());
    assert_eq!(job(&store, id).await.state, JobState::Done);
}

/// With its counters at zero, its renditions pending, its asset processing.
pub async fn a_dead_job_is_retried(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!", "b!"]).await;
    make(&store, &fence, ids[0]).await;
    store.fail(&fence, give_up()).await.unwrap();
    assert_fails(store.retry(TenantId::new(), fence.job).await, ErrorKind::NotFound, "job_not_found");
    let queued = store.retry(TENANT, fence.job).await.unwrap();
    assert_eq!((queued.state, queued.failures, queued.crashes), (JobState::Queued, 0, 0));
    let states: Vec<_> = store.list_renditions(asset).await.unwrap().iter().map(|row| row.state).collect();
    assert_eq!(states, [RenditionState::Ready, RenditionState::Pending]);
    let row = get(&store, asset).await;
    assert_eq!((row.state, row.failure), (AssetState::Processing, None));
    let again = claim_one(&store, JobKind::Render).await;
    assert_ne!(again.fence(), fence, "the attempt of before must stay fenced");
    assert_fails(store.complete(&fence).await, ErrorKind::Fenced, "lease_lost");
    assert_eq!(make(&store, &again.fence(), ids[1]).await, Some(AssetState::Ready));
}

/// Not what waits, runs or is done; not what has no asset any more.
pub async fn only_the_dead_and_the_cancelled_are_retried(store: Store) {
    let id = queue(&store, JobKind::Render).await;
    let refused = || async {
        assert_fails(store.retry(TENANT, id).await, ErrorKind::Conflict, "job_not_retryable");
    };
    refused().await;
    let leased = claimed(&store, 1).await.remove(0);
    refused().await;
    store.complete(&leased.fence()).await.unwrap();
    refused().await;
    assert_fails(store.retry(TENANT, JobId::new()).await, ErrorKind::NotFound, "job_not_found");
    let cancelled = queue(&store, JobKind::Render).await;
    store.cancel(TENANT, cancelled, None).await.unwrap();
    assert_eq!(store.retry(TENANT, cancelled).await.unwrap().state, JobState::Queued);
    let (asset, fence, _) = {
        store.cancel(TENANT, cancelled, None).await.unwrap();
        rendering(&store, &["a!"]).await
    };
    store.fail(&fence, give_up()).await.unwrap();
    store.delete_asset(TENANT, asset, None, HOUR, told("d")).await.unwrap();
    assert_fails(store.retry(TENANT, fence.job).await, ErrorKind::Conflict, "job_not_retryable");
}

/// What runs goes on; what waits, waits.
pub async fn a_paused_queue_gives_nothing(store: Store) {
    let (render, transcode) = (queue(&store, JobKind::Render).await, queue(&store, JobKind::Transcode).await);
    let running = store.claim(&claim("w", &[JobKind::Render], 1, HOUR)).await.unwrap().remove(0);
    assert_eq!(running.id, render);
    for kind in [JobKind::Render, JobKind::Transcode] {
        store.set_paused(kind, true).await.unwrap();
        store.set_paused(kind, true).await.unwrap();
    }
    let waiting = queue(&store, JobKind::Understand).await;
    assert_eq!(claimed(&store, 10).await.iter().map(|job| job.id).collect::<Vec<_>>(), [waiting]);
    assert!(store.heartbeat(&running.fence(), 0.5, HOUR).await.unwrap());
    store.complete(&running.fence()).await.unwrap();
    store.set_paused(JobKind::Transcode, false).await.unwrap();
    assert_eq!(claimed(&store, 10).await.iter().map(|job| job.id).collect::<Vec<_>>(), [transcode]);
}

/// All kinds, each with its numbers, whatever the tenant.
pub async fn queues_are_counted(store: Store) {
    let elsewhere = TenantId::new();
    let delayed = NewJob { run_at: Some(now() + HOUR), ..bare(JobKind::Render) };
    let old = NewJob { run_at: Some(Timestamp::from_secs(1_700_000_000)), ..bare(JobKind::Render) };
    // Found also behind what is more urgent.
    let urgent = NewJob { priority: 7, ..bare(JobKind::Render) };
    store.enqueue(&[delayed, urgent, NewJob { tenant: elsewhere, priority: -2, ..old }]).await.unwrap();
    queue(&store, JobKind::Transcode).await;
    let running = store.claim(&claim("w", &[JobKind::Transcode], 1, HOUR)).await.unwrap().remove(0);
    queue(&store, JobKind::Transcode).await;
    store.set_paused(JobKind::Understand, true).await.unwrap();
    let stats = |kind| {
        let store = store.clone();
        async move { store.queue_stats().await.unwrap().into_iter().find(|stats| stats.kind == kind).unwrap() }
    };
    let render = stats(JobKind::Render).await;
    assert_eq!(
        (render.runnable, render.delayed, render.running, render.dead, render.paused),
        (2, 1, 0, 0, false)
    );
    let age = now().since(Timestamp::from_secs(1_700_000_000)) - HOUR;
    assert!(u128::from(render.oldest_runnable_ms) > age.as_millis(), "{render:?}");
    let transcode = stats(JobKind::Transcode).await;
    assert_eq!((transcode.runnable, transcode.delayed, transcode.running), (1, 0, 1));
    let understand = stats(JobKind::Understand).await;
    assert_eq!((understand.paused, understand.runnable, understand.oldest_runnable_ms), (true, 0, 0));
    store.fail(&running.fence(), give_up()).await.unwrap();
    let transcode = stats(JobKind::Transcode).await;
    assert_eq!((transcode.running, transcode.dead), (0, 1));
}

/// Of the tenant, newest first, complete in pages of any size.
pub async fn jobs_are_listed(store: Store) {
    let mut jobs: Vec<_> = (0..9).map(|n| bare([JobKind::Render, JobKind::Transcode][n % 2])).collect();
    store.enqueue(&jobs).await.unwrap();
    store.enqueue(&[NewJob { tenant: TenantId::new(), ..bare(JobKind::Render) }]).await.unwrap();
    let list = |limit, query: JobQuery| {
        let store = store.clone();
        pages(limit, move |page| {
            let (store, query) = (store.clone(), query.clone());
            async move { store.list_jobs(TENANT, &query, &page).await }
        })
    };
    jobs.sort_by_key(|job| job.id);
    let expected: BTreeSet<_> = jobs.iter().map(|job| job.id).collect();
    for limit in [1, 2, 4, 9, 10] {
        let rows = list(limit, JobQuery::default()).await;
        assert_eq!(rows.len(), 9, "pages of {limit}");
        assert_eq!(rows.iter().map(|job| job.id).collect::<BTreeSet<_>>(), expected);
        assert!(rows.is_sorted_by(|a, b| a.created_at >= b.created_at));
    }
    let render = JobQuery { kind: Some(JobKind::Render), ..JobQuery::default() };
    assert_eq!(list(2, render).await.len(), 5);
    let running = JobQuery { state: Some(JobState::Running), ..JobQuery::default() };
    assert!(list(2, running).await.is_empty());
    let forged = store.list_jobs(TENANT, &JobQuery::default(), &page(1, Some("forged".into()))).await;
    assert_fails(forged, ErrorKind::InvalidInput, "invalid_cursor");
    assert!(store.get_job(TenantId::new(), jobs[0].id).await.unwrap().is_none());
}

/// Of one asset.
pub async fn jobs_of_an_asset_are_listed(store: Store) {
    let (asset, _, _) = rendering(&store, &["a!"]).await;
    queue(&store, JobKind::Render).await;
    let query = JobQuery { asset: Some(asset), ..JobQuery::default() };
    let kinds: BTreeSet<_> = store
        .list_jobs(TENANT, &query, &page(10, None))
        .await
        .unwrap()
        .items
        .iter()
        .map(|job| job.kind)
        .collect();
    assert_eq!(kinds, BTreeSet::from([JobKind::Understand, JobKind::Render]));
}

/// What ended long ago, but not the dead, and not more than asked for.
pub async fn ended_jobs_are_trimmed(store: Store) {
    store.enqueue(&(0..6).map(|_| bare(JobKind::Render)).collect::<Vec<_>>()).await.unwrap();
    let leased = claimed(&store, 5).await;
    for done in &leased[..3] {
        store.complete(&done.fence()).await.unwrap();
    }
    store.fail(&leased[3].fence(), give_up()).await.unwrap();
    a_moment().await;
    assert_eq!(store.trim_jobs(HOUR, 10).await.unwrap(), 0);
    assert_eq!(store.trim_jobs(Duration::ZERO, 2).await.unwrap(), 2);
    assert_eq!(store.trim_jobs(Duration::ZERO, 10).await.unwrap(), 1);
    assert_eq!(store.trim_jobs(Duration::ZERO, 10).await.unwrap(), 0);
    let left = store.list_jobs(TENANT, &JobQuery::default(), &page(10, None)).await.unwrap().items;
    assert_eq!(left.len(), 3);
    assert!(left.iter().any(|job| job.state == JobState::Dead));
}
