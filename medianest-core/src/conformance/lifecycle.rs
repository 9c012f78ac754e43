//! The suite of [`Catalog`](crate::catalog::Catalog) itself.

use super::fixture::*;
use crate::{ErrorKind, JobKind};
use futures::future::join_all;

/// However many do it at the same time, with rows in the tables.
pub async fn migrating_again_changes_nothing(store: Store) {
    let library = library(&store).await;
    let asset = add(&store, library, 1).await;
    let migrations = (0..4).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.migrate().await })
    });
    for migrated in join_all(migrations).await {
        migrated.unwrap().unwrap();
    }
    store.check().await.unwrap();
    assert_eq!(get(&store, asset.id).await, asset);
    claim_one(&store, JobKind::Understand).await;
}

/// And is about that of the wall.
pub async fn the_clock_of_the_backend_goes_forward(store: Store) {
    let (first, second) = (store.check().await.unwrap(), store.check().await.unwrap());
    assert!(first <= second);
    assert!(first.since(now()) < HOUR && now().since(first) < HOUR);
}

/// Not lost, not hanging.
pub async fn a_closed_catalog_is_unavailable(store: Store) {
    store.close().await;
    assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(
        store
            .enqueue(&[crate::NewJob::new(TENANT, JobKind::Render, crate::AssetId::new())])
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Unavailable
    );
    store.close().await;
}
