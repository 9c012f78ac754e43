//! Libraries, recipes, members.

use crate::{
    Audience, ErrorKind, EventId, Library, LibraryId, MemberRole, NewEvent, Recipe, Resize, TenantId,
    Visibility,
    catalog::NewLibrary,
    conformance::{assert_fails, fixture::*},
    event_kinds,
};
use futures::future::join;
use std::collections::BTreeSet;

/// As it was made, with its first version, recipe and owner.
pub async fn a_library_is_got_as_it_was_made(store: Store) {
    let new = new_library("Ferien 🏖");
    let made = store.create_library(new.clone()).await.unwrap();
    assert_eq!((made.id, made.tenant, made.name.as_str()), (new.id, TENANT, "Ferien 🏖"));
    assert_eq!((made.version, made.created_at, made.updated_at), (1, new.at, new.at));
    assert_eq!(store.get_library(&all(), new.id).await.unwrap(), Some(made));
    assert_eq!(store.get_recipe(TENANT, new.id).await.unwrap(), Some((new.recipe, 1)));
    assert_eq!(store.member_role(TENANT, new.id, "olga").await.unwrap(), Some(MemberRole::Owner));
    assert_eq!(count(&store, event_kinds::LIBRARY_CREATED).await, 1);
}

/// `library_exists`; nothing changes, nothing is told.
pub async fn a_taken_library_id_is_a_conflict(store: Store) {
    let new = new_library("first");
    store.create_library(new.clone()).await.unwrap();
    for tenant in [TENANT, TenantId::new()] {
        let again =
            NewLibrary { tenant, owner: "mallory".into(), event: told("library.again"), ..new.clone() };
        assert_fails(store.create_library(again).await, ErrorKind::Conflict, "library_exists");
    }
    assert_eq!(store.get_library(&all(), new.id).await.unwrap().unwrap().name, "first");
    assert_eq!(store.member_role(TENANT, new.id, "mallory").await.unwrap(), None);
    assert_eq!(count(&store, "library.again").await, 0);
}

/// To other tenants, to members and others, to those with a list.
pub async fn libraries_are_seen_by_visibility(store: Store) {
    let ours = library(&store).await;
    let theirs = store
        .create_library(NewLibrary { owner: "peter".into(), ..new_library("peter's") })
        .await
        .unwrap()
        .id;
    let elsewhere = TenantId::new();
    let foreign = library_of(&store, elsewhere).await;
    store.put_member(TENANT, theirs, "vera", MemberRole::Viewer, told("m")).await.unwrap();
    let cases = [
        (all(), vec![ours, theirs]),
        (Visibility::all(elsewhere), vec![foreign]),
        (Visibility::all(TenantId::new()), vec![]),
        (Visibility::member(TENANT, "olga"), vec![ours]),
        (Visibility::member(elsewhere, "olga"), vec![foreign]),
        (Visibility::member(TENANT, "vera"), vec![theirs]),
        (Visibility::member(TENANT, "nobody"), vec![]),
        (Visibility::member(TENANT, "OLGA"), vec![]),
        (Visibility::member(TENANT, ""), vec![]),
        (listed(&[ours]), vec![ours]),
        (listed(&[ours, theirs, foreign, LibraryId::new()]), vec![ours, theirs]),
        (listed(&[]), vec![]),
    ];
    for (visible, expected) in cases {
        let expected: BTreeSet<_> = expected.into_iter().collect();
        let rows = listed_libraries(&store, &visible, 1).await;
        assert_eq!(rows.iter().map(|row| row.id).collect::<BTreeSet<_>>(), expected, "{visible:?}");
        for id in [ours, theirs, foreign] {
            let seen = store.get_library(&visible, id).await.unwrap().is_some();
            assert_eq!(seen, expected.contains(&id), "{visible:?}");
        }
    }
}

async fn listed_libraries(store: &Store, visible: &Visibility, limit: u32) -> Vec<Library> {
    pages(limit, |page| {
        let (store, visible) = (store.clone(), visible.clone());
        async move { store.list_libraries(&visible, &page).await }
    })
    .await
}

/// Ids decide between namesakes; no row twice, none left out.
pub async fn libraries_are_listed_by_name_then_id(store: Store) {
    let mut expected = Vec::new();
    for name in ["bb", "aa", "bb", "cc", "aa", "bb", "bb"] {
        expected.push((name, store.create_library(new_library(name)).await.unwrap().id));
    }
    expected.sort();
    for limit in [1, 2, 3, 7, 8] {
        let rows = listed_libraries(&store, &all(), limit).await;
        let rows: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.id)).collect();
        assert_eq!(rows, expected, "pages of {limit}");
    }
}

