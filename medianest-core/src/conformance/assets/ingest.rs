//! From an intent to an asset.

use crate::{
    AssetState, BlobId, BlobKey, ErrorKind, IntentId, JobState, LibraryId, StoreName, TenantId, Timestamp,
    Visibility,
    catalog::{Intent, NewAsset, Purge},
    conformance::{assert_fails, fixture::*},
    event_kinds,
};
use futures::future::join_all;
use std::{collections::BTreeSet, time::Duration};

/// Blob, asset, job and event, less the intent.
pub async fn an_asset_is_stored_with_its_jobs_and_events(store: Store) {
    let library = library(&store).await;
    let new = NewAsset { taken_at: Timestamp::from_secs(1_234_567), ..new_asset(library, 1) };
    let ingested = ingest(&store, new.clone()).await;
    assert!(ingested.created && !ingested.redundant);
    let asset = get(&store, new.id).await;
    assert_eq!(asset, ingested.asset);
    assert_eq!((asset.tenant, asset.library_id, asset.owner.as_str()), (TENANT, library, "olga"));
    assert_eq!((asset.state, asset.kind, asset.name), (AssetState::Processing, new.kind, new.name));
    assert_eq!((asset.blob, asset.taken_at, asset.created_at), (new.blob, new.taken_at, new.at));
    assert_eq!((asset.facts, asset.failure, asset.trashed_at, asset.expires_at), (None, None, None, None));
    assert_eq!(job(&store, new.jobs[0].id).await.state, JobState::Queued);
    assert_eq!(count(&store, event_kinds::ASSET_CREATED).await, 1);
    let extend = store.extend_intent(new.intent, HOUR).await;
    assert_fails(extend, ErrorKind::Gone, "intent_expired");
    assert!(store.take_expired_intents(10, HOUR).await.unwrap().is_empty());
}

/// What cannot be processed is kept with the reason.
pub async fn an_asset_may_start_settled_or_staged(store: Store) {
    let library = library(&store).await;
    for (seed, state) in [(1, AssetState::Failed), (2, AssetState::Quarantined)] {
        let new = NewAsset {
            state,
            failure: Some(failure("unsupported_type")),
            jobs: vec![],
            ..new_asset(library, seed)
        };
        let asset = ingest(&store, new).await.asset;
        assert_eq!((asset.state, asset.failure), (state, Some(failure("unsupported_type"))));
    }
    let staged = NewAsset {
        state: AssetState::Staged,
        expires_after: Some(HOUR),
        kind: None,
        ..new_asset(library, 3)
    };
    let asset = ingest(&store, staged).await.asset;
    assert_eq!((asset.state, asset.kind), (AssetState::Staged, None));
    assert!(asset.expires_at.unwrap() > now());
}

/// The same answer; no second job or event.
pub async fn repeating_a_commit_gives_the_same_answer(store: Store) {
    let library = library(&store).await;
    let new = new_asset(library, 1);
    let first = ingest(&store, new.clone()).await;
    let second = store.commit_ingest(new.clone()).await.unwrap();
    assert!(first.created && !second.created);
    assert_eq!((second.asset, second.redundant), (first.asset, false));
    assert_eq!(count(&store, event_kinds::ASSET_CREATED).await, 1);
    assert_eq!(store.list_jobs(TENANT, &Default::default(), &page(10, None)).await.unwrap().items.len(), 1);
}

/// `asset_exists`, also when the other asset is in another tenant.
pub async fn a_taken_asset_id_is_a_conflict(store: Store) {
    let library = library(&store).await;
    let elsewhere = TenantId::new();
    let foreign = library_of(&store, elsewhere).await;
    let first = add(&store, library, 1).await;
    for other in [new_asset(library, 2), in_tenant(new_asset(foreign, 2), elsewhere)] {
        let other = NewAsset { id: first.id, jobs: vec![], events: vec![told("asset.stolen")], ..other };
        store.open_intent(&intent_of(&other), HOUR).await.unwrap();
        assert_fails(store.commit_ingest(other.clone()).await, ErrorKind::Conflict, "asset_exists");
        store.extend_intent(other.intent, HOUR).await.unwrap();
    }
    assert_eq!(get(&store, first.id).await, first);
    assert_eq!(count(&store, "asset.stolen").await, 0);
}

