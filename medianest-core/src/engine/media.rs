use super::Engine;
use crate::{
    Action, Asset, AssetId, Error, FileName, Library, LibraryId, NewAudit, NewEvent, Origin, Page,
    PageRequest, Principal, Rendition, Resource, Result, Timestamp, Topic, Visibility, audit_actions,
    catalog::{AssetChange, AssetQuery, Catalog, SearchQuery},
    event_kinds,
};
use sha2::Digest;
use std::sync::Arc;

/// What one principal may do and see; see [`Engine::acting_as`].
///
/// What is invisible answers exactly as what does not exist.
#[derive(Clone, Debug)]
pub struct Media {
    engine: Engine,
    principal: Principal,
    /// The rows as this principal sees them: after its own writes.
    catalog: Arc<dyn Catalog>,
    origin: Origin,
}

impl Media {
    /// Characters of a query at most.
    pub const MAX_QUERY: usize = 1000;
    /// Words that are suggested at once, at most.
    pub const MAX_SUGGESTIONS: u32 = 20;

    pub(super) fn new(engine: Engine, principal: Principal) -> Self {
        let catalog = engine.catalog();
        let catalog = catalog.for_caller(&principal).unwrap_or_else(|| Arc::clone(catalog));
        Self { engine, principal, catalog, origin: Origin::default() }
    }

    /// The same principal, acting from there: what the audit trail says.
    #[must_use]
    pub fn coming_from(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The rows, with whatever this principal wrote before.
    pub(super) fn catalog(&self) -> &dyn Catalog {
        &*self.catalog
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The same rows, to do something that is recorded in the audit trail.
    pub(super) fn audited(
        &self,
        action: &'static str,
        target: impl Into<String>,
        details: serde_json::Value,
    ) -> Arc<dyn Catalog> {
        let at = self.engine.now();
        let entry = NewAudit::by(&self.principal, action, target, &self.origin, at);
        self.catalog.audited(NewAudit { data: details, ..entry })
    }

    /// Who acts.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Lets the principal do this, or not.
    ///
    /// # Errors
    /// `forbidden`; `library_not_found`.
    pub async fn authorize(&self, action: Action, resource: Resource) -> Result<()> {
        self.engine.authorizer().authorize(&self.principal, action, &resource).await
    }

    /// Which rows the principal sees.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn visibility(&self) -> Result<Visibility> {
        self.engine.authorizer().visibility(&self.principal).await
    }

    /// The principal's own library, where uploads go that name none; made when it is first asked for.
    ///
    /// # Errors
    /// `forbidden` when it is not there and may not be made; `own_library_left` (Conflict) when the
    /// principal is no member of it any more.
    pub async fn own_library(&self) -> Result<Library> {
        let mut hash = sha2::Sha256::new();
        hash.update(self.principal.tenant.as_uuid().as_bytes());
        hash.update(self.principal.subject.as_bytes());
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        let id = LibraryId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid());
        let visible = Visibility::all(self.principal.tenant);
        if self.catalog().get_library(&visible, id).await?.is_none() {
            match self.create_library_with_id(id, "My media").await {
                // Two first uploads at once.
                Err(error) if error.code() == "library_exists" => {}
                other => return other,
            }
        }
        // It may have been handed on to others.
        match self.library(id).await {
            Err(error) if error.code() == "library_not_found" => Err(Error::conflict(
                "own_library_left",
                "you have left the library that was your own; name the library to put this into",
            )),
            other => other,
        }
    }

