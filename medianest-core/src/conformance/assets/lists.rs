//! Getting, listing and changing assets.

use crate::{
    Asset, AssetId, AssetState, ErrorKind, MediaKind, MemberRole, Page, PageRequest, Result, TenantId,
    Timestamp, Visibility,
    catalog::{AssetChange, AssetOrder, AssetQuery, NewAsset},
    conformance::{Random, assert_fails, fixture::*},
    event_kinds,
};
use std::{collections::BTreeSet, future::Future};

fn list(
    store: &Store,
    visible: &Visibility,
    query: &AssetQuery,
) -> impl FnMut(PageRequest) -> std::pin::Pin<Box<dyn Future<Output = Result<Page<Asset>>> + Send>> {
    let (store, visible, query) = (store.clone(), visible.clone(), query.clone());
    move |page| {
        let (store, visible, query) = (store.clone(), visible.clone(), query.clone());
        Box::pin(async move { store.list_assets(&visible, &query, &page).await })
    }
}

async fn found(store: &Store, visible: &Visibility, query: &AssetQuery) -> BTreeSet<AssetId> {
    pages(2, list(store, visible, query)).await.iter().map(|asset| asset.id).collect()
}

/// To other tenants, to members and others, to those with a list: by id, by bytes and in lists.
pub async fn assets_are_seen_by_visibility(store: Store) {
    let (ours, theirs) = (library(&store).await, library(&store).await);
    store.put_member(TENANT, theirs, "vera", MemberRole::Viewer, told("m")).await.unwrap();
    let elsewhere = TenantId::new();
    let foreign = library_of(&store, elsewhere).await;
    let a = add(&store, ours, 1).await.id;
    let b = add(&store, theirs, 2).await.id;
    let c = ingest(&store, in_tenant(new_asset(foreign, 3), elsewhere)).await.asset.id;
    let cases = [
        (all(), vec![a, b]),
        (Visibility::all(elsewhere), vec![c]),
        (Visibility::all(TenantId::new()), vec![]),
        (Visibility::member(TENANT, "olga"), vec![a, b]),
        (Visibility::member(TENANT, "vera"), vec![b]),
        (Visibility::member(elsewhere, "vera"), vec![]),
        (Visibility::member(TENANT, "nobody"), vec![]),
        (listed(&[ours]), vec![a]),
        (listed(&[ours, foreign]), vec![a]),
        (listed(&[]), vec![]),
    ];
    for (visible, expected) in cases {
        let expected: BTreeSet<_> = expected.into_iter().collect();
        assert_eq!(found(&store, &visible, &AssetQuery::default()).await, expected, "{visible:?}");
        for (id, library) in [(a, ours), (b, theirs), (c, foreign)] {
            let seen = expected.contains(&id);
            assert_eq!(store.get_asset(&visible, id).await.unwrap().is_some(), seen, "{visible:?}");
            let of_library = AssetQuery { library: Some(library), ..AssetQuery::default() };
            assert_eq!(found(&store, &visible, &of_library).await.contains(&id), seen, "{visible:?}");
        }
    }
}

/// Invisible answers as absent, to every command, and nothing changes.
pub async fn what_is_invisible_cannot_be_changed(store: Store) {
    let library = library(&store).await;
    let asset = add(&store, library, 1).await;
    let change = AssetChange { name: Some("stolen".into()), taken_at: None };
    for visible in [Visibility::all(TenantId::new()), Visibility::member(TENANT, "vera"), listed(&[])] {
        let update = store.update_asset(&visible, asset.id, &change, None, told("no")).await;
        assert_fails(update, ErrorKind::NotFound, "asset_not_found");
        let trash = store.set_trashed(&visible, asset.id, true, told("no")).await;
        assert_fails(trash, ErrorKind::NotFound, "asset_not_found");
        let attach = store.attach(&visible, asset.id, "products/1").await;
        assert_fails(attach, ErrorKind::NotFound, "asset_not_found");
    }
    let delete = store.delete_asset(TenantId::new(), asset.id, None, HOUR, told("no")).await;
    assert!(!delete.unwrap());
    assert_eq!(get(&store, asset.id).await, asset);
    assert_eq!(count(&store, "no").await, 0);
}

