//! Bytes in several stores, and on their way from one to another.

use crate::{
    Asset, AssetId, Blob, BlobId, BlobKey, ErrorKind, Fence, IntentId, JobKind, JobState, LibraryId,
    RenditionId, RenditionState, StoreName,
    catalog::{FinishedMove, Intent, MovedOriginal, MovedRendition, NewAsset, Purge},
    conformance::{assert_fails, fixture::*},
    event_kinds,
};
use std::time::Duration;

fn archive() -> StoreName {
    StoreName::new("archive").unwrap()
}

async fn name(store: &Store, library: LibraryId, to: &StoreName) -> crate::catalog::LibraryStore {
    let event = told_in(library, event_kinds::LIBRARY_UPDATED);
    store.set_library_store(TENANT, library, to, event).await.unwrap()
}

/// Names the archive, and claims the job that brings the bytes there.
async fn moving(store: &Store, library: LibraryId) -> Fence {
    name(store, library, &archive()).await;
    claim_one(store, JobKind::Move).await.fence()
}

async fn open(store: &Store, key: &BlobKey) -> Intent {
    let intent = Intent { id: IntentId::new(), tenant: TENANT, store: archive(), key: key.clone() };
    store.open_intent(&intent, HOUR).await.unwrap();
    intent
}

/// The same bytes in the archive, written under an intent.
async fn copied(store: &Store, asset: &Asset) -> MovedOriginal {
    let id = BlobId::new();
    let key = BlobKey::original(TENANT, id);
    let intent = open(store, &key).await;
    let blob = Blob { id, store: archive(), key, ..asset.blob.clone() };
    moved(asset, blob, Some(intent.id))
}

fn moved(asset: &Asset, blob: Blob, intent: Option<IntentId>) -> MovedOriginal {
    MovedOriginal { asset: asset.id, from: asset.blob.id, blob, intent, retention: Duration::ZERO, at: now() }
}

async fn copied_rendition(store: &Store, from: RenditionId) -> MovedRendition {
    let to = RenditionId::new();
    let intent = open(store, &BlobKey::rendition(TENANT, to)).await;
    MovedRendition { from, to, store: archive(), intent: intent.id, retention: Duration::ZERO }
}

fn finished_move(strays: u64, failure: Option<crate::Failure>) -> FinishedMove {
    FinishedMove { strays, failure, event: told(event_kinds::LIBRARY_MOVED) }
}

async fn purged(store: &Store) -> Vec<Purge> {
    a_moment().await;
    store.begin_purge(10).await.unwrap()
}

/// Once, however often it is named; naming the one it has does nothing.
pub async fn naming_a_store_queues_a_move(store: Store) {
    let library = library(&store).await;
    let same = name(&store, library, &StoreName::DEFAULT).await;
    assert_eq!((same.store, same.complete, same.job), (StoreName::DEFAULT, true, None));
    assert_eq!(count(&store, event_kinds::LIBRARY_UPDATED).await, 0);

    let first = name(&store, library, &archive()).await;
    let job = first.job.clone().unwrap();
    assert_eq!((&first.store, first.complete), (&archive(), false));
    assert_eq!((job.kind, job.library_id, job.asset_id), (JobKind::Move, Some(library), None));
    assert_eq!(name(&store, library, &archive()).await, first);
    assert_eq!(store.library_store(TENANT, library).await.unwrap(), Some(first));
    assert_eq!(count(&store, event_kinds::LIBRARY_UPDATED).await, 1);
    let row = store.get_library(&all(), library).await.unwrap().unwrap();
    assert_eq!((row.store, row.version), (archive(), 2));

    let elsewhere = crate::TenantId::new();
    assert_eq!(store.library_store(elsewhere, library).await.unwrap(), None);
    let event = told(event_kinds::LIBRARY_UPDATED);
    let refused = store.set_library_store(elsewhere, library, &archive(), event).await;
    assert_fails(refused, ErrorKind::NotFound, "library_not_found");
}

