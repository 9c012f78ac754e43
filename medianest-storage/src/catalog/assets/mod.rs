//! Libraries, assets, renditions and the blobs below them.

mod asset;
mod expire;
mod ingest;
mod intent;
mod library;
mod list;
mod member;
mod purge;
mod rendition;
mod settle;
mod understand;

#[cfg(feature = "postgres")]
pub(crate) use asset::attach;
pub(super) use asset::{lock as lock_asset, read_columns as read_asset};
pub(super) use expire::tombstone;
pub(super) use ingest::{stand_on, stored};
pub(super) use intent::{close as close_intent, lock as lock_intent};
pub(super) use library::lock as lock_library;
pub(super) use rendition::ready_elsewhere;
pub(super) use settle::{set_state, settle};

use super::{Backend, SqlCatalog};
use async_trait::async_trait;
use futures::FutureExt;
use medianest_core::{
    Asset, AssetId, Blob, Fence, IntentId, Library, LibraryId, Member, MemberRole, NewEvent, Page,
    PageRequest, Part, Recipe, Rendition, RenditionId, Result, Sha256, TenantId, VariantName, Visibility,
    catalog::{
        AssetCatalog, AssetChange, AssetQuery, Declared, FinishedRendition, Ingested, Intent, NewAsset,
        NewLibrary, Purge, Settled, Understood,
    },
};
use std::time::Duration;

#[async_trait]
impl<B: Backend> AssetCatalog for SqlCatalog<B> {
    async fn create_library(&self, library: NewLibrary) -> Result<Library> {
        self.write(library, |c, new| library::create(c, new).boxed()).await
    }

    async fn get_library(&self, visible: &Visibility, id: LibraryId) -> Result<Option<Library>> {
        self.read((visible.clone(), id), |c, (visible, id)| library::get(c, visible, *id).boxed()).await
    }

    async fn list_libraries(&self, visible: &Visibility, page: &PageRequest) -> Result<Page<Library>> {
        let args = (visible.clone(), page.clone());
        self.read_replica(args, |c, (visible, page)| library::list(c, visible, page).boxed()).await
    }

    async fn rename_library(
        &self,
        tenant: TenantId,
        id: LibraryId,
        name: &str,
        expected: Option<i64>,
        event: NewEvent,
    ) -> Result<Library> {
        let args = (tenant, id, name.to_owned(), expected, event);
        self.write(args, |c, (tenant, id, name, expected, event)| {
            library::rename(c, *tenant, *id, name, *expected, event).boxed()
        })
        .await
    }

    async fn delete_library(&self, tenant: TenantId, id: LibraryId, event: NewEvent) -> Result<()> {
        self.write_rights(tenant, (tenant, id, event), |c, (tenant, id, event)| {
            library::delete(c, *tenant, *id, event).boxed()
        })
        .await
    }

    async fn get_recipe(&self, tenant: TenantId, id: LibraryId) -> Result<Option<(Recipe, i64)>> {
        self.read((tenant, id), |c, (tenant, id)| library::get_recipe(c, *tenant, *id).boxed()).await
    }

    async fn set_recipe(
        &self,
        tenant: TenantId,
        id: LibraryId,
        recipe: &Recipe,
        event: NewEvent,
    ) -> Result<i64> {
        self.write((tenant, id, recipe.clone(), event), |c, (tenant, id, recipe, event)| {
            library::set_recipe(c, *tenant, *id, recipe, event).boxed()
        })
        .await
    }

    async fn put_member(
        &self,
        tenant: TenantId,
        id: LibraryId,
        subject: &str,
        role: MemberRole,
        event: NewEvent,
    ) -> Result<Member> {
        let args = (tenant, id, subject.to_owned(), role, event);
        self.write_rights(tenant, args, |c, (tenant, id, subject, role, event)| {
            member::put(c, *tenant, *id, subject, *role, event).boxed()
        })
        .await
    }

    async fn remove_member(
        &self,
        tenant: TenantId,
        id: LibraryId,
        subject: &str,
        event: NewEvent,
    ) -> Result<()> {
        let args = (tenant, id, subject.to_owned(), event);
        self.write_rights(tenant, args, |c, (tenant, id, subject, event)| {
            member::remove(c, *tenant, *id, subject, event).boxed()
        })
        .await
    }

