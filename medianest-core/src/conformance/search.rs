//! The suite of [`SearchIndex`](crate::catalog::SearchIndex).

use super::{assert_fails, fixture::*};
use crate::{
    AssetId, ErrorKind, JobKind, LibraryId, MediaKind, MemberRole, TenantId, Timestamp, Visibility,
    catalog::{AssetChange, NewAsset, SearchQuery},
};
use std::collections::BTreeSet;

fn words(text: &str) -> SearchQuery {
    SearchQuery { text: text.to_owned(), ..SearchQuery::default() }
}

async fn named(store: &Store, library: LibraryId, seed: u64, name: &str) -> AssetId {
    ingest(store, NewAsset { name: name.to_owned(), ..new_asset(library, seed) }).await.asset.id
}

async fn found(store: &Store, visible: &Visibility, text: &str) -> BTreeSet<AssetId> {
    let page = store.search(visible, &words(text), &page(200, None)).await;
    page.unwrap_or_else(|error| panic!("{text:?}: {error:?}")).items.iter().map(|asset| asset.id).collect()
}

/// Accents do not matter either; half of the words is not enough.
pub async fn all_words_are_found_in_any_case(store: Store) {
    let library = library(&store).await;
    let azur = named(&store, library, 1, "Côte d’Azur 2019.jpg").await;
    let lodz = named(&store, library, 2, "Łódź_Straße-2019.PNG").await;
    let tokyo = named(&store, library, 3, "東京 タワー.heic").await;
    for (text, expected) in [
        ("cote azur", vec![azur]),
        ("CÔTE", vec![azur]),
        ("azur côte", vec![azur]),
        ("lodz", vec![lodz]),
        ("strasse", vec![lodz]),
        ("STRASSE łódź", vec![lodz]),
        ("2019", vec![azur, lodz]),
        ("東京", vec![tokyo]),
        ("cote lodz", vec![]),
        ("azure", vec![]),
        ("zur", vec![]),
        ("nowhere", vec![]),
    ] {
        assert_eq!(found(&store, &all(), text).await, expected.into_iter().collect(), "{text:?}");
    }
}

/// Only the last one.
pub async fn the_last_word_may_be_a_beginning(store: Store) {
    let library = library(&store).await;
    let beach = named(&store, library, 1, "beach holiday.jpg").await;
    let beacon = named(&store, library, 2, "beacon holiday.jpg").await;
    for (text, expected) in [
        ("bea", vec![beach, beacon]),
        ("beac", vec![beach, beacon]),
        ("holiday beach", vec![beach]),
        ("holiday beac", vec![beach, beacon]),
        ("h", vec![beach, beacon]),
        ("beac holiday", vec![]),
    ] {
        assert_eq!(found(&store, &all(), text).await, expected.into_iter().collect(), "{text:?}");
    }
}

/// Whatever it is to FTS5, tsquery, LIKE or SQL; without a letter or digit nothing is found.
pub async fn nothing_in_a_query_is_syntax(store: Store) {
    let library = library(&store).await;
    let or = named(&store, library, 1, "and or not near.jpg").await;
    named(&store, library, 2, "beach.jpg").await;
    for text in
        ["\"", "*", "%", "_", "'", "\\", "!?", "()", ":*", "&|!", "^", "", " ", "\u{301}", "--", "<->"]
    {
        assert!(found(&store, &all(), text).await.is_empty(), "{text:?} found something");
    }
    for text in ["or", "AND", "NEAR(", "not \"near\"", "NOT", "and* or*", "\"or", "or:*", "'near'"] {
        assert_eq!(found(&store, &all(), text).await, BTreeSet::from([or]), "{text:?}");
    }
    for text in [
        "name:beach",
        "beach OR near",
        "beach NOT and",
        "NEAR(beach near, 5)",
        "b%h",
        "b_ach",
        "{beach near}",
        "^each",
        "-near beach",
    ] {
        let hits = found(&store, &all(), text).await;
        assert!(!hits.contains(&or), "{text:?}");
    }
    assert!(found(&store, &all(), "beach' OR '1'='1").await.is_empty());
}