/// `library_not_found`: not there, or of another tenant. Nothing is stored, the intent stays.
pub async fn a_missing_library_changes_nothing(store: Store) {
    let foreign = library_of(&store, TenantId::new()).await;
    for library in [LibraryId::new(), foreign] {
        let new = new_asset(library, 1);
        store.open_intent(&intent_of(&new), HOUR).await.unwrap();
        assert_fails(store.commit_ingest(new.clone()).await, ErrorKind::NotFound, "library_not_found");
        assert!(store.get_asset(&all(), new.id).await.unwrap().is_none());
        assert!(store.get_job(TENANT, new.jobs[0].id).await.unwrap().is_none());
        store.extend_intent(new.intent, HOUR).await.unwrap();
    }
    assert_eq!(count(&store, event_kinds::ASSET_CREATED).await, 0);
}

/// The later asset stands on the earlier blob; its own bytes are the caller's to delete.
pub async fn the_same_bytes_share_a_blob(store: Store) {
    let (library, other) = (library(&store).await, library(&store).await);
    let first = add(&store, library, 7).await;
    for library in [library, other] {
        let new = new_asset(library, 7);
        let second = ingest(&store, new.clone()).await;
        assert!(second.created && second.redundant);
        assert_eq!(second.asset.blob.key, first.blob.key);
        assert_ne!(second.asset.id, first.id);
        // The intent stays, so that the sweeper finds the bytes if the caller dies.
        store.extend_intent(new.intent, HOUR).await.unwrap();
        store.close_intent(new.intent).await.unwrap();
        assert_fails(store.extend_intent(new.intent, HOUR).await, ErrorKind::Gone, "intent_expired");
    }
}

/// Not those of another tenant, nor those of another size.
pub async fn other_bytes_share_nothing(store: Store) {
    let elsewhere = TenantId::new();
    let (library, foreign) = (library(&store).await, library_of(&store, elsewhere).await);
    let first = add(&store, library, 7).await;
    let theirs = ingest(&store, in_tenant(new_asset(foreign, 7), elsewhere)).await;
    let mut longer = new_asset(library, 7);
    longer.blob.size += 1;
    let longer = ingest(&store, longer).await;
    for other in [theirs, longer] {
        assert!(!other.redundant);
        assert_ne!(other.asset.blob.key, first.blob.key);
    }
}