    async fn list_members(
        &self,
        tenant: TenantId,
        id: LibraryId,
        page: &PageRequest,
    ) -> Result<Page<Member>> {
        self.read((tenant, id, page.clone()), |c, (tenant, id, page)| {
            member::list(c, *tenant, *id, page).boxed()
        })
        .await
    }

    async fn member_role(
        &self,
        tenant: TenantId,
        id: LibraryId,
        subject: &str,
    ) -> Result<Option<MemberRole>> {
        self.read((tenant, id, subject.to_owned()), |c, (tenant, id, subject)| {
            member::role(c, *tenant, *id, subject).boxed()
        })
        .await
    }

    async fn open_intent(&self, intent: &Intent, ttl: Duration) -> Result<()> {
        self.write((intent.clone(), ttl), |c, (intent, ttl)| intent::open(c, intent, *ttl).boxed()).await
    }

    async fn extend_intent(&self, id: IntentId, ttl: Duration) -> Result<()> {
        self.write((id, ttl), |c, (id, ttl)| intent::extend(c, *id, *ttl).boxed()).await
    }

    async fn close_intent(&self, id: IntentId) -> Result<()> {
        self.write(id, |c, id| intent::close(c, *id).boxed()).await
    }

    async fn take_intent(&self, id: IntentId, ttl: Duration) -> Result<Option<Intent>> {
        self.write((id, ttl), |c, (id, ttl)| intent::take(c, *id, *ttl).boxed()).await
    }

    async fn take_expired_intents(&self, limit: u32, ttl: Duration) -> Result<Vec<Intent>> {
        self.write((limit, ttl), |c, (limit, ttl)| intent::take_expired(c, *limit, *ttl).boxed()).await
    }

    async fn commit_ingest(&self, ingest: NewAsset) -> Result<Ingested> {
        self.write(ingest, |c, new| ingest::commit(c, new).boxed()).await
    }

    async fn repair_blob(&self, intent: &Intent, lost: &Blob) -> Result<bool> {
        self.write((intent.clone(), lost.clone()), |c, (intent, lost)| {
            intent::repair(c, intent, lost).boxed()
        })
        .await
    }

    async fn find_original(
        &self,
        visible: &Visibility,
        library: LibraryId,
        sha256: &Sha256,
        size: u64,
    ) -> Result<Option<Asset>> {
        self.read((visible.clone(), library, *sha256, size), |c, (visible, library, sha256, size)| {
            asset::find_original(c, visible, *library, sha256, *size).boxed()
        })
        .await
    }

    async fn find_requested(
        &self,
        visible: &Visibility,
        owner: &str,
        idempotency_key: &str,
        name: &str,
    ) -> Result<Option<Asset>> {
        let args = (visible.clone(), owner.to_owned(), idempotency_key.to_owned(), name.to_owned());
        self.read(args, |c, (visible, owner, key, name)| {
            asset::find_requested(c, visible, owner, key, name).boxed()
        })
        .await
    }

    async fn get_asset(&self, visible: &Visibility, id: AssetId) -> Result<Option<Asset>> {
        self.read((visible.clone(), id), |c, (visible, id)| asset::get(c, visible, *id).boxed()).await
    }

    async fn list_assets(
        &self,
        visible: &Visibility,
        query: &AssetQuery,
        page: &PageRequest,
    ) -> Result<Page<Asset>> {
        self.read_replica((visible.clone(), query.clone(), page.clone()), |c, (visible, query, page)| {
            list::list(c, visible, query, page).boxed()
        })
        .await
    }

    async fn update_asset(
        &self,
        visible: &Visibility,
        id: AssetId,
        change: &AssetChange,
        expected: Option<i64>,
        event: NewEvent,
    ) -> Result<Asset> {
        let args = (visible.clone(), id, change.clone(), expected, event);
        self.write(args, |c, (visible, id, change, expected, event)| {
            asset::update(c, visible, *id, change, *expected, event).boxed()
        })
        .await
    }