/// A hundred thousand characters, with and without spaces.
pub async fn a_query_may_be_long(store: Store) {
    let library = library(&store).await;
    let id = named(&store, library, 1, "beach.jpg").await;
    for text in ["x".repeat(100_000), "x ".repeat(50_000), "\"(*".repeat(33_333), "é".repeat(100_000)] {
        assert!(found(&store, &all(), &text).await.is_empty());
    }
    assert_eq!(found(&store, &all(), &format!("{}beach", " ".repeat(100_000))).await, BTreeSet::from([id]));
    assert_eq!(found(&store, &all(), &"beach ".repeat(60)).await, BTreeSet::from([id]));
}

/// Tags, camera, date: what the engine says they are, beside the name.
pub async fn assets_are_found_by_what_was_read_from_them(store: Store) {
    let library = library(&store).await;
    let id = named(&store, library, 1, "IMG_0001.JPG").await;
    assert!(found(&store, &all(), "iphone").await.is_empty());
    let understand = claim_one(&store, JobKind::Understand).await;
    store.record_facts(&understand.fence(), understood(declare(id, &[]))).await.unwrap();
    for text in ["iphone", "img holiday", "0001 iph", "img_0001"] {
        assert_eq!(found(&store, &all(), text).await, BTreeSet::from([id]), "{text:?}");
    }
    let video = SearchQuery { kind: Some(MediaKind::Video), ..words("iphone") };
    assert!(store.search(&all(), &video, &page(10, None)).await.unwrap().items.is_empty());
    let image = SearchQuery { kind: Some(MediaKind::Image), library: Some(library), ..words("iphone") };
    assert_eq!(store.search(&all(), &image, &page(10, None)).await.unwrap().items.len(), 1);
    let elsewhere = SearchQuery { library: Some(LibraryId::new()), ..words("iphone") };
    assert!(store.search(&all(), &elsewhere, &page(10, None)).await.unwrap().items.is_empty());
}

/// What was read from it stays.
pub async fn a_new_name_is_found_and_the_old_one_is_not(store: Store) {
    let library = library(&store).await;
    let id = named(&store, library, 1, "beach.jpg").await;
    let understand = claim_one(&store, JobKind::Understand).await;
    store.record_facts(&understand.fence(), understood(declare(id, &[]))).await.unwrap();
    let change = AssetChange { name: Some("mountain.jpg".into()), taken_at: None };
    store.update_asset(&all(), id, &change, None, told("u")).await.unwrap();
    assert!(found(&store, &all(), "beach").await.is_empty());
    assert_eq!(found(&store, &all(), "mountain iphone").await, BTreeSet::from([id]));
}

/// As lists do.
pub async fn search_sees_what_is_visible(store: Store) {
    let (ours, theirs) = (library(&store).await, library(&store).await);
    store.put_member(TENANT, theirs, "vera", MemberRole::Viewer, told("m")).await.unwrap();
    let elsewhere = TenantId::new();
    let foreign = library_of(&store, elsewhere).await;
    let a = named(&store, ours, 1, "beach.jpg").await;
    let b = named(&store, theirs, 2, "beach.jpg").await;
    let new = NewAsset { name: "beach.jpg".into(), ..in_tenant(new_asset(foreign, 3), elsewhere) };
    let c = ingest(&store, new).await.asset.id;
    for (visible, expected) in [
        (all(), vec![a, b]),
        (Visibility::all(elsewhere), vec![c]),
        (Visibility::member(TENANT, "vera"), vec![b]),
        (Visibility::member(elsewhere, "vera"), vec![]),
        (listed(&[ours, foreign]), vec![a]),
        (listed(&[]), vec![]),
    ] {
        assert_eq!(found(&store, &visible, "beach").await, expected.into_iter().collect(), "{visible:?}");
    }
}