/// `version_mismatch`, `library_not_found`: nothing changes, nothing is told.
pub async fn renaming_a_library(store: Store) {
    let id = library(&store).await;
    let rename = |tenant, id, name: &'static str, expected| {
        let store = store.clone();
        async move { store.rename_library(tenant, id, name, expected, told_in(id, "library.renamed")).await }
    };
    let renamed = rename(TENANT, id, "winter", Some(1)).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.version > 1), ("winter", true));
    assert_fails(
        rename(TENANT, id, "late", Some(1)).await,
        ErrorKind::PreconditionFailed,
        "version_mismatch",
    );
    for (tenant, id) in [(TENANT, LibraryId::new()), (TenantId::new(), id)] {
        assert_fails(rename(tenant, id, "lost", None).await, ErrorKind::NotFound, "library_not_found");
    }
    assert_eq!(store.get_library(&all(), id).await.unwrap(), Some(renamed.clone()));
    let again = rename(TENANT, id, "summer", None).await.unwrap();
    assert!(again.version > renamed.version);
    assert_eq!(count(&store, "library.renamed").await, 2);
}

/// Not while an asset is in it, be it in the trash; not of another tenant.
pub async fn deleting_a_library(store: Store) {
    let id = library(&store).await;
    let asset = add(&store, id, 1).await.id;
    let delete = |tenant| {
        let store = store.clone();
        async move { store.delete_library(tenant, id, told(event_kinds::LIBRARY_DELETED)).await }
    };
    assert_fails(delete(TENANT).await, ErrorKind::Conflict, "library_not_empty");
    store.set_trashed(&all(), asset, true, told("t")).await.unwrap();
    assert_fails(delete(TENANT).await, ErrorKind::Conflict, "library_not_empty");
    store.delete_asset(TENANT, asset, None, HOUR, told("d")).await.unwrap();
    assert_fails(delete(TenantId::new()).await, ErrorKind::NotFound, "library_not_found");
    assert!(store.get_library(&all(), id).await.unwrap().is_some());
    delete(TENANT).await.unwrap();
    assert_eq!(store.get_library(&all(), id).await.unwrap(), None);
    assert_eq!(store.get_recipe(TENANT, id).await.unwrap(), None);
    assert_eq!(store.member_role(TENANT, id, "olga").await.unwrap(), None);
    assert_fails(delete(TENANT).await, ErrorKind::NotFound, "library_not_found");
    assert_eq!(count(&store, event_kinds::LIBRARY_DELETED).await, 1);
}

/// Equal to the present one: same version, no event.
pub async fn replacing_a_recipe(store: Store) {
    let id = library(&store).await;
    let recipe = Recipe::standard().image("card", Resize::fill(400, 300).webp(80)).unwrap();
    let set = |tenant, id, recipe: Recipe| {
        let store = store.clone();
        async move { store.set_recipe(tenant, id, &recipe, told_in(id, "recipe.set")).await }
    };
    assert_eq!(set(TENANT, id, Recipe::standard()).await.unwrap(), 1);
    assert_eq!(count(&store, "recipe.set").await, 0);
    assert_eq!(set(TENANT, id, recipe.clone()).await.unwrap(), 2);
    assert_eq!(set(TENANT, id, recipe.clone()).await.unwrap(), 2);
    assert_eq!(store.get_recipe(TENANT, id).await.unwrap(), Some((recipe.clone(), 2)));
    assert_eq!(count(&store, "recipe.set").await, 1);
    for (tenant, id) in [(TENANT, LibraryId::new()), (TenantId::new(), id)] {
        assert_fails(set(tenant, id, recipe.clone()).await, ErrorKind::NotFound, "library_not_found");
        assert_eq!(store.get_recipe(tenant, id).await.unwrap(), None);
    }
}

/// By subject, in pages; each with one role.
pub async fn members_come_and_go(store: Store) {
    let id = library(&store).await;
    for (subject, role) in
        [("vera", MemberRole::Viewer), ("carl", MemberRole::Editor), ("vera", MemberRole::Contributor)]
    {
        let member = store.put_member(TENANT, id, subject, role, told_in(id, "member.put")).await.unwrap();
        assert_eq!((member.subject.as_str(), member.role), (subject, role));
    }
    for limit in [1, 2, 3] {
        let list = |page| {
            let store = store.clone();
            async move { store.list_members(TENANT, id, &page).await }
        };
        let members: Vec<_> = pages(limit, list).await.into_iter().map(|m| (m.subject, m.role)).collect();
        let expected =
            [("carl", MemberRole::Editor), ("olga", MemberRole::Owner), ("vera", MemberRole::Contributor)];
        assert_eq!(members, expected.map(|(subject, role)| (subject.to_owned(), role)));
    }
    assert!(store.list_members(TenantId::new(), id, &page(10, None)).await.unwrap().items.is_empty());
    assert_eq!(store.member_role(TenantId::new(), id, "vera").await.unwrap(), None);
    for _ in 0..2 {
        store.remove_member(TENANT, id, "vera", told_in(id, "member.gone")).await.unwrap();
        assert_eq!(store.member_role(TENANT, id, "vera").await.unwrap(), None);
    }
    assert!(store.get_library(&Visibility::member(TENANT, "vera"), id).await.unwrap().is_none());
    assert_eq!(count(&store, "member.gone").await, 1);
    let nowhere = store.put_member(TENANT, LibraryId::new(), "v", MemberRole::Viewer, told("m")).await;
    assert_fails(nowhere, ErrorKind::NotFound, "library_not_found");
    let elsewhere = store.put_member(TenantId::new(), id, "v", MemberRole::Viewer, told("m")).await;
    assert_fails(elsewhere, ErrorKind::NotFound, "library_not_found");
}

