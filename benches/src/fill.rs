use crate::Words;
use futures::{StreamExt, TryStreamExt, stream};
use medianest_core::{
    AssetId, AssetState, Blob, BlobId, BlobKey, Facts, IntentId, Job, JobKind, LibraryId, MediaKind,
    NewEvent, NewJob, Principal, Recipe, Result, Sha256, StoreName, TenantId, Timestamp,
    catalog::{Catalog, Claim, Declared, Intent, NewAsset, NewLibrary, SettledEvents, Understood},
    event_kinds,
};
use std::{sync::Arc, time::Duration};

/// Commands under way at once: enough to be committed in groups.
const AT_ONCE: usize = 64;
/// 2020-01-01.
const BEGIN: i64 = 1_577_836_800;

/// What was filled in.
#[derive(Debug)]
pub struct Filled {
    /// What they are in.
    pub library: LibraryId,
    /// All assets.
    pub ids: Vec<AssetId>,
    /// Single words to search for.
    pub single: Vec<String>,
    /// Two words of one asset.
    pub pair: Vec<String>,
}

/// Fills a library of a migrated catalog with made-up assets that are `ready`. Their bytes are nowhere:
/// this is for reading rows.
///
/// # Errors
/// What the catalog says.
pub async fn fill(catalog: &Arc<dyn Catalog>, owner: &Principal, assets: usize) -> Result<Filled> {
    let tenant = owner.tenant;
    let library = LibraryId::new();
    let at = Timestamp::from_secs(BEGIN);
    let event = |kind| NewEvent::in_library(tenant, library, kind, at, serde_json::json!({}));
    let new = NewLibrary {
        id: library,
        tenant,
        name: String::from("Bench"),
        owner: owner.subject.clone(),
        recipe: Recipe::standard(),
        store: StoreName::DEFAULT,
        at,
        event: event(event_kinds::LIBRARY_CREATED),
    };
    catalog.create_library(new).await?;
    let mut words = Words::new();
    let mut filled = Filled { library, ids: Vec::new(), single: Vec::new(), pair: Vec::new() };
    let step = (5 * 365 * 86_400) / assets.max(1);
    let mut rows = Vec::with_capacity(assets);
    for index in 1..=assets {
        let count = 2 + words.below(4);
        let title = words.text(count);
        if index % (assets / 5_000).max(1) == 0 {
            let mut of = title.split(' ');
            let (first, second) = (of.next().unwrap_or_default(), of.next().unwrap_or_default());
            filled.single.push(first.to_owned());
            filled.pair.push(format!("{first} {second}"));
        }
        let kind = [MediaKind::Image, MediaKind::Image, MediaKind::Image, MediaKind::Video, MediaKind::Audio]
            [words.below(5)];
        let description = {
            let count = 8 + words.below(8);
            words.text(count)
        };
        let id = AssetId::new();
        filled.ids.push(id);
        rows.push(Row {
            id,
            title,
            description,
            kind,
            at: Timestamp::from_secs(BEGIN + (index * step) as i64),
        });
    }
    for batch in rows.chunks(2_000) {
        stream::iter(batch.iter().map(|row| row.put(catalog, tenant, library, owner)))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        let claim = Claim {
            worker: String::from("bench"),
            kinds: vec![JobKind::Understand],
            ids: None,
            limit: 2_000,
            lease: Duration::from_secs(600),
        };
        let jobs = catalog.claim(&claim).await?;
        let of = |job: &Job| batch.iter().find(|row| Some(row.id) == job.asset_id);
        stream::iter(jobs.iter().filter_map(|job| of(job).map(|row| row.understand(catalog, job, library))))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
    }
    while catalog.sequence(10_000).await? > 0 {}
    Ok(filled)
}

struct Row {
    id: AssetId,
    title: String,
    description: String,
    kind: MediaKind,
    at: Timestamp,
}

impl Row {
    async fn put(
        &self,
        catalog: &Arc<dyn Catalog>,
        tenant: TenantId,
        library: LibraryId,
        owner: &Principal,
    ) -> Result<()> {
        let blob = BlobId::new();
        let (store, key) = (StoreName::DEFAULT, BlobKey::original(tenant, blob));
        let intent = Intent { id: IntentId::new(), tenant, store, key };
        catalog.open_intent(&intent, Duration::from_secs(600)).await?;
        let mut sha256 = [0; 32];
        sha256[..16].copy_from_slice(self.id.as_uuid().as_bytes());
        let asset = NewAsset {
            intent: intent.id,
            id: self.id,
            tenant,
            library,
            owner: owner.subject.clone(),
            name: format!("{}.jpg", self.title),
            kind: Some(self.kind),
            blob: Blob {
                id: blob,
                store: intent.store,
                key: intent.key,
                size: 4_000_000,
                sha256: Sha256(sha256),
                content_type: String::from("image/jpeg"),
            },
            state: AssetState::Processing,
            failure: None,
            taken_at: self.at,
            expires_after: None,
            idempotency_key: None,
            at: self.at,
            jobs: vec![NewJob::new(tenant, JobKind::Understand, self.id)],
            events: Vec::new(),
        };
        catalog.commit_ingest(asset).await.map(drop)
    }

    async fn understand(&self, catalog: &Arc<dyn Catalog>, job: &Job, library: LibraryId) -> Result<()> {
        let mut facts = Facts::new(self.kind, "image/jpeg", "jpeg");
        (facts.width, facts.height) = (Some(4032), Some(3024));
        facts.tags.description = Some(self.description.clone());
        let event = |kind| {
            NewEvent::in_library(
                job.tenant,
                library,
                kind,
                self.at,
                serde_json::json!({ "asset_id": self.id }),
            )
        };
        let understood = Understood {
            facts: Some(facts),
            content_type: String::from("image/jpeg"),
            taken_at: Some(self.at),
            search_text: self.description.clone(),
            declared: Declared { at: Some(self.at), ..Declared::default() },
            recipe_version: None,
            outcome: None,
            events: Vec::new(),
            settled_events: SettledEvents {
                ready: event(event_kinds::ASSET_READY),
                failed: event(event_kinds::ASSET_FAILED),
            },
        };
        catalog.record_facts(&job.fence(), understood).await.map(drop)
    }
}