/// And finds again what was restored.
pub async fn search_skips_the_trash_and_the_deleted(store: Store) {
    let library = library(&store).await;
    let (kept, other) =
        (named(&store, library, 1, "beach.jpg").await, named(&store, library, 2, "beach.jpg").await);
    store.set_trashed(&all(), other, true, told("t")).await.unwrap();
    assert_eq!(found(&store, &all(), "beach").await, BTreeSet::from([kept]));
    assert_eq!(store.suggest(&all(), "bea", 10).await.unwrap(), ["beach"]);
    store.set_trashed(&all(), other, false, told("t")).await.unwrap();
    assert_eq!(found(&store, &all(), "beach").await, BTreeSet::from([kept, other]));
    store.delete_asset(TENANT, other, None, HOUR, told("d")).await.unwrap();
    assert_eq!(found(&store, &all(), "beach").await, BTreeSet::from([kept]));
}

/// Newest first, though most are equal: none twice, none left out.
pub async fn search_pages_are_complete(store: Store) {
    let library = library(&store).await;
    let mut rows = Vec::new();
    for seed in 0..11 {
        let taken_at = Timestamp::from_secs(1_000 + i64::try_from(seed / 4).unwrap());
        let new = NewAsset { name: format!("beach {seed}.jpg"), taken_at, ..new_asset(library, seed) };
        rows.push((taken_at, ingest(&store, new).await.asset.id));
    }
    for limit in [1, 2, 3, 11, 12] {
        let found = pages(limit, |page| {
            let store = store.clone();
            async move { store.search(&all(), &words("beach"), &page).await }
        })
        .await;
        assert!(found.is_sorted_by(|a, b| a.taken_at >= b.taken_at), "pages of {limit}");
        assert_eq!(found.len(), 11, "pages of {limit}");
        let ids: BTreeSet<_> = found.iter().map(|asset| asset.id).collect();
        assert_eq!(ids, rows.iter().map(|row| row.1).collect(), "pages of {limit}");
    }
    for cursor in ["", "x", "MA==", "zzzz"] {
        let Some(page) = forged_page(5, cursor.to_owned()) else { continue };
        let found = store.search(&all(), &words("beach"), &page).await;
        assert_fails(found, ErrorKind::InvalidInput, "invalid_cursor");
    }
}

/// At most so many, in the spelling of the index.
pub async fn suggestions_are_the_most_frequent_first(store: Store) {
    let library = library(&store).await;
    for (seed, name) in ["Beach", "beach café", "beacon", "Café", "café", "bean"].into_iter().enumerate() {
        named(&store, library, seed as u64, name).await;
    }
    let suggest = |prefix: &'static str, limit| {
        let store = store.clone();
        async move { store.suggest(&all(), prefix, limit).await.unwrap() }
    };
    let all_of_bea = suggest("bea", 10).await;
    assert_eq!(all_of_bea[0], "beach");
    assert_eq!(
        all_of_bea.into_iter().collect::<BTreeSet<_>>(),
        ["beach", "beacon", "bean"].map(String::from).into()
    );
    assert_eq!(suggest("bea", 1).await, ["beach"]);
    assert_eq!(suggest("CAFÉ", 10).await, ["cafe"]);
    for nothing in ["", "%", "_", "*", "\"", "'", "zzz"] {
        assert!(suggest(nothing, 10).await.is_empty(), "{nothing:?}");
    }
    let long: &'static str = "bea%_*\"'(";
    assert!(suggest(long, 10).await.iter().all(|word| word.starts_with("bea")));
    assert!(suggest("bea", 0).await.is_empty());
}

/// No word of what is invisible.
pub async fn suggestions_see_what_is_visible(store: Store) {
    let (ours, theirs) = (library(&store).await, library(&store).await);
    named(&store, ours, 1, "secret").await;
    named(&store, theirs, 2, "seaside").await;
    assert_eq!(store.suggest(&listed(&[theirs]), "se", 10).await.unwrap(), ["seaside"]);
    for visible in [listed(&[]), Visibility::member(TENANT, "vera"), Visibility::all(TenantId::new())] {
        assert!(store.suggest(&visible, "se", 10).await.unwrap().is_empty(), "{visible:?}");
    }
    assert_eq!(store.suggest(&Visibility::member(TENANT, "olga"), "se", 10).await.unwrap().len(), 2);
}