/// The same bytes share a blob within a store only.
pub async fn stores_share_no_bytes(store: Store) {
    let (here, there) = (library(&store).await, library(&store).await);
    name(&store, there, &archive()).await;
    let first = add(&store, here, 7).await;
    let mut new = new_asset(there, 7);
    new.blob.store = archive();
    let second = ingest(&store, new.clone()).await;
    assert!(!second.redundant);
    assert_eq!((&second.asset.blob.store, second.asset.blob.id), (&archive(), new.blob.id));
    let found = |place: StoreName| {
        let (store, sha256, size) = (store.clone(), first.blob.sha256, first.blob.size);
        async move { store.find_blob(TENANT, &place, &sha256, size).await.unwrap() }
    };
    assert_eq!(found(StoreName::DEFAULT).await, Some(first.blob.clone()));
    assert_eq!(found(archive()).await, Some(second.asset.blob));
    assert_eq!(found(StoreName::new("none").unwrap()).await, None);
    // The rows of its own store say where the bytes go.
    store.delete_asset(TENANT, new.id, None, Duration::ZERO, told("d")).await.unwrap();
    let [Purge::Blob { store: place, .. }] = &purged(&store).await[..] else { panic!("one blob") };
    assert_eq!(*place, archive());
    let intent = Intent { id: IntentId::new(), tenant: TENANT, store: archive(), key: new.blob.key };
    store.open_intent(&intent, Duration::ZERO).await.unwrap();
    assert_eq!(store.take_expired_intents(10, HOUR).await.unwrap(), [intent]);
}

/// All assets of the library are looked at, page by page; only what is elsewhere is given.
pub async fn what_is_elsewhere_is_found(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["small!", "large"]).await;
    make(&store, &fence, ids[0]).await;
    let asset = get(&store, asset).await;
    let library = asset.library_id;
    let mover = moving(&store, library).await;
    for seed in 10..13 {
        let mut new = new_asset(library, seed);
        new.blob.store = archive();
        ingest(&store, new).await;
    }
    let strayed = add(&store, library, 20).await;

    let wanted = store.begin_move(&mover).await.unwrap().unwrap();
    assert_eq!((wanted.library, &wanted.store, wanted.assets), (library, &archive(), 5));
    let (mut after, mut found, mut seen) = (Some(0), Vec::new(), 0);
    while let Some(from) = after {
        let page = store.list_elsewhere(library, &wanted.store, from, 2).await.unwrap();
        assert!(page.seen <= 2);
        seen += page.seen;
        found.extend(page.items);
        after = page.next;
    }
    assert_eq!(seen, 5);
    assert_eq!(found.iter().map(|stray| stray.asset).collect::<Vec<_>>(), [asset.id, strayed.id]);
    assert_eq!(found[0].original.as_ref(), Some(&asset.blob));
    // Not what is yet to be made.
    assert_eq!(found[0].renditions.iter().map(|rendition| rendition.id).collect::<Vec<_>>(), [ids[0]]);
    assert!(found[1].renditions.is_empty());
    let back = store.list_elsewhere(library, &StoreName::DEFAULT, 0, 10).await.unwrap();
    assert_eq!((back.items.len(), back.next), (3, None));
}

/// The asset stands on the copy, with what was learned of the bytes; the bytes of before go.
pub async fn an_original_is_moved(store: Store) {
    let library = library(&store).await;
    let asset = add(&store, library, 1).await;
    let copy = {
        let fence = moving(&store, library).await;
        let copy = copied(&store, &asset).await;
        // Understood while it was copied.
        let understand = claim_one(&store, JobKind::Understand).await;
        store.record_facts(&understand.fence(), understood(declare(asset.id, &[]))).await.unwrap();
        let stands_on = store.move_original(&fence, copy.clone()).await.unwrap().unwrap();
        assert_eq!((stands_on.id, &stands_on.key), (copy.blob.id, &copy.blob.key));
        copy
    };
    let row = get(&store, asset.id).await;
    let expected = Blob { content_type: String::from("image/png"), ..copy.blob.clone() };
    assert_eq!(row.blob, expected);
    let gone = store.extend_intent(copy.intent.unwrap(), HOUR).await;
    assert_fails(gone, ErrorKind::Gone, "intent_expired");
    let old = Purge::Blob { id: asset.blob.id, store: StoreName::DEFAULT, key: asset.blob.key };
    assert_eq!(purged(&store).await, [old]);
}

