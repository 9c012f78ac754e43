//! What the cases of a catalog stand on.

use crate::{
    Asset, AssetId, AssetState, Audience, Blob, BlobId, BlobKey, Clock, Cursor, Event, Facts, Failure, Fence,
    Fingerprint, IntentId, Job, JobId, JobKind, LibraryId, MediaKind, NewEvent, NewJob, Page, PageRequest,
    Part, Recipe, RenditionId, RenditionInfo, Resize, Result, Sha256, StoreName, SystemClock, TenantId,
    Timestamp, Variant, VariantName, Visibility, VisibleLibraries,
    catalog::{
        Catalog, Claim, Declared, FinishedRendition, Intent, NewAsset, NewLibrary, NewRendition,
        SettledEvents, Understood,
    },
    event_kinds,
};
use std::{future::Future, sync::Arc, time::Duration};

pub(super) type Store = Arc<dyn Catalog>;

pub(super) const TENANT: TenantId = TenantId::DEFAULT;
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const ALL_KINDS: [JobKind; 4] = JobKind::ALL;

pub(super) fn now() -> Timestamp {
    SystemClock.now()
}

/// Waits until clocks, of which some count milliseconds, show a later time: what happened before is then
/// "longer than nothing ago".
pub(super) async fn a_moment() {
    let before = now();
    while now().since(before) < Duration::from_millis(3) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub(super) fn all() -> Visibility {
    Visibility::all(TENANT)
}

pub(super) fn listed(libraries: &[LibraryId]) -> Visibility {
    Visibility { tenant: TENANT, libraries: VisibleLibraries::Listed(libraries.to_vec()) }
}

/// An event that only operators see.
pub(super) fn told(kind: &'static str) -> NewEvent {
    NewEvent::for_operators(TENANT, kind, now(), serde_json::json!({}))
}

pub(super) fn told_in(library: LibraryId, kind: &'static str) -> NewEvent {
    NewEvent { audience: Audience::Library(library), ..told(kind) }
}

pub(super) fn failure(code: &str) -> Failure {
    Failure::new(code, "it did not work")
}

pub(super) fn page(limit: u32, cursor: Option<String>) -> PageRequest {
    PageRequest::new(Some(limit), cursor).unwrap()
}

/// A page from a cursor that nobody gave out; None when the request refuses it by itself, as it should.
pub(super) fn forged_page(limit: u32, cursor: String) -> Option<PageRequest> {
    let page = PageRequest::new(Some(limit), Some(cursor));
    page.inspect_err(|error| assert_eq!(error.code(), "invalid_cursor")).ok()
}

/// All rows of a list, read page by page; asserts that every page but the last is full.
pub(super) async fn pages<T, F: Future<Output = Result<Page<T>>>>(
    limit: u32,
    mut list: impl FnMut(PageRequest) -> F,
) -> Vec<T> {
    let (mut rows, mut cursor) = (Vec::new(), None);
    loop {
        let page = list(page(limit, cursor)).await.unwrap();
        assert!(page.items.len() <= limit as usize);
        assert!(page.next_cursor.is_none() || page.items.len() == limit as usize, "a short page goes on");
        rows.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return rows;
        }
    }
}

// ---- libraries and assets ----

pub(super) fn new_library(name: &str) -> NewLibrary {
    let id = LibraryId::new();
    NewLibrary {
        id,
        tenant: TENANT,
        name: name.to_owned(),
        owner: String::from("olga"),
        recipe: Recipe::standard(),
        store: StoreName::DEFAULT,
        at: now(),
        event: told_in(id, event_kinds::LIBRARY_CREATED),
    }
}

/// A library of `olga`'s.
pub(super) async fn library(store: &Store) -> LibraryId {
    store.create_library(new_library("holidays")).await.unwrap().id
}

pub(super) async fn library_of(store: &Store, tenant: TenantId) -> LibraryId {
    let new = NewLibrary { tenant, ..new_library("elsewhere") };
    let event = NewEvent { tenant, ..new.event.clone() };
    store.create_library(NewLibrary { event, ..new }).await.unwrap().id
}

/// An asset on bytes of this seed, its intent not yet opened, with one job and one event.
pub(super) fn new_asset(library: LibraryId, seed: u64) -> NewAsset {
    let (id, blob) = (AssetId::new(), BlobId::new());
    let mut sha256 = [0xa5; 32];
    sha256[..8].copy_from_slice(&seed.to_le_bytes());
    NewAsset {
        intent: IntentId::new(),
        id,
        tenant: TENANT,
        library,
        owner: String::from("olga"),
        name: format!("photo {seed}.jpg"),
        kind: Some(MediaKind::Image),
        blob: Blob {
            id: blob,
            store: StoreName::DEFAULT,
            key: BlobKey::original(TENANT, blob),
            size: 1000 + seed,
            sha256: Sha256(sha256),
            content_type: String::from("image/jpeg"),
        },
        state: AssetState::Processing,
        failure: None,
        taken_at: now(),
        expires_after: None,
        idempotency_key: None,
        at: now(),
        jobs: vec![NewJob::new(TENANT, JobKind::Understand, id)],
        events: vec![told_in(library, event_kinds::ASSET_CREATED)],
    }
}

/// The same in another tenant.
pub(super) fn in_tenant(mut asset: NewAsset, tenant: TenantId) -> NewAsset {
    asset.tenant = tenant;
    asset.blob.key = BlobKey::original(tenant, asset.blob.id);
    asset.jobs.iter_mut().for_each(|job| job.tenant = tenant);
    asset.events.iter_mut().for_each(|event| event.tenant = tenant);
    asset
}

