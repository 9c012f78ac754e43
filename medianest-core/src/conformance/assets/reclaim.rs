//! From tombstones to the end of the bytes.

use crate::{BlobKey, StoreName, catalog::Purge, conformance::fixture::*};
use std::time::Duration;

fn id_of(purge: &Purge) -> uuid::Uuid {
    match purge {
        Purge::Blob { id, .. } => id.as_uuid(),
        Purge::Rendition { id, .. } => id.as_uuid(),
    }
}

/// Neither of what lives, nor of what is in the trash, nor of what was just deleted.
pub async fn bytes_within_their_retention_stay(store: Store) {
    let library = library(&store).await;
    let (trashed, deleted) = (add(&store, library, 1).await.id, add(&store, library, 2).await.id);
    add(&store, library, 3).await;
    store.set_trashed(&all(), trashed, true, told("t")).await.unwrap();
    store.delete_asset(TENANT, deleted, None, HOUR, told("d")).await.unwrap();
    assert!(store.begin_purge(10).await.unwrap().is_empty());
}

/// Given out again until they are forgotten, so that a sweeper may die.
pub async fn a_purge_is_repeated_until_it_is_finished(store: Store) {
    let library = library(&store).await;
    let mut blobs = Vec::new();
    for seed in 0..3 {
        let asset = add(&store, library, seed).await;
        store.delete_asset(TENANT, asset.id, None, Duration::ZERO, told("d")).await.unwrap();
        blobs.push(asset.blob.id.as_uuid());
    }
    let ids = |purges: &[Purge]| {
        let mut ids: Vec<_> = purges.iter().map(id_of).collect();
        ids.sort();
        ids
    };
    let first = store.begin_purge(10).await.unwrap();
    blobs.sort();
    assert_eq!(ids(&first), blobs);
    assert_eq!(ids(&store.begin_purge(10).await.unwrap()), blobs);
    store.finish_purge(&first[0]).await.unwrap();
    assert_eq!(ids(&store.begin_purge(10).await.unwrap()), ids(&first[1..]));
    for purge in &first[1..] {
        store.finish_purge(purge).await.unwrap();
    }
    assert!(store.begin_purge(10).await.unwrap().is_empty());
}

/// In the end all come.
pub async fn a_purge_has_a_limit(store: Store) {
    let library = library(&store).await;
    for seed in 0..5 {
        let asset = add(&store, library, seed).await;
        store.delete_asset(TENANT, asset.id, None, Duration::ZERO, told("d")).await.unwrap();
    }
    let mut purged = 0;
    loop {
        let purges = store.begin_purge(2).await.unwrap();
        if purges.is_empty() {
            break;
        }
        for purge in &purges {
            store.finish_purge(purge).await.unwrap();
        }
        purged += purges.len();
    }
    assert_eq!(purged, 5);
}

/// With the folder of its parts, be it finished or not.
pub async fn renditions_go_with_their_folders(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["small!", "large"]).await;
    make(&store, &fence, ids[0]).await;
    store.commit_part(&fence, ids[1], &part(ids[1], 0, 1)).await.unwrap();
    let blob = get(&store, asset).await.blob;
    store.delete_asset(TENANT, asset, None, Duration::ZERO, told("d")).await.unwrap();
    let mut purges = store.begin_purge(10).await.unwrap();
    purges.sort_by_key(id_of);
    let mut expected = vec![Purge::Blob { id: blob.id, store: blob.store, key: blob.key }];
    expected.extend(ids.iter().map(|id| {
        let (store, folder) = (StoreName::DEFAULT, BlobKey::rendition(TENANT, *id));
        Purge::Rendition { id: *id, store, folder }
    }));
    expected.sort_by_key(id_of);
    assert_eq!(purges, expected);
    for purge in &purges {
        store.finish_purge(purge).await.unwrap();
    }
    assert!(store.list_parts(ids[0]).await.unwrap().is_empty());
    assert!(store.begin_purge(10).await.unwrap().is_empty());
}

/// It comes again after the others, and blobs and renditions do not wait for each other.
pub async fn what_cannot_be_purged_is_in_nobodys_way(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["small!"]).await;
    make(&store, &fence, ids[0]).await;
    let blob = get(&store, asset).await.blob.id;
    store.delete_asset(TENANT, asset, None, Duration::ZERO, told("d")).await.unwrap();
    let (library, mut blobs) = (library(&store).await, vec![blob.as_uuid()]);
    for seed in 10..13 {
        let asset = add(&store, library, seed).await;
        store.delete_asset(TENANT, asset.id, None, Duration::ZERO, told("d")).await.unwrap();
        blobs.push(asset.blob.id.as_uuid());
    }
    a_moment().await;
    let mut came = Vec::new();
    for _ in 0..4 {
        let purges = store.begin_purge(2).await.unwrap();
        assert!(purges.iter().any(|purge| id_of(purge) == ids[0].as_uuid()), "{purges:?}");
        came.extend(purges.iter().map(id_of).filter(|id| *id != ids[0].as_uuid()));
        a_moment().await;
    }
    came.sort();
    blobs.sort();
    assert_eq!(came, blobs);
}