/// Each alone, and together.
pub async fn assets_are_listed_by_what_was_asked_for(store: Store) {
    let (one, two) = (library(&store).await, library(&store).await);
    let at = Timestamp::from_secs;
    let mut ids = Vec::new();
    for (seed, library, kind, owner, taken) in [
        (1, one, Some(MediaKind::Image), "olga", 100),
        (2, one, Some(MediaKind::Video), "olga", 200),
        (3, one, Some(MediaKind::Audio), "vera", 300),
        (4, two, None, "vera", 400),
    ] {
        let state = if seed == 4 { AssetState::Failed } else { AssetState::Processing };
        let new = new_asset(library, seed);
        let new = NewAsset { kind, owner: owner.into(), taken_at: at(taken), state, ..new };
        ids.push(ingest(&store, new).await.asset.id);
    }
    let trashed = add(&store, one, 5).await.id;
    store.set_trashed(&all(), trashed, true, told("t")).await.unwrap();
    let query = AssetQuery::default;
    let cases: Vec<(AssetQuery, &[usize])> = vec![
        (query(), &[0, 1, 2, 3]),
        (AssetQuery { library: Some(one), ..query() }, &[0, 1, 2]),
        (AssetQuery { kind: Some(MediaKind::Video), ..query() }, &[1]),
        (AssetQuery { state: Some(AssetState::Failed), ..query() }, &[3]),
        (AssetQuery { state: Some(AssetState::Ready), ..query() }, &[]),
        (AssetQuery { owner: Some("vera".into()), ..query() }, &[2, 3]),
        (AssetQuery { taken_from: Some(at(200)), ..query() }, &[1, 2, 3]),
        (AssetQuery { taken_before: Some(at(200)), ..query() }, &[0]),
        (AssetQuery { taken_from: Some(at(200)), taken_before: Some(at(400)), ..query() }, &[1, 2]),
        (AssetQuery { library: Some(one), owner: Some("vera".into()), ..query() }, &[2]),
        (AssetQuery { library: Some(two), kind: Some(MediaKind::Image), ..query() }, &[]),
    ];
    for (query, expected) in cases {
        let expected: BTreeSet<_> = expected.iter().map(|index| ids[*index]).collect();
        assert_eq!(found(&store, &all(), &query).await, expected, "{query:?}");
    }
    let in_trash = AssetQuery { trashed: true, ..query() };
    assert_eq!(found(&store, &all(), &in_trash).await, BTreeSet::from([trashed]));
}

/// In all orders, with pages of all sizes, though most are equal: none twice, none left out.
pub async fn pages_of_equal_assets_are_complete(store: Store) {
    let library = library(&store).await;
    let mut rows = Vec::new();
    for seed in 0..11 {
        let second = Timestamp::from_secs(1_000 + i64::try_from(seed / 4).unwrap());
        let new = NewAsset { taken_at: second, at: second, ..new_asset(library, seed) };
        rows.push((second, ingest(&store, new).await.asset.id));
    }
    rows.sort();
    let oldest: Vec<_> = rows.iter().map(|row| row.1).collect();
    let newest: Vec<_> = oldest.iter().rev().copied().collect();
    for (order, expected) in [
        (AssetOrder::TakenNewest, &newest),
        (AssetOrder::TakenOldest, &oldest),
        (AssetOrder::AddedNewest, &newest),
        (AssetOrder::AddedOldest, &oldest),
    ] {
        for limit in [1, 2, 3, 5, 10, 11, 12] {
            let query = AssetQuery { order, ..AssetQuery::default() };
            let listed = pages(limit, list(&store, &all(), &query)).await;
            let listed: Vec<_> = listed.iter().map(|asset| asset.id).collect();
            // Ids decide between equals, in a direction of the backend's choice.
            let sorted = |ids: &[AssetId]| {
                let time = |id| rows.iter().find(|row| row.1 == id).unwrap().0;
                ids.iter().map(|id| time(*id)).collect::<Vec<_>>()
            };
            assert_eq!(sorted(&listed), sorted(expected), "{order:?} in pages of {limit}");
            assert_eq!(
                listed.iter().collect::<BTreeSet<_>>(),
                expected.iter().collect(),
                "{order:?} {limit}"
            );
            assert_eq!(listed.len(), expected.len(), "{order:?} in pages of {limit}");
        }
    }
}

