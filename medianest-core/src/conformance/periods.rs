//! The suite of periods: [`begin_period`](crate::catalog::Catalog::begin_period) and
//! [`end_period`](crate::catalog::Catalog::end_period). A backend that keeps all rows together has none, and does all
//! else alike.

use super::{assert_fails, fixture::*, jobs};
use crate::{
    Cursor, ErrorKind, JobId, JobKind, JobState,
    catalog::{Aging, JobQuery},
};
use std::time::Duration;

/// Whether there are periods at all.
async fn begin(store: &Store, of: Aging) -> bool {
    store.begin_period(of, Duration::ZERO).await.unwrap()
}

async fn finish(store: &Store) -> JobId {
    let id = jobs::queue(store, JobKind::Render).await;
    store.complete(&claim_one(store, JobKind::Render).await.fence()).await.unwrap();
    id
}

async fn listed_jobs(store: &Store) -> Vec<JobId> {
    let listed = store.list_jobs(TENANT, &JobQuery::default(), &page(100, None)).await.unwrap();
    listed.items.into_iter().map(|job| job.id).collect()
}

async fn number(store: &Store) {
    while store.sequence(100).await.unwrap() > 0 {}
}

/// Found, told apart and worked with, whenever they ended.
pub async fn jobs_are_the_same_in_any_period(store: Store) {
    let before = finish(&store).await;
    begin(&store, Aging::Jobs).await;
    let after = finish(&store).await;
    let cancelled = jobs::queue(&store, JobKind::Transcode).await;
    assert!(store.cancel(TENANT, cancelled, None).await.unwrap());
    let dead = jobs::queue(&store, JobKind::Render).await;
    store.fail(&claim_one(&store, JobKind::Render).await.fence(), jobs::give_up()).await.unwrap();
    begin(&store, Aging::Jobs).await;
    assert_eq!(listed_jobs(&store).await, [dead, cancelled, after, before]);

    for id in [before, after, cancelled, dead] {
        let ended = job(&store, id).await;
        let again =
            crate::NewJob { id, ..crate::NewJob::new(TENANT, JobKind::Render, crate::AssetId::new()) };
        store.enqueue(&[again]).await.unwrap();
        assert_eq!(job(&store, id).await, ended, "an id is queued once");
    }
    for (id, kind) in [(cancelled, JobKind::Transcode), (dead, JobKind::Render)] {
        assert_eq!(store.retry(TENANT, id).await.unwrap().state, JobState::Queued);
        let fence = claim_one(&store, kind).await.fence();
        assert_eq!(fence.job, id);
        store.complete(&fence).await.unwrap();
        assert_eq!(job(&store, id).await.state, JobState::Done);
    }
    a_moment().await;
    assert_eq!(store.trim_jobs(Duration::ZERO, 3).await.unwrap(), 3);
    assert_eq!(store.trim_jobs(Duration::ZERO, 3).await.unwrap(), 1);
    assert!(listed_jobs(&store).await.is_empty());
}

/// In one order, also those that are numbered in a later period than they came in.
pub async fn events_are_read_across_periods(store: Store) {
    let start = Cursor { position: 0, ..store.event_head().await.unwrap() };
    for kind in ["one", "two", "three"] {
        store.emit(&[told(kind)]).await.unwrap();
        begin(&store, Aging::Events).await;
        if kind != "one" {
            number(&store).await;
        }
    }
    let (read, _) = store.read_all_events(start, 10).await.unwrap();
    let kinds: Vec<_> = read.iter().map(|event| (event.cursor.position, event.kind.as_str())).collect();
    assert_eq!(kinds, [(1, "one"), (2, "two"), (3, "three")]);
    a_moment().await;
    assert_eq!(store.trim_events(Duration::ZERO, 2).await.unwrap(), 2);
    let (left, _) = store.read_all_events(Cursor { position: 2, ..start }, 10).await.unwrap();
    assert_eq!(left, read[2..]);
}

/// What is finished, when it is over for long enough; what is dead or open stays.
pub async fn a_period_of_jobs_ends_as_a_whole(store: Store) {
    if !begin(&store, Aging::Jobs).await {
        assert!(!store.end_period(Aging::Jobs, Duration::ZERO).await.unwrap());
        return;
    }
    a_moment().await;
    // Those before it, in which nothing happened.
    while store.end_period(Aging::Jobs, Duration::ZERO).await.unwrap() {}
    let done = finish(&store).await;
    let dead = jobs::queue(&store, JobKind::Render).await;
    store.fail(&claim_one(&store, JobKind::Render).await.fence(), jobs::give_up()).await.unwrap();
    let open = jobs::queue(&store, JobKind::Transcode).await;
    a_moment().await;
    assert!(!store.end_period(Aging::Jobs, Duration::ZERO).await.unwrap(), "it is the present one");
    begin(&store, Aging::Jobs).await;
    let later = finish(&store).await;
    a_moment().await;
    assert!(!store.end_period(Aging::Jobs, HOUR).await.unwrap(), "it is not over for long enough");
    while store.end_period(Aging::Jobs, Duration::ZERO).await.unwrap() {}
    assert_eq!(store.get_job(TENANT, done).await.unwrap(), None);
    assert_eq!(listed_jobs(&store).await, [later, open, dead]);
    assert!(begin(&store, Aging::Jobs).await);
    finish(&store).await;
}

/// When all of it could be read; then its cursors are `cursor_expired`, and the rest goes on.
pub async fn a_period_of_events_ends_as_a_whole(store: Store) {
    let start = Cursor { position: 0, ..store.event_head().await.unwrap() };
    if !begin(&store, Aging::Events).await {
        assert!(!store.end_period(Aging::Events, Duration::ZERO).await.unwrap());
        return;
    }
    store.emit(&[told("one"), told("two")]).await.unwrap();
    begin(&store, Aging::Events).await;
    store.emit(&[told("three")]).await.unwrap();
    a_moment().await;
    let end = async || {
        let mut ended = 0;
        while store.end_period(Aging::Events, Duration::ZERO).await.unwrap() {
            ended += 1;
        }
        ended
    };
    // A period before, in which nothing happened, may go.
    end().await;
    assert_eq!(end().await, 0, "nobody could read it yet");
    number(&store).await;
    assert_eq!(store.read_all_events(start, 10).await.unwrap().0.len(), 3);
    assert_eq!(end().await, 1);
    for position in 0..2 {
        let read = store.read_all_events(Cursor { position, ..start }, 10).await;
        assert_fails(read, ErrorKind::Gone, "cursor_expired");
    }
    let tail = store.event_tail().await.unwrap();
    assert_eq!(tail, Cursor { position: 2, ..start });
    assert_eq!(store.read_all_events(tail, 10).await.unwrap().0[0].kind, "three");
    store.emit(&[told("four")]).await.unwrap();
    number(&store).await;
    assert_eq!(store.read_all_events(tail, 10).await.unwrap().0[1].cursor.position, 4);
}