pub(super) fn intent_of(asset: &NewAsset) -> Intent {
    let (store, key) = (asset.blob.store.clone(), asset.blob.key.clone());
    Intent { id: asset.intent, tenant: asset.tenant, store, key }
}

/// Opens the intent and commits.
pub(super) async fn ingest(store: &Store, asset: NewAsset) -> crate::catalog::Ingested {
    store.open_intent(&intent_of(&asset), HOUR).await.unwrap();
    store.commit_ingest(asset).await.unwrap()
}

pub(super) async fn add(store: &Store, library: LibraryId, seed: u64) -> Asset {
    ingest(store, new_asset(library, seed)).await.asset
}

pub(super) async fn get(store: &Store, id: AssetId) -> Asset {
    store.get_asset(&all(), id).await.unwrap().expect("the asset is there")
}

// ---- jobs ----

pub(super) fn claim(worker: &str, kinds: &[JobKind], limit: u32, lease: Duration) -> Claim {
    Claim { worker: worker.to_owned(), kinds: kinds.to_vec(), ids: None, limit, lease }
}

/// Leases the one runnable job of a kind.
pub(super) async fn claim_one(store: &Store, kind: JobKind) -> Job {
    let mut jobs = store.claim(&claim("worker", &[kind], 10, HOUR)).await.unwrap();
    assert_eq!(jobs.len(), 1, "runnable {kind:?} jobs");
    jobs.remove(0)
}

pub(super) async fn job(store: &Store, id: JobId) -> Job {
    store.get_job(TENANT, id).await.unwrap().expect("the job is there")
}

// ---- renditions ----

/// Renditions of these variants, made by one job; a name with `!` is required.
pub(super) fn declare(asset: AssetId, names: &[&str]) -> Declared {
    let job = JobId::new();
    let renditions: Vec<_> = names
        .iter()
        .map(|name| {
            let definition = Variant::Image(Resize::fit(320, 320).webp(80));
            NewRendition {
                id: RenditionId::new(),
                variant: VariantName::new(name.trim_end_matches('!')).unwrap(),
                fingerprint: Fingerprint::from_stored("renderer 1"),
                definition,
                required: name.ends_with('!'),
                job,
            }
        })
        .collect();
    let ids = renditions.iter().map(|rendition| rendition.id).collect();
    let mut new = NewJob::new(TENANT, JobKind::Render, asset).renditions(ids);
    new.id = job;
    let jobs = if names.is_empty() { Vec::new() } else { vec![new] };
    Declared { renditions, jobs, understand_again: false, at: Some(now()) }
}

pub(super) fn settled_events() -> SettledEvents {
    SettledEvents { ready: told(event_kinds::ASSET_READY), failed: told(event_kinds::ASSET_FAILED) }
}

pub(super) fn facts() -> Facts {
    Facts { width: Some(640), height: Some(480), ..Facts::new(MediaKind::Image, "image/png", "png") }
}

pub(super) fn understood(declared: Declared) -> Understood {
    Understood {
        facts: Some(facts()),
        content_type: String::from("image/png"),
        taken_at: Some(Timestamp::from_secs(1_500_000_000)),
        search_text: String::from("iphone holiday"),
        declared,
        recipe_version: None,
        outcome: None,
        events: vec![told(event_kinds::ASSET_UNDERSTOOD)],
        settled_events: settled_events(),
    }
}

pub(super) fn finished(id: RenditionId, outcome: Result<RenditionInfo, Failure>) -> FinishedRendition {
    let kind = if outcome.is_ok() { event_kinds::RENDITION_READY } else { event_kinds::RENDITION_FAILED };
    FinishedRendition {
        id,
        outcome,
        retention: Duration::ZERO,
        at: now(),
        event: told(kind),
        settled_events: settled_events(),
    }
}

pub(super) fn info() -> RenditionInfo {
    RenditionInfo { content_type: String::from("image/webp"), width: Some(320), ..RenditionInfo::default() }
}

pub(super) fn part(rendition: RenditionId, ordinal: u32, attempt: u32) -> Part {
    let key = BlobKey::rendition(TENANT, rendition).part(ordinal, attempt);
    Part { ordinal, key, size: 100 + u64::from(ordinal), duration_us: 0 }
}

/// An asset that was understood, its renditions declared and the job that makes them claimed.
pub(super) async fn rendering(store: &Store, names: &[&str]) -> (AssetId, Fence, Vec<RenditionId>) {
    let library = library(store).await;
    let asset = add(store, library, 1).await.id;
    let understand = claim_one(store, JobKind::Understand).await;
    let declared = declare(asset, names);
    let ids = declared.renditions.iter().map(|rendition| rendition.id).collect();
    store.record_facts(&understand.fence(), understood(declared)).await.unwrap();
    (asset, claim_one(store, JobKind::Render).await.fence(), ids)
}

/// One part, and ready.
pub(super) async fn make(store: &Store, fence: &Fence, rendition: RenditionId) -> Option<AssetState> {
    store.commit_part(fence, rendition, &part(rendition, 0, fence.attempt)).await.unwrap();
    store.finish_rendition(fence, finished(rendition, Ok(info()))).await.unwrap().0
}

// ---- events ----

/// Everything that was ever emitted, in order.
pub(super) async fn events(store: &Store) -> Vec<Event> {
    while store.sequence(1000).await.unwrap() > 0 {}
    let start = Cursor { position: 0, ..store.event_head().await.unwrap() };
    let (events, _) = store.read_all_events(start, 10_000).await.unwrap();
    events
}

/// How often this was emitted.
pub(super) async fn count(store: &Store, kind: &str) -> usize {
    events(store).await.iter().filter(|event| event.kind == kind).count()
}