/// Of another library, or not yet moved.
pub async fn bytes_stay_where_others_stand_on_them(store: Store) {
    let (first, second) = (library(&store).await, library(&store).await);
    let mine = add(&store, first, 7).await;
    let twin = ingest(&store, new_asset(first, 7)).await.asset;
    let yours = ingest(&store, new_asset(second, 7)).await.asset;
    assert_eq!((twin.blob.id, yours.blob.id), (mine.blob.id, mine.blob.id));
    let fence = moving(&store, first).await;
    let copy = store.move_original(&fence, copied(&store, &mine).await).await.unwrap().unwrap();
    assert_eq!(get(&store, twin.id).await.blob, twin.blob);
    // Once there, the bytes are not needed twice: the copy is redundant, and its intent stays.
    let again = copied(&store, &twin).await;
    assert_eq!(store.move_original(&fence, again.clone()).await.unwrap().unwrap().id, copy.id);
    store.extend_intent(again.intent.unwrap(), HOUR).await.unwrap();
    assert_eq!(get(&store, twin.id).await.blob.id, copy.id);
    assert_eq!(get(&store, yours.id).await.blob, yours.blob);
    assert!(purged(&store).await.is_empty());

    // Nor copied twice.
    name(&store, second, &archive()).await;
    let fence = claim_one(&store, JobKind::Move).await.fence();
    let found = store.find_blob(TENANT, &archive(), &yours.blob.sha256, yours.blob.size).await.unwrap();
    let linked = store.move_original(&fence, moved(&yours, found.unwrap(), None)).await.unwrap();
    assert_eq!(linked.unwrap().id, copy.id);
    assert!(matches!(&purged(&store).await[..], [Purge::Blob { id, .. }] if *id == mine.blob.id));
}

/// Without an intent nothing is made up: whoever found it copies instead.
pub async fn a_purged_twin_is_no_copy(store: Store) {
    let library = library(&store).await;
    let asset = add(&store, library, 1).await;
    let fence = moving(&store, library).await;
    let never = Blob { id: BlobId::new(), store: archive(), ..asset.blob.clone() };
    let refused = store.move_original(&fence, moved(&asset, never, None)).await;
    assert_fails(refused, ErrorKind::NotFound, "blob_not_found");
    assert_eq!(get(&store, asset.id).await, asset);
}

/// By a successor with the same parts; it is served on until its bytes are purged.
pub async fn a_rendition_is_moved(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["720p!"]).await;
    for ordinal in 0..3 {
        store.commit_part(&fence, ids[0], &part(ids[0], ordinal, 1)).await.unwrap();
    }
    store.finish_rendition(&fence, finished(ids[0], Ok(info()))).await.unwrap();
    let before = store.list_renditions(asset).await.unwrap().remove(0);
    let library = get(&store, asset).await.library_id;
    let mover = moving(&store, library).await;
    let copy = MovedRendition { retention: HOUR, ..copied_rendition(&store, ids[0]).await };
    let state = get(&store, asset).await;
    assert!(store.move_rendition(&mover, copy.clone()).await.unwrap());

    let after = store.list_renditions(asset).await.unwrap();
    let expected = crate::Rendition { id: copy.to, store: archive(), ..before.clone() };
    assert_eq!(after, [expected]);
    let parts: Vec<_> = (0..3).map(|ordinal| part(copy.to, ordinal, mover.attempt)).collect();
    assert_eq!(store.list_parts(copy.to).await.unwrap(), parts);
    assert_eq!(get(&store, asset).await, state, "who reads sees no change");
    let served = store.served_rendition(asset, ids[0]).await.unwrap().unwrap();
    assert_eq!((served.state, &served.store), (RenditionState::Tombstoned, &StoreName::DEFAULT));
    assert!(purged(&store).await.is_empty());
    let gone = store.extend_intent(copy.intent, HOUR).await;
    assert_fails(gone, ErrorKind::Gone, "intent_expired");

    // Once more; this time it goes at once.
    let back = name(&store, library, &StoreName::DEFAULT).await;
    assert_eq!(back.job.unwrap().id, mover.job);
    let again = RenditionId::new();
    let intent = open(&store, &BlobKey::rendition(TENANT, again)).await;
    let home = MovedRendition {
        from: copy.to,
        to: again,
        store: StoreName::DEFAULT,
        intent: intent.id,
        retention: Duration::ZERO,
    };
    assert!(store.move_rendition(&mover, home).await.unwrap());
    let folder = BlobKey::rendition(TENANT, copy.to);
    assert_eq!(purged(&store).await, [Purge::Rendition { id: copy.to, store: archive(), folder }]);
}

