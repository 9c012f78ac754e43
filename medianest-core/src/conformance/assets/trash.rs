//! Trash, staging, expiry, deletion.

use crate::{
    AssetId, AssetState, ErrorKind, JobKind, JobState,
    catalog::{NewAsset, Purge},
    conformance::{assert_fails, fixture::*},
    event_kinds,
};
use std::time::Duration;

/// Doing it twice changes nothing and tells nothing.
pub async fn into_the_trash_and_out_again(store: Store) {
    let library = library(&store).await;
    let asset = add(&store, library, 1).await;
    let set = |trashed, kind| {
        let store = store.clone();
        async move { store.set_trashed(&all(), asset.id, trashed, told(kind)).await.unwrap() }
    };
    assert_eq!(set(false, "restored").await, get(&store, asset.id).await);
    let trashed = set(true, "trashed").await;
    assert!(trashed.trashed_at.is_some() && trashed.version > asset.version);
    assert_eq!(set(true, "trashed").await, trashed);
    assert_eq!(get(&store, asset.id).await, trashed);
    let restored = set(false, "restored").await;
    assert!(restored.trashed_at.is_none() && restored.version > trashed.version);
    assert_eq!((count(&store, "trashed").await, count(&store, "restored").await), (1, 1));
    let nobody = store.set_trashed(&all(), AssetId::new(), true, told("t")).await;
    assert_fails(nobody, ErrorKind::NotFound, "asset_not_found");
}

/// From the trash and of the staged; the oldest first, never what is neither.
pub async fn assets_whose_time_is_over(store: Store) {
    let library = library(&store).await;
    let staged = |seed, expires_after| NewAsset {
        state: AssetState::Staged,
        expires_after: Some(expires_after),
        ..new_asset(library, seed)
    };
    add(&store, library, 1).await;
    let trashed = add(&store, library, 2).await.id;
    store.set_trashed(&all(), trashed, true, told("t")).await.unwrap();
    let expired = ingest(&store, staged(3, Duration::ZERO)).await.asset.id;
    ingest(&store, staged(4, HOUR)).await;
    let over = |retention, limit| {
        let store = store.clone();
        async move {
            let mut ids: Vec<_> =
                store.expired_assets(retention, limit).await.unwrap().iter().map(|asset| asset.id).collect();
            ids.sort();
            ids
        }
    };
    assert_eq!(over(Duration::ZERO, 10).await, [trashed, expired]);
    assert_eq!(over(HOUR, 10).await, [expired]);
    assert_eq!(over(Duration::ZERO, 1).await.len(), 1);
    store.set_trashed(&all(), trashed, false, told("t")).await.unwrap();
    assert_eq!(over(Duration::ZERO, 10).await, [expired]);
}

/// It belongs to one row of the host's and no longer expires.
pub async fn a_staged_asset_is_attached(store: Store) {
    let library = library(&store).await;
    let staged =
        NewAsset { state: AssetState::Staged, expires_after: Some(Duration::ZERO), ..new_asset(library, 1) };
    let id = ingest(&store, staged).await.asset.id;
    let attached = store.attach(&all(), id, "products/42").await.unwrap();
    assert_eq!(attached.state, AssetState::Processing);
    assert_eq!((attached.attached_to.as_deref(), attached.expires_at), (Some("products/42"), None));
    assert_eq!(store.attach(&all(), id, "products/42").await.unwrap(), attached);
    let other = store.attach(&all(), id, "products/43").await;
    assert_fails(other, ErrorKind::Conflict, "asset_attached");
    assert_eq!(get(&store, id).await, attached);
    assert!(store.expired_assets(Duration::ZERO, 10).await.unwrap().is_empty());
    let nobody = store.attach(&all(), AssetId::new(), "products/42").await;
    assert_fails(nobody, ErrorKind::NotFound, "asset_not_found");
}