/// At the same time: one blob, and nobody's asset is lost.
pub async fn the_same_bytes_at_the_same_time_share_a_blob(store: Store) {
    let library = library(&store).await;
    let ingests = (0..12).map(|_| {
        let (store, new) = (store.clone(), new_asset(library, 7));
        tokio::spawn(async move { ingest(&store, new).await })
    });
    let ingested: Vec<_> = join_all(ingests).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(ingested.iter().filter(|ingested| !ingested.redundant).count(), 1);
    assert_eq!(ingested.iter().map(|ingested| &ingested.asset.blob.key).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(ingested.iter().map(|ingested| ingested.asset.id).collect::<BTreeSet<_>>().len(), 12);
}

/// Its time had not come yet; then it never comes.
pub async fn a_tombstoned_blob_is_revived(store: Store) {
    let library = library(&store).await;
    let first = add(&store, library, 7).await;
    store.delete_asset(TENANT, first.id, None, Duration::ZERO, told("d")).await.unwrap();
    let second = ingest(&store, new_asset(library, 7)).await;
    assert!(second.redundant);
    assert_eq!(second.asset.blob.key, first.blob.key);
    assert!(store.begin_purge(10).await.unwrap().is_empty());
}

/// The new bytes stay under their fresh key.
pub async fn a_purging_blob_is_not_revived(store: Store) {
    let library = library(&store).await;
    let first = add(&store, library, 7).await;
    store.delete_asset(TENANT, first.id, None, Duration::ZERO, told("d")).await.unwrap();
    let purge = store.begin_purge(10).await.unwrap();
    assert!(matches!(&purge[..], [Purge::Blob { key, .. }] if *key == first.blob.key), "{purge:?}");
    let second = ingest(&store, new_asset(library, 7)).await;
    assert!(!second.redundant);
    assert_ne!(second.asset.blob.key, first.blob.key);
    store.finish_purge(&purge[0]).await.unwrap();
    assert_eq!(get(&store, second.asset.id).await, second.asset);
    assert!(ingest(&store, new_asset(library, 7)).await.redundant);
    assert!(store.begin_purge(10).await.unwrap().is_empty());
}

fn keyed(library: LibraryId, seed: u64) -> NewAsset {
    NewAsset { idempotency_key: Some(String::from("upload-1")), ..new_asset(library, seed) }
}

/// The same asset however often the request comes; in another tenant it is another key.
pub async fn an_idempotency_key_gives_the_same_asset(store: Store) {
    let library = library(&store).await;
    let first = ingest(&store, keyed(library, 1)).await;
    for _ in 0..2 {
        let again = ingest(&store, keyed(library, 1)).await;
        assert!(!again.created);
        assert_eq!(again.asset, first.asset);
        assert!(again.redundant, "the bytes of the repetition are not needed");
    }
    let elsewhere = TenantId::new();
    let foreign = library_of(&store, elsewhere).await;
    assert!(ingest(&store, in_tenant(keyed(foreign, 1), elsewhere)).await.created);
    assert_eq!(count(&store, event_kinds::ASSET_CREATED).await, 2);
}

/// `idempotency_key_reused` for other bytes or another name.
pub async fn an_idempotency_key_is_for_one_request(store: Store) {
    let library = library(&store).await;
    let first = ingest(&store, keyed(library, 1)).await.asset;
    let renamed = NewAsset { name: String::from("other.jpg"), ..keyed(library, 1) };
    for other in [keyed(library, 2), renamed] {
        store.open_intent(&intent_of(&other), HOUR).await.unwrap();
        assert_fails(store.commit_ingest(other.clone()).await, ErrorKind::Conflict, "idempotency_key_reused");
        assert!(store.get_asset(&all(), other.id).await.unwrap().is_none());
    }
    assert_eq!(get(&store, first.id).await, first);
    assert_eq!(count(&store, event_kinds::ASSET_CREATED).await, 1);
}

/// Requests that come at the same time.
pub async fn an_idempotency_key_races(store: Store) {
    let library = library(&store).await;
    let ingests = (0..8).map(|_| {
        let (store, new) = (store.clone(), keyed(library, 1));
        tokio::spawn(async move { ingest(&store, new).await })
    });
    let ingested: Vec<_> = join_all(ingests).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(ingested.iter().filter(|ingested| ingested.created).count(), 1);
    assert_eq!(ingested.iter().map(|ingested| ingested.asset.id).collect::<BTreeSet<_>>().len(), 1);
}

/// By who asked, under the name that they gave it; not by who cannot see it.
pub async fn what_an_idempotency_key_gave_is_found(store: Store) {
    let library = library(&store).await;
    let asset = ingest(&store, keyed(library, 1)).await.asset;
    let find = |visible: Visibility, owner: &'static str, key: &'static str, name: &'static str| {
        let store = store.clone();
        async move { store.find_requested(&visible, owner, key, name).await.unwrap().map(|found| found.id) }
    };
    assert_eq!(find(all(), "olga", "upload-1", "photo 1.jpg").await, Some(asset.id));
    assert_eq!(
        find(Visibility::member(TENANT, "olga"), "olga", "upload-1", "photo 1.jpg").await,
        Some(asset.id)
    );
    assert_eq!(find(Visibility::member(TENANT, "eve"), "olga", "upload-1", "photo 1.jpg").await, None);
    assert_eq!(find(Visibility::all(TenantId::new()), "olga", "upload-1", "photo 1.jpg").await, None);
    for (owner, key, name) in [
        ("eve", "upload-1", "photo 1.jpg"),
        ("olga", "upload-2", "photo 1.jpg"),
        ("olga", "upload-1", "photo 2.jpg"),
    ] {
        assert_eq!(find(all(), owner, key, name).await, None);
    }
}

fn intent() -> Intent {
    let (store, key) = (StoreName::DEFAULT, BlobKey::original(TENANT, BlobId::new()));
    Intent { id: IntentId::new(), tenant: TENANT, store, key }
}

