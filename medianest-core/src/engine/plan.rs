//! From a recipe to the renditions and jobs that are due.

use super::{Engine, Media};
use crate::{
    Action, Asset, AssetState, Error, Facts, Job, JobKind, LibraryId, NewAudit, NewEvent, NewJob,
    PageRequest, Recipe, Rendition, RenditionId, RenditionState, Resource, Result, TenantId, Topic,
    Visibility, audit_actions,
    catalog::{AssetOrder, AssetQuery, Declared, NewRendition, SettledEvents},
    event_kinds,
};
use std::collections::HashMap;

/// What [`Media::apply_recipe`] found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Assets that were looked at.
    pub assets: u64,
    /// Renditions that are up to date.
    pub fresh: u64,
    /// Renditions that were declared because they are missing, stale or failed.
    pub declared: u64,
}

impl Engine {
    /// The renditions that `recipe` asks for and `present` lacks, with the jobs that make them.
    pub(super) fn plan(
        &self,
        tenant: TenantId,
        asset: crate::AssetId,
        facts: &Facts,
        recipe: &Recipe,
        present: &[Rendition],
    ) -> (Declared, u64) {
        let mut light = NewJob::new(tenant, JobKind::Render, asset).priority(5);
        let mut heavy = NewJob::new(tenant, JobKind::Transcode, asset);
        let mut declared = Declared { at: Some(self.now()), ..Declared::default() };
        let mut fresh = 0;
        for (name, variant) in recipe.applicable(facts) {
            let fingerprint = variant.fingerprint(&self.processor().renderer(variant));
            let is_fresh = |rendition: &&Rendition| {
                rendition.variant == *name
                    && rendition.fingerprint == fingerprint
                    && matches!(rendition.state, RenditionState::Ready | RenditionState::Pending)
            };
            if present.iter().any(|rendition| is_fresh(&rendition)) {
                fresh += 1;
                continue;
            }
            let job = if variant.is_heavy() { &mut heavy } else { &mut light };
            let id = RenditionId::new();
            job.payload.renditions.push(id);
            declared.renditions.push(NewRendition {
                id,
                variant: name.clone(),
                definition: variant.clone(),
                fingerprint,
                required: variant.required(),
                job: job.id,
            });
        }
        declared.jobs.extend([light, heavy].into_iter().filter(|job| !job.payload.renditions.is_empty()));
        (declared, fresh)
    }

    /// The events of which one is emitted when an asset settles.
    pub(super) fn settled_events(&self, asset: &Asset) -> SettledEvents {
        let event = |kind| {
            let data = serde_json::json!({ "asset_id": asset.id });
            NewEvent::in_library(asset.tenant, asset.library_id, kind, self.now(), data)
        };
        SettledEvents { ready: event(event_kinds::ASSET_READY), failed: event(event_kinds::ASSET_FAILED) }
    }

    /// The asset that a job works on, whoever may see it.
    pub(super) async fn asset_of(&self, job: &Job) -> Result<Option<Asset>> {
        match job.asset_id {
            Some(asset) => self.catalog().get_asset(&Visibility::all(job.tenant), asset).await,
            None => Ok(None),
        }
    }
}

impl Media {
    /// The recipe of a library, with its version.
    ///
    /// # Errors
    /// `library_not_found`.
    pub async fn recipe(&self, library: LibraryId) -> Result<(Recipe, i64)> {
        self.authorize(Action::Read, Resource::Library(library)).await?;
        let recipe = self.catalog().get_recipe(self.principal().tenant, library).await?;
        recipe.ok_or_else(|| Error::not_found("library", library))
    }

    /// Replaces the recipe of a library; new assets follow it at once, and those that are there when
    /// [`apply_recipe`](Self::apply_recipe) is called. Returns its version.
    ///
    /// # Errors
    /// `invalid_variant`; `library_not_found`; `forbidden`.
    pub async fn set_recipe(&self, library: LibraryId, recipe: &Recipe) -> Result<i64> {
        self.authorize(Action::Manage, Resource::Library(library)).await?;
        recipe.check()?;
        let event =
            self.library_event(library, event_kinds::LIBRARY_UPDATED, serde_json::json!({ "recipe": true }));
        let audited =
            self.audited(audit_actions::RECIPE_CHANGED, format!("library:{library}"), serde_json::json!({}));
        let version = audited.set_recipe(self.principal().tenant, library, recipe, event).await?;
        self.engine().bus().wake(Topic::Committed);
        Ok(version)
    }