/// `invalid_cursor`, whatever is put there; never a failure of ours.
pub async fn forged_cursors_are_refused(store: Store) {
    let library = library(&store).await;
    for seed in 0..3 {
        add(&store, library, seed).await;
    }
    let query = AssetQuery::default();
    let first = store.list_assets(&all(), &query, &page(1, None)).await.unwrap();
    let genuine = first.next_cursor.unwrap();
    let mut forged: Vec<String> =
        ["", "x", "null", "MA==", "' OR 1=1 --", "é", "\0", "1:2", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
            .map(String::from)
            .into();
    forged.push(genuine[..genuine.len() - 1].to_owned());
    forged.push(format!("{genuine}A"));
    forged.push("z".repeat(512));
    let mut random = Random(11);
    for _ in 0..50 {
        let mut bytes = genuine.clone().into_bytes();
        let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
        bytes[at] = b'!';
        forged.push(String::from_utf8(bytes).unwrap());
    }
    for cursor in forged {
        let Some(page) = forged_page(1, cursor.clone()) else { continue };
        match store.list_assets(&all(), &query, &page).await {
            Err(error) => assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::InvalidInput, "invalid_cursor"),
                "{cursor:?}"
            ),
            Ok(_) => panic!("{cursor:?} was taken for a cursor"),
        }
    }
}

/// A cursor shows no more than its bearer may see.
pub async fn a_cursor_of_somebody_else_shows_nothing_more(store: Store) {
    let (ours, theirs) = (library(&store).await, library(&store).await);
    for seed in 0..4 {
        add(&store, if seed % 2 == 0 { ours } else { theirs }, seed).await;
    }
    let query = AssetQuery::default();
    let cursor = store.list_assets(&all(), &query, &page(1, None)).await.unwrap().next_cursor;
    let rest = store.list_assets(&listed(&[ours]), &query, &page(10, cursor)).await;
    if let Ok(rest) = rest {
        assert!(rest.items.iter().all(|asset| asset.library_id == ours));
    }
}

/// The name, the time, or both; each change is a version and an event.
pub async fn changing_an_asset(store: Store) {
    let library = library(&store).await;
    let asset = add(&store, library, 1).await;
    let taken = Timestamp::from_secs(77);
    let update = |id, change: AssetChange, expected| {
        let store = store.clone();
        async move { store.update_asset(&all(), id, &change, expected, told(event_kinds::ASSET_UPDATED)).await }
    };
    let rename = AssetChange { name: Some("sea.jpg".into()), taken_at: None };
    let renamed = update(asset.id, rename.clone(), Some(asset.version)).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.taken_at), ("sea.jpg", asset.taken_at));
    assert!(renamed.version > asset.version);
    let stale = update(asset.id, rename.clone(), Some(asset.version)).await;
    assert_fails(stale, ErrorKind::PreconditionFailed, "version_mismatch");
    assert_eq!(get(&store, asset.id).await, renamed);
    let moved = update(asset.id, AssetChange { name: None, taken_at: Some(taken) }, None).await.unwrap();
    assert_eq!((moved.name.as_str(), moved.taken_at), ("sea.jpg", taken));
    assert_fails(update(AssetId::new(), rename, None).await, ErrorKind::NotFound, "asset_not_found");
    assert_eq!(count(&store, event_kinds::ASSET_UPDATED).await, 2);
}

/// Of those who change the same version at the same time, one succeeds.
pub async fn changing_a_version_happens_once(store: Store) {
    let library = library(&store).await;
    let asset = add(&store, library, 1).await;
    let updates = (0..8).map(|n| {
        let (store, change) = (store.clone(), AssetChange { name: Some(format!("{n}")), taken_at: None });
        tokio::spawn(async move {
            store.update_asset(&all(), asset.id, &change, Some(asset.version), told("u")).await
        })
    });
    let mut changed = 0;
    for update in futures::future::join_all(updates).await {
        match update.unwrap() {
            Ok(_) => changed += 1,
            Err(error) => assert_eq!(error.code(), "version_mismatch"),
        }
    }
    assert_eq!((changed, count(&store, "u").await), (1, 1));
}
