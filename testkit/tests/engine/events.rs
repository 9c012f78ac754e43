//! Everybody is told, in order.

use crate::support::nest;
use medianest_core::{MemberRole, Principal, Upload, engine::EventFeed, event_kinds};
use std::time::Duration;

#[tokio::test]
async fn a_consumer_sees_each_event_once_and_resumes() {
    let nest = nest().await;
    let asset = nest.put("image x").await;
    let mut consumer = nest.engine.events().consumer("billing").await.unwrap();
    let events = consumer.next().await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    let place = |kind| {
        kinds.iter().position(|seen| *seen == kind).unwrap_or_else(|| panic!("no {kind} in {kinds:?}"))
    };
    assert!(place(event_kinds::LIBRARY_CREATED) < place(event_kinds::ASSET_CREATED));
    assert!(place(event_kinds::ASSET_CREATED) < place(event_kinds::ASSET_UNDERSTOOD));
    assert!(place(event_kinds::ASSET_UNDERSTOOD) < place(event_kinds::ASSET_READY));
    assert_eq!(kinds.iter().filter(|kind| **kind == event_kinds::ASSET_READY).count(), 1);

    let acked = place(event_kinds::ASSET_CREATED);
    consumer.ack(&events[acked]).await.unwrap();
    let mut again = nest.engine.events().consumer("billing").await.unwrap();
    assert_eq!(again.next().await.unwrap(), events[acked + 1..]);

    nest.engine.as_system().trash(asset.id).await.unwrap();
    nest.work().await;
    let last = again.next().await.unwrap();
    assert_eq!(last[0].kind, event_kinds::ASSET_TRASHED);
}

#[tokio::test]
async fn a_consumer_begins_with_the_oldest_event_and_may_skip_to_the_newest() {
    let nest = nest().await;
    nest.put("image x").await;
    let trimmed = nest.catalog.trim_events(Duration::ZERO, 2).await.unwrap();
    assert_eq!(trimmed, 2);
    let mut consumer = nest.engine.events().consumer("late").await.unwrap();
    let events = consumer.next().await.unwrap();
    assert_eq!(events[0].cursor.position, 3);

    nest.catalog.begin_epoch().await.unwrap();
    assert_eq!(consumer.next().await.unwrap_err().code(), "cursor_expired");
    consumer.skip_to_head().await.unwrap();
    nest.put("image y").await;
    assert_eq!(consumer.next().await.unwrap()[0].kind, event_kinds::ASSET_CREATED);
    let mut again = nest.engine.events().consumer("late").await.unwrap();
    assert_eq!(again.next().await.unwrap()[0].kind, event_kinds::ASSET_CREATED, "the place is kept");
}

#[tokio::test]
async fn who_no_longer_sees_a_library_is_told() {
    let nest = nest().await;
    let ann = nest.engine.acting_as(Principal::user("ann"));
    let library = ann.create_library("Holidays").await.unwrap().id;
    let kinds = async |feed: &mut EventFeed| {
        nest.work().await;
        feed.take().await.unwrap().into_iter().map(|event| event.kind).collect::<Vec<_>>()
    };
    ann.put_member(library, "bob", MemberRole::Viewer).await.unwrap();
    let mut bob = nest.engine.acting_as(Principal::user("bob")).events(None).await.unwrap();
    kinds(&mut bob).await;
    ann.remove_member(library, "bob").await.unwrap();
    assert_eq!(kinds(&mut bob).await, [event_kinds::MEMBER_REMOVED]);
    ann.put_member(library, "bob", MemberRole::Viewer).await.unwrap();
    kinds(&mut bob).await;
    ann.delete_library(library).await.unwrap();
    assert_eq!(kinds(&mut bob).await, [event_kinds::LIBRARY_DELETED]);
}

#[tokio::test]
async fn a_feed_shows_what_its_principal_sees_and_waits_for_more() {
    let nest = nest().await;
    let owner = nest.engine.acting_as(Principal::user("ann"));
    let guest = nest.engine.acting_as(Principal::user("bob"));
    let library = owner.create_library("Holidays").await.unwrap().id;
    let start = nest.engine.catalog().event_head().await.unwrap();
    let mut feed = guest.events(Some(start)).await.unwrap();
    owner.ingest(Upload::from_bytes("a", "image x").into_library(library)).await.unwrap();
    nest.work().await;
    assert!(feed.take().await.unwrap().is_empty());
    assert!(feed.cursor() > start, "the feed moves over what it does not show");

    owner.put_member(library, "bob", MemberRole::Viewer).await.unwrap();
    let waiting = tokio::spawn(async move { feed.next().await });
    nest.work().await;
    let events = waiting.await.unwrap().unwrap();
    assert_eq!(events[0].kind, event_kinds::MEMBER_ADDED);
}