    /// Declares what the assets of a library lack of its recipe: renditions that are missing, whose
    /// fingerprint differs, or that failed. What is fresh is left alone, and what is quarantined. Can be
    /// interrupted and repeated.
    ///
    /// # Errors
    /// `library_not_found`; `forbidden`.
    pub async fn apply_recipe(&self, library: LibraryId) -> Result<Applied> {
        self.authorize(Action::Manage, Resource::Library(library)).await?;
        let (recipe, version) = self.recipe(library).await?;
        self.record_application(library, version).await?;
        let query =
            AssetQuery { library: Some(library), order: AssetOrder::AddedNewest, ..AssetQuery::default() };
        let visible = Visibility::all(self.principal().tenant);
        let mut applied = Applied::default();
        let mut cursor = None;
        loop {
            let page = PageRequest::new(Some(PageRequest::MAX_LIMIT), cursor)?;
            // From where nothing is missing that others have put in.
            let assets = self.engine().catalog().list_assets(&visible, &query, &page).await?;
            applied = self.apply_to(&assets.items, &recipe, applied).await?;
            cursor = assets.next_cursor;
            if cursor.is_none() {
                return Ok(applied);
            }
        }
    }

    /// It is many commands: what is recorded is that somebody began.
    async fn record_application(&self, library: LibraryId, version: i64) -> Result<()> {
        let target = format!("library:{library}");
        let at = self.engine().now();
        let entry = NewAudit::by(self.principal(), audit_actions::RECIPE_APPLIED, target, self.origin(), at);
        self.catalog().record(entry.with("recipe_version", version)).await
    }

    async fn apply_to(&self, assets: &[Asset], recipe: &Recipe, mut applied: Applied) -> Result<Applied> {
        let engine = self.engine();
        let ids: Vec<_> = assets.iter().map(|asset| asset.id).collect();
        let mut present: HashMap<_, Vec<Rendition>> = HashMap::new();
        for rendition in engine.catalog().list_renditions_of(&ids).await? {
            present.entry(rendition.asset_id).or_default().push(rendition);
        }
        for asset in assets {
            applied.assets += 1;
            // What has no facts yet follows the recipe when it has them; what harmed a process is left alone.
            let (Some(facts), false) = (&asset.facts, asset.state == AssetState::Quarantined) else {
                continue;
            };
            let present = present.remove(&asset.id).unwrap_or_default();
            let (declared, fresh) = engine.plan(asset.tenant, asset.id, &facts.read()?, recipe, &present);
            applied.fresh += fresh;
            if declared.renditions.is_empty() {
                continue;
            }
            applied.declared += declared.renditions.len() as u64;
            match self.catalog().declare_renditions(asset.id, declared).await {
                Ok(()) => engine.bus().wake(Topic::Jobs),
                // Deleted while we looked.
                Err(error) if error.kind() == crate::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(applied)
    }

    /// Reads the facts of an asset anew and makes all of its renditions again; the present ones are
    /// served until their successors are there.
    ///
    /// # Errors
    /// `asset_not_found`; `forbidden`; `asset_quarantined` (Conflict): what harmed a process is tried
    /// again only by who may operate the tenant.
    pub async fn reprocess(&self, id: crate::AssetId) -> Result<Asset> {
        let asset = self.require_for(Action::Edit, id).await?;
        if asset.state == AssetState::Quarantined {
            match self.authorize(Action::Operate, Resource::Tenant).await {
                Err(error) if error.kind() == crate::ErrorKind::Forbidden => {
                    let refused = "only an administrator may have a quarantined asset processed again";
                    return Err(Error::conflict("asset_quarantined", refused).with("id", id));
                }
                allowed => allowed?,
            }
        }
        let job = NewJob::new(asset.tenant, JobKind::Understand, id).priority(10);
        let declared = Declared {
            jobs: vec![job],
            understand_again: true,
            at: Some(self.engine().now()),
            ..Declared::default()
        };
        self.catalog().declare_renditions(id, declared).await?;
        self.engine().bus().wake(Topic::Jobs);
        self.require(id).await
    }
}
