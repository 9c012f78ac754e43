//! The suite of [`EventLog`](crate::catalog::EventLog).

use super::{Random, assert_fails, fixture::*};
use crate::{
    Audience, Cursor, ErrorKind, Event, EventBacklog, EventId, LibraryId, MemberRole, NewEvent, TenantId,
    Timestamp, Visibility,
};
use futures::future::join_all;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

async fn number_all(store: &Store) -> u64 {
    let mut numbered = 0;
    loop {
        match store.sequence(1000).await.unwrap() {
            0 => return numbered,
            some => numbered += some,
        }
    }
}

async fn start(store: &Store) -> Cursor {
    Cursor { position: 0, ..store.event_head().await.unwrap() }
}

async fn seen(store: &Store, visible: &Visibility, subject: &str) -> Vec<String> {
    let (events, _) = store.read_events(visible, subject, start(store).await, 1000).await.unwrap();
    events.into_iter().map(|event| event.kind).collect()
}

/// With its details and its place.
pub async fn an_event_is_read_as_it_was_emitted(store: Store) {
    let library = library(&store).await;
    number_all(&store).await;
    let before = store.event_head().await.unwrap();
    let data =
        serde_json::json!({"name": "é \" \u{0} 🏖", "n": [1, 2.5, null], "big": 9_007_199_254_740_993_i64});
    let at = Timestamp::from_micros(1_234_567_890_123_456);
    let new = NewEvent { data: data.clone(), at, ..told_in(library, "asset.ready") };
    store.emit(std::slice::from_ref(&new)).await.unwrap();
    assert_eq!(number_all(&store).await, 1);
    let (events, cursor) = store.read_all_events(before, 10).await.unwrap();
    let expected = Event {
        id: new.id,
        cursor: Cursor { position: before.position + 1, ..before },
        tenant: TENANT,
        kind: "asset.ready".into(),
        library_id: Some(library),
        data,
        at,
    };
    assert_eq!(events, [expected]);
    assert_eq!(cursor, events[0].cursor);
    assert_eq!(store.event_head().await.unwrap(), cursor);
}

/// And then it is.
pub async fn an_event_is_not_read_before_it_is_numbered(store: Store) {
    let start = start(&store).await;
    store.emit(&[told("a"), told("b")]).await.unwrap();
    let (events, cursor) = store.read_all_events(start, 10).await.unwrap();
    assert_eq!((events.len(), cursor), (0, start));
    assert_eq!(store.event_head().await.unwrap(), start);
    assert_eq!(store.sequence(1).await.unwrap(), 1);
    assert_eq!(store.read_all_events(start, 10).await.unwrap().0.len(), 1);
    assert_eq!(store.sequence(10).await.unwrap(), 1);
    assert_eq!(store.sequence(10).await.unwrap(), 0);
    store.emit(&[]).await.unwrap();
    assert_eq!(store.sequence(10).await.unwrap(), 0);
}

/// From 1, in the order of commands, a batch at a time.
pub async fn numbers_have_no_gaps(store: Store) {
    let start = start(&store).await;
    for round in 0..5 {
        store.emit(&[told("x"), told("y"), told("z")]).await.unwrap();
        number_all(&store).await;
        let (events, _) = store.read_all_events(start, 100).await.unwrap();
        let positions: Vec<_> = events.iter().map(|event| event.cursor.position).collect();
        assert_eq!(positions, (1..=3 * (round + 1)).collect::<Vec<_>>());
    }
    let (mut kinds, mut cursor) = (Vec::new(), start);
    loop {
        let (events, next) = store.read_all_events(cursor, 2).await.unwrap();
        assert!(events.len() <= 2);
        if events.is_empty() {
            break;
        }
        kinds.extend(events.into_iter().map(|event| event.kind));
        cursor = next;
    }
    assert_eq!(kinds.len(), 15);
    assert_eq!(kinds.iter().filter(|kind| *kind == "x").count(), 5);
}