/// Deleted or replaced while it was copied: the copy is the caller's to delete.
pub async fn what_is_gone_is_not_moved(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["small!"]).await;
    make(&store, &fence, ids[0]).await;
    let asset = get(&store, asset).await;
    let mover = moving(&store, asset.library_id).await;
    let (original, rendition) = (copied(&store, &asset).await, copied_rendition(&store, ids[0]).await);

    let successor = declare(asset.id, &["small!"]);
    let next = successor.renditions[0].id;
    store.declare_renditions(asset.id, successor).await.unwrap();
    let fence = claim_one(&store, JobKind::Render).await.fence();
    make(&store, &fence, next).await;
    assert!(!store.move_rendition(&mover, rendition.clone()).await.unwrap());
    assert_eq!(store.list_renditions(asset.id).await.unwrap()[0].id, next);
    store.extend_intent(rendition.intent, HOUR).await.unwrap();

    // Of other bytes than were copied.
    let other = MovedOriginal { from: BlobId::new(), ..original.clone() };
    assert_eq!(store.move_original(&mover, other).await.unwrap(), None);
    store.delete_asset(TENANT, asset.id, None, HOUR, told("d")).await.unwrap();
    assert_eq!(store.move_original(&mover, original.clone()).await.unwrap(), None);
    store.extend_intent(original.intent.unwrap(), HOUR).await.unwrap();
    let late = copied_rendition(&store, next).await;
    assert!(!store.move_rendition(&mover, late).await.unwrap());
    assert!(store.get_asset(&all(), asset.id).await.unwrap().is_none());
    assert!(store.list_renditions(asset.id).await.unwrap().is_empty());
}

/// Whoever lost the job, the intent or its reason moves nothing.
pub async fn a_move_is_fenced(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["small!"]).await;
    make(&store, &fence, ids[0]).await;
    let asset = get(&store, asset).await;
    let mover = moving(&store, asset.library_id).await;
    let (original, rendition) = (copied(&store, &asset).await, copied_rendition(&store, ids[0]).await);
    let wanted = store.begin_move(&mover).await.unwrap().unwrap();

    let late = Fence { attempt: mover.attempt + 1, ..mover };
    assert_fails(store.begin_move(&late).await, ErrorKind::Fenced, "lease_lost");
    assert_fails(store.move_original(&late, original.clone()).await, ErrorKind::Fenced, "lease_lost");
    assert_fails(store.move_rendition(&late, rendition.clone()).await, ErrorKind::Fenced, "lease_lost");
    let done = finished_move(wanted.strays, None);
    assert_fails(store.finish_move(&late, done.clone()).await, ErrorKind::Fenced, "lease_lost");

    let unopened = MovedOriginal { intent: Some(IntentId::new()), ..original.clone() };
    assert_fails(store.move_original(&mover, unopened).await, ErrorKind::Gone, "intent_expired");
    let unopened = MovedRendition { intent: IntentId::new(), ..rendition.clone() };
    assert_fails(store.move_rendition(&mover, unopened).await, ErrorKind::Gone, "intent_expired");

    name(&store, asset.library_id, &StoreName::new("other").unwrap()).await;
    let changed = ErrorKind::PreconditionFailed;
    assert_fails(store.move_original(&mover, original.clone()).await, changed, "store_changed");
    assert_fails(store.move_rendition(&mover, rendition.clone()).await, changed, "store_changed");
    name(&store, asset.library_id, &archive()).await;

    store.cancel(TENANT, mover.job, None).await.unwrap();
    assert_fails(store.move_original(&mover, original).await, ErrorKind::Cancelled, "cancelled");
    assert_fails(store.move_rendition(&mover, rendition).await, ErrorKind::Cancelled, "cancelled");
    assert_fails(store.finish_move(&mover, done).await, ErrorKind::Cancelled, "cancelled");
    assert_eq!(get(&store, asset.id).await, asset);
    assert_eq!(store.list_renditions(asset.id).await.unwrap()[0].id, ids[0]);
}

