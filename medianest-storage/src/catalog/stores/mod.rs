//! Which store a library names, and what brings its bytes there.

mod bring;
mod library;

pub(super) use library::{is_moving, note, note_rendition};

use super::{Backend, SqlCatalog};
use async_trait::async_trait;
use futures::FutureExt;
use medianest_core::{
    Blob, Fence, LibraryId, NewEvent, Result, Sha256, StoreName, TenantId,
    catalog::{Elsewhere, FinishedMove, LibraryStore, Move, MovedOriginal, MovedRendition, StoreCatalog},
};

#[async_trait]
impl<B: Backend> StoreCatalog for SqlCatalog<B> {
    async fn set_library_store(
        &self,
        tenant: TenantId,
        id: LibraryId,
        store: &StoreName,
        event: NewEvent,
    ) -> Result<LibraryStore> {
        self.write((tenant, id, store.clone(), event), |c, (tenant, id, store, event)| {
            library::set(c, *tenant, *id, store, event).boxed()
        })
        .await
    }

    async fn library_store(&self, tenant: TenantId, id: LibraryId) -> Result<Option<LibraryStore>> {
        self.read((tenant, id), |c, (tenant, id)| library::get(c, *tenant, *id).boxed()).await
    }

    async fn begin_move(&self, fence: &Fence) -> Result<Option<Move>> {
        self.read(*fence, |c, fence| bring::begin(c, fence).boxed()).await
    }

    async fn list_elsewhere(
        &self,
        library: LibraryId,
        store: &StoreName,
        after: u64,
        limit: u32,
    ) -> Result<Elsewhere> {
        self.read((library, store.clone(), after, limit), |c, (library, store, after, limit)| {
            bring::elsewhere(c, *library, store, *after, *limit).boxed()
        })
        .await
    }

    async fn find_blob(
        &self,
        tenant: TenantId,
        store: &StoreName,
        sha256: &Sha256,
        size: u64,
    ) -> Result<Option<Blob>> {
        self.read((tenant, store.clone(), *sha256, size), |c, (tenant, store, sha256, size)| {
            bring::find_blob(c, *tenant, store, sha256, *size).boxed()
        })
        .await
    }

    async fn move_original(&self, fence: &Fence, moved: MovedOriginal) -> Result<Option<Blob>> {
        self.write((*fence, moved), |c, (fence, moved)| bring::original(c, fence, moved).boxed()).await
    }

    async fn move_rendition(&self, fence: &Fence, moved: MovedRendition) -> Result<bool> {
        self.write((*fence, moved), |c, (fence, moved)| bring::rendition(c, fence, moved).boxed()).await
    }

    async fn finish_move(&self, fence: &Fence, finished: FinishedMove) -> Result<bool> {
        self.write((*fence, finished), |c, (fence, finished)| bring::finish(c, fence, finished).boxed()).await
    }
}