/// Once, by one sweeper, within its time; what is alive is left alone.
pub async fn expired_intents_are_taken_over(store: Store) {
    let intent = |_| intent();
    let expired: Vec<_> = (0..3).map(intent).collect();
    for intent in &expired {
        store.open_intent(intent, Duration::ZERO).await.unwrap();
    }
    let (alive, extended) = (intent(0), intent(0));
    store.open_intent(&alive, HOUR).await.unwrap();
    store.open_intent(&extended, Duration::from_millis(1)).await.unwrap();
    store.extend_intent(extended.id, HOUR).await.unwrap();

    let mut taken = store.take_expired_intents(2, HOUR).await.unwrap();
    assert_eq!(taken.len(), 2);
    taken.extend(store.take_expired_intents(2, HOUR).await.unwrap());
    assert!(store.take_expired_intents(10, HOUR).await.unwrap().is_empty());
    taken.sort_by_key(|intent| intent.id);
    assert_eq!(taken, expired);
    for intent in &taken {
        store.close_intent(intent.id).await.unwrap();
        store.close_intent(intent.id).await.unwrap();
        assert_fails(store.extend_intent(intent.id, HOUR).await, ErrorKind::Gone, "intent_expired");
    }
}

/// Who writes on does not lose time.
pub async fn an_intent_is_never_shortened(store: Store) {
    let intent = intent();
    store.open_intent(&intent, HOUR).await.unwrap();
    store.extend_intent(intent.id, Duration::ZERO).await.unwrap();
    assert!(store.take_expired_intents(10, HOUR).await.unwrap().is_empty());
}

/// By whoever is first, who has a while for it; what was committed is taken by nobody.
pub async fn an_intent_is_taken_once(store: Store) {
    let library = library(&store).await;
    let given_up = new_asset(library, 1);
    store.open_intent(&intent_of(&given_up), HOUR).await.unwrap();
    let takes = (0..6).map(|_| {
        let (store, id) = (store.clone(), given_up.intent);
        tokio::spawn(async move { store.take_intent(id, HOUR).await.unwrap() })
    });
    let taken = join_all(takes).await.into_iter().map(Result::unwrap);
    assert_eq!(taken.flatten().collect::<Vec<_>>(), [intent_of(&given_up)]);
    assert!(store.take_expired_intents(10, HOUR).await.unwrap().is_empty());
    assert_fails(store.commit_ingest(given_up).await, ErrorKind::Gone, "intent_expired");

    let kept = new_asset(library, 2);
    ingest(&store, kept.clone()).await;
    for gone in [kept.intent, IntentId::new()] {
        assert!(store.take_intent(gone, HOUR).await.unwrap().is_none());
    }
    let dies = new_asset(library, 3);
    store.open_intent(&intent_of(&dies), HOUR).await.unwrap();
    assert!(store.take_intent(dies.intent, Duration::ZERO).await.unwrap().is_some());
    assert_eq!(store.take_expired_intents(10, HOUR).await.unwrap(), [intent_of(&dies)]);
}

/// Bytes are committed, or somebody may delete them: never both.
pub async fn a_commit_races_with_who_takes_its_intent(store: Store) {
    let library = library(&store).await;
    for seed in 0..8 {
        let new = new_asset(library, seed);
        store.open_intent(&intent_of(&new), HOUR).await.unwrap();
        let take = tokio::spawn({
            let (store, id) = (store.clone(), new.intent);
            async move { store.take_intent(id, HOUR).await.unwrap() }
        });
        let committed = store.commit_ingest(new.clone()).await;
        assert_eq!(committed.is_err(), take.await.unwrap().is_some());
        if committed.is_err() {
            assert_fails(committed, ErrorKind::Gone, "intent_expired");
        }
    }
}

/// A sweeper that died is followed by another.
pub async fn a_sweeper_may_die(store: Store) {
    let intent = intent();
    store.open_intent(&intent, Duration::ZERO).await.unwrap();
    for _ in 0..3 {
        assert_eq!(
            store.take_expired_intents(10, Duration::ZERO).await.unwrap(),
            std::slice::from_ref(&intent)
        );
    }
}