    async fn set_trashed(
        &self,
        visible: &Visibility,
        id: AssetId,
        trashed: bool,
        event: NewEvent,
    ) -> Result<Asset> {
        self.write((visible.clone(), id, trashed, event), |c, (visible, id, trashed, event)| {
            asset::set_trashed(c, visible, *id, *trashed, event).boxed()
        })
        .await
    }

    async fn attach(&self, visible: &Visibility, id: AssetId, target: &str) -> Result<Asset> {
        self.write((visible.clone(), id, target.to_owned()), |c, (visible, id, target)| {
            asset::attach(c, visible, *id, target).boxed()
        })
        .await
    }

    async fn expired_assets(&self, retention: Duration, limit: u32) -> Result<Vec<Asset>> {
        self.read((retention, limit), |c, (retention, limit)| expire::list(c, *retention, *limit).boxed())
            .await
    }

    async fn delete_asset(
        &self,
        tenant: TenantId,
        id: AssetId,
        only_expired: Option<Duration>,
        retention: Duration,
        event: NewEvent,
    ) -> Result<bool> {
        let args = (tenant, id, only_expired, retention, event);
        self.write(args, |c, (tenant, id, only_expired, retention, event)| {
            expire::delete(c, *tenant, *id, *only_expired, *retention, event).boxed()
        })
        .await
    }

    async fn record_facts(&self, fence: &Fence, understood: Understood) -> Result<Settled> {
        self.write((*fence, understood), |c, (fence, understood)| {
            understand::record(c, fence, understood).boxed()
        })
        .await
    }

    async fn declare_renditions(&self, asset: AssetId, declared: Declared) -> Result<()> {
        self.write((asset, declared), |c, (asset, declared)| understand::declare(c, *asset, declared).boxed())
            .await
    }

    async fn open_renditions(&self, fence: &Fence, ids: &[RenditionId]) -> Result<Vec<(Rendition, u32)>> {
        self.read((*fence, ids.to_vec()), |c, (fence, ids)| rendition::open(c, fence, ids).boxed()).await
    }

    async fn commit_part(&self, fence: &Fence, rendition: RenditionId, part: &Part) -> Result<()> {
        self.write((*fence, rendition, part.clone()), |c, (fence, rendition, part)| {
            rendition::commit_part(c, fence, *rendition, part).boxed()
        })
        .await
    }

    async fn finish_rendition(&self, fence: &Fence, finished: FinishedRendition) -> Result<Settled> {
        self.write((*fence, finished), |c, (fence, finished)| rendition::finish(c, fence, finished).boxed())
            .await
    }

    async fn list_renditions(&self, asset: AssetId) -> Result<Vec<Rendition>> {
        self.read(vec![asset], |c, assets| rendition::list(c, assets).boxed()).await
    }

    async fn list_renditions_of(&self, assets: &[AssetId]) -> Result<Vec<Rendition>> {
        self.read(assets.to_vec(), |c, assets| rendition::list(c, assets).boxed()).await
    }

    async fn ready_rendition(&self, asset: AssetId, variant: &VariantName) -> Result<Option<Rendition>> {
        self.read((asset, variant.clone()), |c, (asset, variant)| {
            rendition::ready(c, *asset, variant).boxed()
        })
        .await
    }

    async fn served_rendition(&self, asset: AssetId, id: RenditionId) -> Result<Option<Rendition>> {
        self.read((asset, id), |c, (asset, id)| rendition::served(c, *asset, *id).boxed()).await
    }

    async fn list_parts(&self, rendition: RenditionId) -> Result<Vec<Part>> {
        self.read(rendition, |c, rendition| rendition::parts(c, *rendition).boxed()).await
    }

    async fn get_part(&self, rendition: RenditionId, ordinal: u32) -> Result<Option<Part>> {
        self.read((rendition, ordinal), |c, (rendition, ordinal)| {
            rendition::part(c, *rendition, *ordinal).boxed()
        })
        .await
    }

    async fn begin_purge(&self, limit: u32) -> Result<Vec<Purge>> {
        self.write(limit, |c, limit| purge::begin(c, *limit).boxed()).await
    }

    async fn finish_purge(&self, purge: &Purge) -> Result<()> {
        self.write(purge.clone(), |c, purge| purge::finish(c, purge).boxed()).await
    }
}