    /// An asset that is visible, also from the trash.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn get(&self, id: AssetId) -> Result<Option<Asset>> {
        self.catalog().get_asset(&self.visibility().await?, id).await
    }

    /// An asset that is visible, also from the trash.
    ///
    /// # Errors
    /// `asset_not_found`.
    pub async fn require(&self, id: AssetId) -> Result<Asset> {
        self.get(id).await?.ok_or_else(|| Error::not_found("asset", id))
    }

    /// An asset that is visible and that the principal may do this to.
    pub(super) async fn require_for(&self, action: Action, id: AssetId) -> Result<Asset> {
        let asset = self.require(id).await?;
        self.authorize(action, Resource::Library(asset.library_id)).await?;
        Ok(asset)
    }

    /// Visible assets that match.
    ///
    /// # Errors
    /// `invalid_cursor`.
    pub async fn list(&self, query: &AssetQuery, page: &PageRequest) -> Result<Page<Asset>> {
        self.catalog().list_assets(&self.visibility().await?, query, page).await
    }

    /// Visible assets that contain all words.
    ///
    /// # Errors
    /// `invalid_cursor`; `query_too_long`, beyond [`MAX_QUERY`](Self::MAX_QUERY).
    pub async fn search(&self, query: &SearchQuery, page: &PageRequest) -> Result<Page<Asset>> {
        Self::check_query(&query.text)?;
        self.catalog().search(&self.visibility().await?, query, page).await
    }

    /// Words that begin so, the most frequent first.
    ///
    /// # Errors
    /// `query_too_long`; `invalid_limit` when the limit is 0 or above
    /// [`MAX_SUGGESTIONS`](Self::MAX_SUGGESTIONS).
    pub async fn suggest(&self, prefix: &str, limit: u32) -> Result<Vec<String>> {
        Self::check_query(prefix)?;
        if !(1..=Self::MAX_SUGGESTIONS).contains(&limit) {
            let message = format!("limit must be 1 to {}", Self::MAX_SUGGESTIONS);
            return Err(Error::invalid("invalid_limit", message));
        }
        self.catalog().suggest(&self.visibility().await?, prefix, limit).await
    }

    fn check_query(text: &str) -> Result<()> {
        if text.chars().nth(Self::MAX_QUERY).is_none() {
            return Ok(());
        }
        let message = format!("a query has at most {} characters", Self::MAX_QUERY);
        Err(Error::invalid("query_too_long", message))
    }

    /// The renditions of a visible asset.
    ///
    /// # Errors
    /// `asset_not_found`.
    pub async fn renditions(&self, id: AssetId) -> Result<Vec<Rendition>> {
        let asset = self.require(id).await?;
        self.catalog().list_renditions(asset.id).await
    }

    /// Changes the shown name (made harmless, see [`FileName`]) or the time it was taken; with
    /// `expected`, only when that is the asset's version.
    ///
    /// # Errors
    /// `asset_not_found`; `forbidden`; `version_mismatch`.
    pub async fn update(
        &self,
        id: AssetId,
        name: Option<&str>,
        taken_at: Option<Timestamp>,
        expected: Option<i64>,
    ) -> Result<Asset> {
        let asset = self.require_for(Action::Edit, id).await?;
        let change = AssetChange { name: name.map(|name| FileName::sanitise(name).into_string()), taken_at };
        let event = self.asset_event(&asset, event_kinds::ASSET_UPDATED);
        let visible = self.visibility().await?;
        let changed = self.catalog().update_asset(&visible, id, &change, expected, event).await?;
        self.engine.bus().wake(Topic::Committed);
        Ok(changed)
    }

    /// Puts an asset into the trash, where it is kept for [`trash_retention`]; succeeds when it is there.
    ///
    /// # Errors
    /// `asset_not_found`; `forbidden`.
    ///
    /// [`trash_retention`]: super::EngineOptions::trash_retention
    pub async fn trash(&self, id: AssetId) -> Result<Asset> {
        self.set_trashed(id, true, event_kinds::ASSET_TRASHED).await
    }

    /// Takes an asset out of the trash; succeeds when it is not in it.
    ///
    /// # Errors
    /// `asset_not_found`; `forbidden`.
    pub async fn restore(&self, id: AssetId) -> Result<Asset> {
        self.set_trashed(id, false, event_kinds::ASSET_RESTORED).await
    }

    async fn set_trashed(&self, id: AssetId, trashed: bool, kind: &'static str) -> Result<Asset> {
        let asset = self.require_for(Action::Edit, id).await?;
        let event = self.asset_event(&asset, kind);
        let visible = self.visibility().await?;
        let changed = self.catalog().set_trashed(&visible, id, trashed, event).await?;
        self.engine.bus().wake(Topic::Committed);
        Ok(changed)
    }

    /// Deletes an asset that is in the trash for good: the rows now, the bytes after
    /// [`delete_retention`](super::EngineOptions::delete_retention).
    ///
    /// # Errors
    /// `asset_not_found`; `forbidden`; `asset_not_trashed` (Conflict).
    pub async fn delete(&self, id: AssetId) -> Result<()> {
        let asset = self.require_for(Action::Edit, id).await?;
        let not_trashed = || {
            Error::conflict("asset_not_trashed", "only what is in the trash can be deleted for good")
                .with("id", id)
        };
        if asset.trashed_at.is_none() {
            return Err(not_trashed());
        }
        let event = self.asset_event(&asset, event_kinds::ASSET_DELETED);
        let retention = self.engine.options().delete_retention;
        let expired = Some(std::time::Duration::ZERO);
        let details = serde_json::json!({ "library_id": asset.library_id });
        let audited = self.audited(audit_actions::ASSET_DELETED, format!("asset:{id}"), details);
        let deleted = audited.delete_asset(asset.tenant, id, expired, retention, event).await?;
        if !deleted && self.get(id).await?.is_some() {
            return Err(not_trashed());
        }
        self.engine.bus().wake(Topic::Committed);
        Ok(())
    }

    /// Claims a staged asset for a row of the host (`products/42`, 1 to 255 bytes); repeating it changes
    /// nothing.
    ///
    /// # Errors
    /// `asset_not_found`; `forbidden`; `asset_attached`; `invalid_target`.
    pub async fn attach(&self, id: AssetId, target: &str) -> Result<Asset> {
        if target.is_empty() || target.len() > 255 {
            return Err(Error::invalid("invalid_target", "the name of a row has 1 to 255 bytes"));
        }
        self.require_for(Action::Contribute, id).await?;
        self.catalog().attach(&self.visibility().await?, id, target).await
    }

    pub(super) fn asset_event(&self, asset: &Asset, kind: &'static str) -> NewEvent {
        let data = serde_json::json!({ "asset_id": asset.id, "by": self.principal.subject });
        NewEvent::in_library(asset.tenant, asset.library_id, kind, self.engine.now(), data)
    }

    pub(super) fn library_event(
        &self,
        id: LibraryId,
        kind: &'static str,
        mut data: serde_json::Value,
    ) -> NewEvent {
        data["library_id"] = serde_json::json!(id);
        data["by"] = serde_json::json!(self.principal.subject);
        NewEvent::in_library(self.principal.tenant, id, kind, self.engine.now(), data)
    }
}