/// `intent_expired`: the sweeper has deleted the bytes, or is about to.
pub async fn a_writer_whose_intent_was_taken_commits_nothing(store: Store) {
    let library = library(&store).await;
    let late = new_asset(library, 1);
    store.open_intent(&intent_of(&late), Duration::ZERO).await.unwrap();
    assert_eq!(store.take_expired_intents(10, HOUR).await.unwrap().len(), 1);
    assert_fails(store.commit_ingest(late.clone()).await, ErrorKind::Gone, "intent_expired");
    store.close_intent(late.intent).await.unwrap();
    assert_fails(store.commit_ingest(late.clone()).await, ErrorKind::Gone, "intent_expired");
    let never_opened = new_asset(library, 2);
    assert_fails(store.commit_ingest(never_opened).await, ErrorKind::Gone, "intent_expired");
    assert!(store.get_asset(&all(), late.id).await.unwrap().is_none());
    assert!(store.claim(&claim("w", &ALL_KINDS, 10, HOUR)).await.unwrap().is_empty());
    assert_eq!(count(&store, event_kinds::ASSET_CREATED).await, 0);
}

/// Who stands on the blob stands on the new bytes; the intent is that of the lost ones.
pub async fn lost_bytes_are_replaced(store: Store) {
    let library = library(&store).await;
    let lost = add(&store, library, 7).await;
    let new = new_asset(library, 7);
    assert!(ingest(&store, new.clone()).await.redundant);
    assert!(store.repair_blob(&intent_of(&new), &lost.blob).await.unwrap());
    for id in [lost.id, new.id] {
        let blob = get(&store, id).await.blob;
        assert_eq!((blob.id, blob.key, blob.sha256), (lost.blob.id, new.blob.key.clone(), lost.blob.sha256));
    }
    let swept = Intent { key: lost.blob.key.clone(), ..intent_of(&new) };
    assert_eq!(store.take_intent(new.intent, Duration::ZERO).await.unwrap().as_ref(), Some(&swept));
    assert_eq!(store.take_expired_intents(10, HOUR).await.unwrap(), [swept]);
    // Whose bytes are about to be swept gives them to nobody.
    let late = store.repair_blob(&intent_of(&new), &get(&store, new.id).await.blob).await;
    assert_fails(late, ErrorKind::Gone, "intent_expired");
}

/// However many bring the same at the same time; the others keep their own intents.
pub async fn lost_bytes_are_replaced_once(store: Store) {
    let library = library(&store).await;
    let lost = add(&store, library, 7).await.blob;
    let repairs = (0..6).map(|_| {
        let (store, new, lost) = (store.clone(), new_asset(library, 7), lost.clone());
        tokio::spawn(async move {
            assert!(ingest(&store, new.clone()).await.redundant);
            (store.repair_blob(&intent_of(&new), &lost).await.unwrap(), new)
        })
    });
    let repairs: Vec<_> = join_all(repairs).await.into_iter().map(Result::unwrap).collect();
    let winners: Vec<_> = repairs.iter().filter(|(repaired, _)| *repaired).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(get(&store, winners[0].1.id).await.blob.key, winners[0].1.blob.key);
    let keys: BTreeSet<_> = {
        for (_, new) in &repairs {
            assert!(store.take_intent(new.intent, Duration::ZERO).await.unwrap().is_some());
        }
        store.take_expired_intents(10, HOUR).await.unwrap().into_iter().map(|intent| intent.key).collect()
    };
    assert!(keys.contains(&lost.key) && !keys.contains(&winners[0].1.blob.key));
    assert_eq!(keys.len(), 6);
}

/// Of the same library, visible, not in the trash, the same in size.
pub async fn an_original_is_found_by_its_bytes(store: Store) {
    let (library, other) = (library(&store).await, library(&store).await);
    let asset = add(&store, library, 7).await;
    let find = |visible: Visibility, library, size| {
        let (store, sha256) = (store.clone(), asset.blob.sha256);
        async move { store.find_original(&visible, library, &sha256, size).await.unwrap().map(|found| found.id) }
    };
    let size = asset.blob.size;
    assert_eq!(find(all(), library, size).await, Some(asset.id));
    assert_eq!(find(Visibility::member(TENANT, "olga"), library, size).await, Some(asset.id));
    assert_eq!(find(all(), other, size).await, None);
    assert_eq!(find(all(), library, size + 1).await, None);
    assert_eq!(find(Visibility::member(TENANT, "vera"), library, size).await, None);
    assert_eq!(find(Visibility::all(TenantId::new()), library, size).await, None);
    store.set_trashed(&all(), asset.id, true, told("t")).await.unwrap();
    assert_eq!(find(all(), library, size).await, None);
}