async fn heard(store: &Store, subject: &str, kind: &str) -> Vec<EventId> {
    while store.sequence(100).await.unwrap() > 0 {}
    let (visible, start) = (Visibility::member(TENANT, subject), store.event_tail().await.unwrap());
    let (events, _) = store.read_events(&visible, subject, start, 100).await.unwrap();
    events.into_iter().filter(|event| event.kind == kind).map(|event| event.id).collect()
}

/// So do those who stay.
pub async fn who_has_left_hears_of_it(store: Store) {
    let id = library(&store).await;
    store.put_member(TENANT, id, "vera", MemberRole::Viewer, told_in(id, "m")).await.unwrap();
    let left = NewEvent { audience: Audience::Member(id, "vera".into()), ..told("left") };
    store.remove_member(TENANT, id, "vera", left.clone()).await.unwrap();
    assert_eq!(heard(&store, "vera", "left").await, [left.id]);
    assert_eq!(heard(&store, "olga", "left").await, [left.id]);
    assert!(heard(&store, "carl", "left").await.is_empty());
}

/// Each once, and nobody else.
pub async fn the_members_of_a_deleted_library_hear_of_it(store: Store) {
    let id = library(&store).await;
    store.put_member(TENANT, id, "vera", MemberRole::Viewer, told_in(id, "m")).await.unwrap();
    store.put_member(TENANT, library(&store).await, "carl", MemberRole::Viewer, told("m")).await.unwrap();
    store.delete_library(TENANT, id, told_in(id, "gone")).await.unwrap();
    assert_eq!(heard(&store, "vera", "gone").await.len(), 1);
    assert_eq!(heard(&store, "olga", "gone").await.len(), 1);
    assert!(heard(&store, "carl", "gone").await.is_empty());
    assert_eq!(count(&store, "gone").await, 2);
}

/// `last_owner`, whether by leaving or by another role.
pub async fn a_library_keeps_an_owner(store: Store) {
    let id = library(&store).await;
    let demote = store.put_member(TENANT, id, "olga", MemberRole::Editor, told("no")).await;
    assert_fails(demote, ErrorKind::Conflict, "last_owner");
    let remove = store.remove_member(TENANT, id, "olga", told("no")).await;
    assert_fails(remove, ErrorKind::Conflict, "last_owner");
    store.put_member(TENANT, id, "olga", MemberRole::Owner, told("same")).await.unwrap();
    store.put_member(TENANT, id, "otto", MemberRole::Owner, told("second")).await.unwrap();
    store.put_member(TENANT, id, "olga", MemberRole::Viewer, told("first")).await.unwrap();
    let remove = store.remove_member(TENANT, id, "otto", told("no")).await;
    assert_fails(remove, ErrorKind::Conflict, "last_owner");
    assert_eq!(store.member_role(TENANT, id, "otto").await.unwrap(), Some(MemberRole::Owner));
    assert_eq!(count(&store, "no").await, 0);
}

/// Two owners who remove each other at the same time: one of them stays.
pub async fn owners_cannot_all_leave_at_once(store: Store) {
    for round in 0..10 {
        let id = library(&store).await;
        store.put_member(TENANT, id, "otto", MemberRole::Owner, told("m")).await.unwrap();
        let leave = |subject: &'static str| {
            let store = store.clone();
            tokio::spawn(async move { store.remove_member(TENANT, id, subject, told("leave")).await })
        };
        let (olga, otto) = join(leave("olga"), leave("otto")).await;
        let left = [olga.unwrap(), otto.unwrap()].into_iter().filter(|left| left.is_ok()).count();
        assert_eq!(left, 1, "round {round}");
        assert_eq!(store.list_members(TENANT, id, &page(10, None)).await.unwrap().items.len(), 1);
    }
}