/// Many writers, whose ids are older than what was numbered before they commit; a sequencer at work
/// meanwhile; readers that resume at random cursors with random limits. Nothing missed, nothing twice.
pub async fn writers_that_commit_out_of_order_lose_nothing(store: Store) {
    const WRITERS: usize = 6;
    const BATCHES: usize = 25;
    let start = start(&store).await;
    // All events are made before the first is written, and shuffled: a late one has an early id, and
    // an early time.
    let mut random = Random(2026);
    let mut batches: Vec<Vec<NewEvent>> =
        (0..WRITERS * BATCHES).map(|_| (0..1 + random.below(4)).map(|_| told("late")).collect()).collect();
    for at in (1..batches.len()).rev() {
        batches.swap(at, usize::try_from(random.below(at as u64 + 1)).unwrap());
    }
    let expected: BTreeSet<EventId> = batches.iter().flatten().map(|event| event.id).collect();
    let writing = Arc::new(AtomicUsize::new(WRITERS));
    let writers = batches.chunks(BATCHES).map(|batches| {
        let (store, writing, batches) = (store.clone(), writing.clone(), batches.to_vec());
        tokio::spawn(async move {
            for batch in batches {
                store.emit(&batch).await.unwrap();
            }
            writing.fetch_sub(1, Ordering::SeqCst);
        })
    });
    let writers: Vec<_> = writers.collect();
    let sequencer = tokio::spawn({
        let (store, writing, total) = (store.clone(), writing.clone(), expected.len() as u64);
        async move {
            let mut random = Random(1);
            let mut numbered = 0;
            while numbered < total {
                let done = writing.load(Ordering::SeqCst) == 0;
                let some = store.sequence(1 + u32::try_from(random.below(20)).unwrap()).await.unwrap();
                assert!(some > 0 || !done, "{} events were committed and never numbered", total - numbered);
                numbered += some;
            }
        }
    });
    let readers = (0..4).map(|seed| {
        let (store, total) = (store.clone(), expected.len());
        tokio::spawn(async move {
            let mut random = Random(seed);
            let mut read: Vec<EventId> = Vec::new();
            let mut cursor = start;
            while read.len() < total {
                let limit = 1 + u32::try_from(random.below(17)).unwrap();
                let (events, next) = if seed % 2 == 0 {
                    store.read_all_events(cursor, limit).await.unwrap()
                } else {
                    store.read_events(&all(), "olga", cursor, limit).await.unwrap()
                };
                for event in &events {
                    assert_eq!(event.cursor.position, read.len() as u64 + 1, "a gap, or out of order");
                    read.push(event.id);
                }
                assert_eq!(next.position, read.len() as u64);
                // Go on from here, or from anywhere before: what was read stays what it was.
                let back = random.below(4).saturating_sub(2) * random.below(read.len() as u64 + 1);
                let again = Cursor { position: next.position - back, ..next };
                let (events, _) =
                    store.read_all_events(again, u32::try_from(back).unwrap().max(1)).await.unwrap();
                for event in events.iter().take(usize::try_from(back).unwrap()) {
                    assert_eq!(event.id, read[usize::try_from(event.cursor.position).unwrap() - 1]);
                }
                cursor = next;
            }
            read
        })
    });
    let readers: Vec<_> = readers.collect();
    for writer in writers {
        writer.await.unwrap();
    }
    sequencer.await.unwrap();
    let mut histories = BTreeSet::new();
    for read in join_all(readers).await {
        let read = read.unwrap();
        assert_eq!(read.iter().copied().collect::<BTreeSet<_>>(), expected);
        assert_eq!(read.len(), expected.len(), "something came twice");
        histories.insert(read);
    }
    assert_eq!(histories.len(), 1, "readers saw different orders");
}

/// One of them at a time; the others turn away.
pub async fn sequencers_at_the_same_time_number_once(store: Store) {
    let start = start(&store).await;
    let events: Vec<_> = (0..100).map(|_| told("x")).collect();
    store.emit(&events).await.unwrap();
    let sequencers = (0..6).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut numbered = 0;
            for _ in 0..20 {
                numbered += store.sequence(7).await.unwrap();
            }
            numbered
        })
    });
    let mut numbered: u64 = join_all(sequencers).await.into_iter().map(Result::unwrap).sum();
    numbered += number_all(&store).await;
    assert_eq!(numbered, 100);
    let (read, _) = store.read_all_events(start, 1000).await.unwrap();
    let positions: Vec<_> = read.iter().map(|event| event.cursor.position).collect();
    assert_eq!(positions, (1..=100).collect::<Vec<_>>());
    assert_eq!(read.iter().map(|event| event.id).collect::<BTreeSet<_>>().len(), 100);
}

