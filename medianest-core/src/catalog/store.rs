use super::sealed::Sealed;
use crate::{
    AssetId, Blob, BlobId, Failure, Fence, IntentId, Job, LibraryId, NewEvent, Rendition, RenditionId,
    Result, Sha256, StoreName, TenantId, Timestamp,
};
use async_trait::async_trait;
use std::time::Duration;

/// Which store a library names, and what brings its bytes there.
///
/// Whatever comes to be in another store than the library names (it was there before, or its upload or
/// rendering had begun before) is a *stray*. The command that makes it one sees to it that a job of the kind
/// [`Move`](crate::JobKind::Move) is queued for the library, or makes the one that runs look once more; so
/// that in the end everything is where the library says.
#[async_trait]
pub trait StoreCatalog: Sealed + Send + Sync + std::fmt::Debug + 'static {
    /// Names the store that new bytes of a library go to, and queues the job that brings the others there,
    /// unless one is queued or runs already, or there is nothing to bring. The event is emitted when the
    /// name changes.
    ///
    /// # Errors
    /// `library_not_found`.
    async fn set_library_store(
        &self,
        tenant: TenantId,
        id: LibraryId,
        store: &StoreName,
        event: NewEvent,
    ) -> Result<LibraryStore>;

    /// The store that a library names, and how far its bytes have come there.
    async fn library_store(&self, tenant: TenantId, id: LibraryId) -> Result<Option<LibraryStore>>;

    /// What a job has to bring where; None when the library is gone.
    ///
    /// # Errors
    /// `Fenced`.
    async fn begin_move(&self, fence: &Fence) -> Result<Option<Move>>;

    /// What of the next `limit` assets of a library is not in a store, in the order in which they were
    /// added; of renditions those that are `ready`.
    async fn list_elsewhere(
        &self,
        library: LibraryId,
        store: &StoreName,
        after: u64,
        limit: u32,
    ) -> Result<Elsewhere>;

    /// A blob of these bytes in a store, that is not `purging`.
    async fn find_blob(
        &self,
        tenant: TenantId,
        store: &StoreName,
        sha256: &Sha256,
        size: u64,
    ) -> Result<Option<Blob>>;

    /// Lets an asset stand on the same bytes in another store: those that were written under an intent, which
    /// ends, or those that are stored there already. The blob it stood on is tombstoned unless another asset
    /// stands on it. Returns the blob it now stands on: another one than the given, when that is redundant,
    /// as in [`commit_ingest`](super::AssetCatalog::commit_ingest). None, changing nothing, when there is
    /// nothing to move any more: the asset is gone, or stands on other bytes.
    ///
    /// # Errors
    /// `Fenced`; `cancelled` (Cancelled); `intent_expired` (Gone); `store_changed` (PreconditionFailed) when
    /// the library has come to name another store; without an intent, `blob_not_found` when no such bytes
    /// are stored any more.
    async fn move_original(&self, fence: &Fence, moved: MovedOriginal) -> Result<Option<Blob>>;

    /// Puts a rendition in the place of one that is `ready`, of the same parts in another store, which were
    /// written under an intent, which ends. The other is tombstoned. Returns false, changing nothing, when
    /// it is not `ready` any more: it was replaced or deleted.
    ///
    /// # Errors
    /// `Fenced`; `cancelled` (Cancelled); `intent_expired` (Gone); `store_changed` (PreconditionFailed).
    async fn move_rendition(&self, fence: &Fence, moved: MovedRendition) -> Result<bool>;

    /// Ends the job: `Done`, or `Dead` with the reason why something stays elsewhere. Returns false, ending
    /// nothing, when there are strays since [`begin_move`](Self::begin_move).
    ///
    /// # Errors
    /// `Fenced`; `cancelled` (Cancelled).
    async fn finish_move(&self, fence: &Fence, finished: FinishedMove) -> Result<bool>;
}

/// See [`StoreCatalog::library_store`].
#[derive(Clone, Debug, PartialEq)]
pub struct LibraryStore {
    /// Where new bytes go.
    pub store: StoreName,
    /// Whether all bytes are there.
    pub complete: bool,
    /// The last job that brought them, or brings them.
    pub job: Option<Job>,
}

/// What a job has to bring where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The world it is in.
    pub tenant: TenantId,
    /// The bytes of this library.
    pub library: LibraryId,
    /// To this store.
    pub store: StoreName,
    /// What [`FinishedMove::strays`] is to be.
    pub strays: u64,
    /// How many assets the library has.
    pub assets: u64,
}

/// A page of what is elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    /// Assets with something elsewhere.
    pub items: Vec<Stray>,
    /// How many assets were looked at.
    pub seen: u64,
    /// Where to go on from; None at the end.
    pub next: Option<u64>,
}

/// What of an asset is elsewhere.
#[derive(Clone, Debug)]
pub struct Stray {
    /// The asset.
    pub asset: AssetId,
    /// Its original.
    pub original: Option<Blob>,
    /// Its renditions.
    pub renditions: Vec<Rendition>,
}

/// An original that is in another store, too.
#[derive(Clone, Debug)]
pub struct MovedOriginal {
    /// The asset.
    pub asset: AssetId,
    /// What it stood on.
    pub from: BlobId,
    /// The same bytes in the store that the library names.
    pub blob: Blob,
    /// What they were written under; None for a blob of [`StoreCatalog::find_blob`].
    pub intent: Option<IntentId>,
    /// How long the bytes are kept that it stood on.
    pub retention: Duration,
    /// When.
    pub at: Timestamp,
}

/// A rendition whose parts are in another store, too.
#[derive(Clone, Debug)]
pub struct MovedRendition {
    /// The rendition.
    pub from: RenditionId,
    /// Its successor: the parts are below its folder, under the attempt of the fence.
    pub to: RenditionId,
    /// The store that the library names.
    pub store: StoreName,
    /// What they were written under.
    pub intent: IntentId,
    /// How long the bytes of the predecessor are kept.
    pub retention: Duration,
}

/// The end of a move.
#[derive(Clone, Debug)]
pub struct FinishedMove {
    /// The [`Move::strays`] that it began with.
    pub strays: u64,
    /// Why something stays elsewhere, if it does.
    pub failure: Option<Failure>,
    /// What to tell.
    pub event: NewEvent,
}