/// Its job need not wait for the host.
pub async fn a_staged_asset_is_understood_before_it_is_attached(store: Store) {
    let library = library(&store).await;
    let staged = NewAsset { state: AssetState::Staged, expires_after: Some(HOUR), ..new_asset(library, 1) };
    let id = ingest(&store, staged).await.asset.id;
    let understand = claim_one(&store, JobKind::Understand).await;
    store.record_facts(&understand.fence(), understood(declare(id, &[]))).await.unwrap();
    let attached = store.attach(&all(), id, "products/42").await.unwrap();
    assert_eq!((attached.state, attached.expires_at), (AssetState::Ready, None));
    assert_eq!(attached.facts.unwrap().read().unwrap(), facts());
}

/// For good, once, with its jobs; its bytes when their time has come.
pub async fn deleting_an_asset(store: Store) {
    let (asset, _, ids) = rendering(&store, &["small!"]).await;
    let blob = get(&store, asset).await.blob;
    let render = store.list_jobs(TENANT, &Default::default(), &page(10, None)).await.unwrap().items;
    let delete = || async {
        store.delete_asset(TENANT, asset, None, HOUR, told(event_kinds::ASSET_DELETED)).await.unwrap()
    };
    assert!(delete().await);
    assert!(!delete().await);
    assert!(store.get_asset(&all(), asset).await.unwrap().is_none());
    assert!(store.list_renditions(asset).await.unwrap().is_empty());
    assert_eq!(count(&store, event_kinds::ASSET_DELETED).await, 1);
    for before in render.iter().filter(|job| job.kind == JobKind::Render) {
        // The worker that has it learns of it by its next heartbeat.
        let alive = store.heartbeat(&before.fence(), 0.5, HOUR).await;
        assert!(!matches!(alive, Ok(true)), "the job of a deleted asset goes on");
    }
    assert!(store.begin_purge(10).await.unwrap().is_empty(), "the retention of {} and {ids:?}", blob.key);
}

/// What waits in the queue is called off at once.
pub async fn deleting_an_asset_cancels_what_is_queued(store: Store) {
    let library = library(&store).await;
    let new = new_asset(library, 1);
    let (asset, queued) = (new.id, new.jobs[0].id);
    ingest(&store, new).await;
    store.delete_asset(TENANT, asset, None, HOUR, told("d")).await.unwrap();
    assert_eq!(job(&store, queued).await.state, JobState::Cancelled);
    assert!(store.claim(&claim("w", &ALL_KINDS, 10, HOUR)).await.unwrap().is_empty());
}

/// What stands on the same bytes keeps them.
pub async fn bytes_stay_while_an_asset_stands_on_them(store: Store) {
    let library = library(&store).await;
    let (first, second) = (add(&store, library, 7).await, add(&store, library, 7).await);
    store.delete_asset(TENANT, first.id, None, Duration::ZERO, told("d")).await.unwrap();
    assert!(store.begin_purge(10).await.unwrap().is_empty());
    assert_eq!(get(&store, second.id).await.blob.key, first.blob.key);
    store.delete_asset(TENANT, second.id, None, Duration::ZERO, told("d")).await.unwrap();
    let purge = store.begin_purge(10).await.unwrap();
    assert!(matches!(&purge[..], [Purge::Blob { key, .. }] if *key == first.blob.key), "{purge:?}");
}

/// Who was restored, or attached, meanwhile is spared by the sweeper.
pub async fn only_what_is_still_expired_is_swept(store: Store) {
    let library = library(&store).await;
    let restored = add(&store, library, 1).await.id;
    let fresh = add(&store, library, 2).await.id;
    let trashed = add(&store, library, 3).await.id;
    for id in [restored, trashed] {
        store.set_trashed(&all(), id, true, told("t")).await.unwrap();
    }
    store.set_trashed(&all(), restored, false, told("t")).await.unwrap();
    let sweep = |id, retention| {
        let store = store.clone();
        async move { store.delete_asset(TENANT, id, Some(retention), HOUR, told("swept")).await.unwrap() }
    };
    assert!(!sweep(restored, Duration::ZERO).await);
    assert!(!sweep(fresh, Duration::ZERO).await);
    assert!(!sweep(trashed, HOUR).await);
    for id in [restored, fresh, trashed] {
        get(&store, id).await;
    }
    assert!(sweep(trashed, Duration::ZERO).await);
    assert_eq!(count(&store, "swept").await, 1);
}