/// Operators see all of their tenant; others what happens in their libraries, and what is for them.
pub async fn events_are_seen_by_their_audience(store: Store) {
    let (ours, theirs) = (library(&store).await, library(&store).await);
    store.put_member(TENANT, theirs, "vera", MemberRole::Viewer, told_in(theirs, "member")).await.unwrap();
    number_all(&store).await;
    let after = store.event_head().await.unwrap();
    let subject =
        |subject: &str, kind| NewEvent { audience: Audience::Subject(subject.into()), ..told(kind) };
    let member =
        |subject: &str, kind| NewEvent { audience: Audience::Member(theirs, subject.into()), ..told(kind) };
    store
        .emit(&[
            member("peter", "peter left"),
            told_in(ours, "ours"),
            told_in(theirs, "theirs"),
            subject("vera", "for vera"),
            subject("olga", "for olga"),
            told("operators"),
            NewEvent { tenant: TenantId::new(), ..told("elsewhere") },
            NewEvent { tenant: TenantId::new(), ..subject("vera", "elsewhere") },
        ])
        .await
        .unwrap();
    number_all(&store).await;
    let none = Visibility::member(TENANT, "nobody");
    let cases = [
        (all(), "root", vec!["peter left", "ours", "theirs", "for vera", "for olga", "operators"]),
        (Visibility::member(TENANT, "vera"), "vera", vec!["peter left", "theirs", "for vera"]),
        (Visibility::member(TENANT, "olga"), "olga", vec!["peter left", "ours", "theirs", "for olga"]),
        (listed(&[ours]), "peter", vec!["peter left", "ours"]),
        (listed(&[ours]), "paula", vec!["ours"]),
        (listed(&[ours, LibraryId::new()]), "vera", vec!["ours", "for vera"]),
        (listed(&[]), "olga", vec!["for olga"]),
        (none, "nobody", vec![]),
        (Visibility::all(TenantId::new()), "vera", vec![]),
    ];
    for (visible, subject, expected) in cases {
        let (events, cursor) = store.read_events(&visible, subject, after, 100).await.unwrap();
        let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds, expected, "{visible:?} {subject}");
        assert_eq!(cursor.position, after.position + 8, "{visible:?} {subject}");
    }
    assert_eq!(store.read_all_events(after, 100).await.unwrap().0.len(), 8);
}

/// A reader who sees little comes to the head nevertheless, and misses nothing.
pub async fn a_cursor_moves_over_what_is_not_seen(store: Store) {
    let mut events = Vec::new();
    for n in 0..50 {
        let audience = if n % 10 == 9 { Audience::Subject("vera".into()) } else { Audience::Operators };
        events.push(NewEvent { audience, ..told("x") });
    }
    let mut cursor = start(&store).await;
    store.emit(&events).await.unwrap();
    number_all(&store).await;
    let head = store.event_head().await.unwrap();
    let vera = Visibility::member(TENANT, "vera");
    let mut read = Vec::new();
    while cursor != head {
        let (some, next) = store.read_events(&vera, "vera", cursor, 2).await.unwrap();
        assert!(next > cursor && next <= head && some.len() <= 2);
        assert!(some.iter().all(|event| event.cursor <= next));
        read.extend(some.into_iter().map(|event| event.cursor.position));
        cursor = next;
    }
    assert_eq!(read, [10, 20, 30, 40, 50]);
    assert!(seen(&store, &Visibility::member(TENANT, "nobody"), "nobody").await.is_empty());
    assert_eq!(store.read_events(&vera, "vera", head, 2).await.unwrap(), (vec![], head));
}

/// `cursor_expired`: the log of before a restore is not this one.
pub async fn a_cursor_of_another_epoch_is_refused(store: Store) {
    store.emit(&[told("x")]).await.unwrap();
    number_all(&store).await;
    let head = store.event_head().await.unwrap();
    let other = Cursor { epoch: head.epoch + 1, ..head };
    assert_fails(store.read_all_events(other, 10).await, ErrorKind::Gone, "cursor_expired");
    assert_fails(store.read_events(&all(), "olga", other, 10).await, ErrorKind::Gone, "cursor_expired");
}

/// Each time, and the events are still there; a backup that is restored twice begins two epochs, since
/// they are as large as the time.
pub async fn a_new_epoch_expires_all_cursors(store: Store) {
    store.emit(&[told("x"), told("y")]).await.unwrap();
    number_all(&store).await;
    let mut head = store.event_head().await.unwrap();
    for _ in 0..3 {
        let next = store.begin_epoch().await.unwrap();
        assert_eq!(store.event_head().await.unwrap(), next);
        assert_eq!(next.position, head.position);
        assert!(next.epoch > head.epoch && i64::from(next.epoch) + 5 > now().as_secs(), "{next}");
        for cursor in [head, Cursor { position: 0, ..head }] {
            assert_fails(store.read_all_events(cursor, 10).await, ErrorKind::Gone, "cursor_expired");
            let read = store.read_events(&all(), "olga", cursor, 10).await;
            assert_fails(read, ErrorKind::Gone, "cursor_expired");
        }
        let (events, cursor) = store.read_all_events(start(&store).await, 10).await.unwrap();
        assert_eq!((events.len(), cursor), (2, next));
        head = next;
    }
    store.save_consumer(TENANT, "billing", Cursor { epoch: 1, position: 99 }).await.unwrap();
    store.save_consumer(TENANT, "billing", head).await.unwrap();
    assert_eq!(store.load_consumer(TENANT, "billing").await.unwrap(), Some(head));
}