async fn stray(store: &Store, library: LibraryId, seed: u64) -> AssetId {
    let new: NewAsset = new_asset(library, seed);
    ingest(store, new).await.asset.id
}

/// An upload or a rendering that had begun before: the mover looks again, or another is queued.
pub async fn strays_are_followed(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["small!", "card"]).await;
    let library = get(&store, asset).await.library_id;
    let mover = moving(&store, library).await;
    let wanted = store.begin_move(&mover).await.unwrap().unwrap();
    stray(&store, library, 2).await;
    let done = finished_move(wanted.strays, None);
    assert!(!store.finish_move(&mover, done).await.unwrap());
    let wanted = store.begin_move(&mover).await.unwrap().unwrap();
    make(&store, &fence, ids[0]).await;
    assert!(!store.finish_move(&mover, finished_move(wanted.strays, None)).await.unwrap());
    assert_eq!(job(&store, mover.job).await.state, JobState::Running);
    assert_eq!(count(&store, event_kinds::LIBRARY_MOVED).await, 0);

    let wanted = store.begin_move(&mover).await.unwrap().unwrap();
    assert!(store.finish_move(&mover, finished_move(wanted.strays, None)).await.unwrap());
    assert_eq!(job(&store, mover.job).await.state, JobState::Done);
    assert!(store.library_store(TENANT, library).await.unwrap().unwrap().complete);
    assert_eq!(count(&store, event_kinds::LIBRARY_MOVED).await, 1);

    // What is put where it belongs is no stray.
    let mut new = new_asset(library, 3);
    new.blob.store = archive();
    ingest(&store, new).await;
    assert!(store.claim(&claim("w", &[JobKind::Move], 10, HOUR)).await.unwrap().is_empty());
    make(&store, &fence, ids[1]).await;
    let second = claim_one(&store, JobKind::Move).await;
    assert_ne!(second.id, mover.job);
    let state = store.library_store(TENANT, library).await.unwrap().unwrap();
    assert_eq!((state.complete, state.job.unwrap().id), (false, second.id));
    stray(&store, library, 4).await;
    assert!(store.claim(&claim("w", &[JobKind::Move], 10, HOUR)).await.unwrap().is_empty(), "one at a time");
    // Gone with its library, all is moved.
    let wanted = store.begin_move(&second.fence()).await.unwrap().unwrap();
    assert_eq!(wanted.store, archive());
}

/// `dead`, with the reason; naming the store again, or retrying the job, begins anew.
pub async fn a_move_may_leave_something(store: Store) {
    let library = library(&store).await;
    add(&store, library, 1).await;
    let mover = moving(&store, library).await;
    let wanted = store.begin_move(&mover).await.unwrap().unwrap();
    let left = finished_move(wanted.strays, Some(failure("move_incomplete")));
    assert!(store.finish_move(&mover, left).await.unwrap());
    let state = store.library_store(TENANT, library).await.unwrap().unwrap();
    let dead = state.job.unwrap();
    assert_eq!(
        (state.complete, dead.state, dead.failure),
        (false, JobState::Dead, Some(failure("move_incomplete")))
    );

    let again = name(&store, library, &archive()).await.job.unwrap();
    assert_ne!(again.id, dead.id);
    assert_eq!(again.state, JobState::Queued);
    assert_fails(store.retry(TENANT, dead.id).await, ErrorKind::Conflict, "job_not_retryable");
    store.cancel(TENANT, again.id, None).await.unwrap();
    assert_eq!(store.retry(TENANT, dead.id).await.unwrap().state, JobState::Queued);
    let retried = claim_one(&store, JobKind::Move).await;
    assert_eq!(retried.id, dead.id);

    // A library that is gone has nothing to move.
    let other = self::library(&store).await;
    name(&store, other, &archive()).await;
    let fence = claim_one(&store, JobKind::Move).await.fence();
    store.delete_library(TENANT, other, told("d")).await.unwrap();
    assert_eq!(store.begin_move(&fence).await.unwrap(), None);
}