/// Backwards never, apart from the others, of its tenant.
pub async fn a_consumer_goes_on_where_it_was(store: Store) {
    store.emit(&[told("x"), told("y"), told("z")]).await.unwrap();
    number_all(&store).await;
    let head = store.event_head().await.unwrap();
    let at = |position| Cursor { position, ..head };
    assert_eq!(store.load_consumer(TENANT, "billing").await.unwrap(), None);
    for (save, expected) in [(1, 1), (3, 3), (2, 3), (3, 3)] {
        store.save_consumer(TENANT, "billing", at(save)).await.unwrap();
        assert_eq!(store.load_consumer(TENANT, "billing").await.unwrap(), Some(at(expected)));
    }
    assert_eq!(store.load_consumer(TENANT, "mailer").await.unwrap(), None);
    assert_eq!(store.load_consumer(TenantId::new(), "billing").await.unwrap(), None);
}

/// `cursor_expired` for who has not read what is gone; the others go on.
pub async fn trimmed_events_expire_their_cursors(store: Store) {
    let start = start(&store).await;
    assert_eq!(store.event_tail().await.unwrap(), start);
    let long_ago = now() - 48 * HOUR;
    let events: Vec<_> = (0..10).map(|_| NewEvent { at: long_ago, ..told("x") }).collect();
    store.emit(&events).await.unwrap();
    number_all(&store).await;
    a_moment().await;
    assert_eq!(store.trim_events(100 * HOUR, 10).await.unwrap(), 0);
    assert_eq!(store.trim_events(Duration::ZERO, 4).await.unwrap(), 4);
    for position in 0..4 {
        let read = store.read_all_events(Cursor { position, ..start }, 10).await;
        assert_fails(read, ErrorKind::Gone, "cursor_expired");
        let read = store.read_events(&all(), "olga", Cursor { position, ..start }, 10).await;
        assert_fails(read, ErrorKind::Gone, "cursor_expired");
    }
    assert_eq!(store.event_tail().await.unwrap(), Cursor { position: 4, ..start });
    for position in 4..=10 {
        let (left, _) = store.read_all_events(Cursor { position, ..start }, 10).await.unwrap();
        assert_eq!(left.len() as u64, 10 - position);
    }
    assert_eq!(store.trim_events(Duration::ZERO, 100).await.unwrap(), 6);
    let head = store.event_head().await.unwrap();
    assert_eq!((head.position, store.event_tail().await.unwrap()), (10, head));
    assert!(store.read_all_events(head, 10).await.unwrap().0.is_empty());
    store.emit(&[told("next")]).await.unwrap();
    number_all(&store).await;
    assert_eq!(store.read_all_events(head, 10).await.unwrap().0[0].cursor.position, 11);
}

/// However old: nobody has had a chance to read it.
pub async fn what_is_not_numbered_is_not_trimmed(store: Store) {
    store.emit(&[NewEvent { at: now() - 48 * HOUR, ..told("x") }]).await.unwrap();
    assert_eq!(store.trim_events(Duration::ZERO, 10).await.unwrap(), 0);
    assert_eq!(number_all(&store).await, 1);
    assert_eq!(store.read_all_events(start(&store).await, 10).await.unwrap().0.len(), 1);
}

/// Until they are numbered; the oldest by its age.
pub async fn what_waits_for_its_number_is_counted(store: Store) {
    number_all(&store).await;
    assert_eq!(store.event_backlog().await.unwrap(), EventBacklog::default());
    store.emit(&[NewEvent { at: now() - HOUR, ..told("x") }, told("y")]).await.unwrap();
    let backlog = store.event_backlog().await.unwrap();
    assert_eq!(backlog.events, 2);
    let hour = HOUR.as_millis();
    assert!((hour..2 * hour).contains(&backlog.oldest_ms.into()), "{backlog:?}");
    number_all(&store).await;
    assert_eq!(store.event_backlog().await.unwrap(), EventBacklog::default());
}
