use super::sealed::Sealed;
use crate::{
    Asset, AssetId, AssetState, Blob, BlobKey, Facts, Failure, Fence, Fingerprint, IntentId, JobId, Library,
    LibraryId, MediaKind, Member, MemberRole, NewEvent, NewJob, Page, PageRequest, Part, Recipe, Rendition,
    RenditionId, RenditionInfo, Result, Sha256, StoreName, TenantId, Timestamp, Variant, VariantName,
    Visibility,
};
use async_trait::async_trait;
use std::time::Duration;

/// Libraries, assets, renditions and the blobs below them.
#[async_trait]
pub trait AssetCatalog: Sealed + Send + Sync + std::fmt::Debug + 'static {
    // ---- libraries ----

    /// Adds a library with its first owner and its recipe.
    ///
    /// # Errors
    /// `library_exists` (Conflict) when the id is taken.
    async fn create_library(&self, library: NewLibrary) -> Result<Library>;

    /// A library that is visible.
    async fn get_library(&self, visible: &Visibility, id: LibraryId) -> Result<Option<Library>>;

    /// Visible libraries by name, then id.
    async fn list_libraries(&self, visible: &Visibility, page: &PageRequest) -> Result<Page<Library>>;

    /// Renames a library; with `expected`, only when that is its version.
    ///
    /// # Errors
    /// `library_not_found`; `version_mismatch` (PreconditionFailed).
    async fn rename_library(
        &self,
        tenant: TenantId,
        id: LibraryId,
        name: &str,
        expected: Option<i64>,
        event: NewEvent,
    ) -> Result<Library>;

    /// Deletes a library that holds no asset, not even in the trash. The event is emitted once for each
    /// member, with an id of its own, so that they hear of it though nobody sees the library any more.
    ///
    /// # Errors
    /// `library_not_found`; `library_not_empty` (Conflict).
    async fn delete_library(&self, tenant: TenantId, id: LibraryId, event: NewEvent) -> Result<()>;

    /// The recipe of a library, with its version (from 1).
    async fn get_recipe(&self, tenant: TenantId, id: LibraryId) -> Result<Option<(Recipe, i64)>>;

    /// Replaces the recipe of a library and returns its new version. Equal to the present one: nothing
    /// changes, no event.
    ///
    /// # Errors
    /// `library_not_found`.
    async fn set_recipe(
        &self,
        tenant: TenantId,
        id: LibraryId,
        recipe: &Recipe,
        event: NewEvent,
    ) -> Result<i64>;

    /// Adds a member or changes a member's role.
    ///
    /// # Errors
    /// `library_not_found`; `last_owner` (Conflict) when it would leave the library without an owner.
    async fn put_member(
        &self,
        tenant: TenantId,
        id: LibraryId,
        subject: &str,
        role: MemberRole,
        event: NewEvent,
    ) -> Result<Member>;

    /// Removes a member. Removing who is none succeeds, without event.
    ///
    /// # Errors
    /// `last_owner` (Conflict).
    async fn remove_member(
        &self,
        tenant: TenantId,
        id: LibraryId,
        subject: &str,
        event: NewEvent,
    ) -> Result<()>;

    /// The members of a library by subject.
    async fn list_members(&self, tenant: TenantId, id: LibraryId, page: &PageRequest)
    -> Result<Page<Member>>;

    /// What a subject may do in a library.
    async fn member_role(&self, tenant: TenantId, id: LibraryId, subject: &str)
    -> Result<Option<MemberRole>>;

    // ---- ingest ----

    /// Records that bytes are about to be written: before the first one. It expires after `ttl` by
    /// the backend's clock unless extended.
    async fn open_intent(&self, intent: &Intent, ttl: Duration) -> Result<()>;

    /// Moves the expiry of an intent to `ttl` from now, unless it is later already.
    ///
    /// # Errors
    /// `intent_expired` (Gone) when it is not there any more: the writer stops.
    async fn extend_intent(&self, id: IntentId, ttl: Duration) -> Result<()>;

    /// Forgets an intent whose bytes are gone. Succeeds when it is not there.
    async fn close_intent(&self, id: IntentId) -> Result<()>;

    /// Takes an intent over, as a sweeper does, so that who has it may delete its bytes: nobody can commit
    /// them any more. Returns `None`, changing nothing, when it is not there, as after a commit, or taken.
    async fn take_intent(&self, id: IntentId, ttl: Duration) -> Result<Option<Intent>>;

    /// Takes up to `limit` expired intents over: their expiry moves to `ttl` from now, so that no
    /// second sweeper has them at the same time, and their writers can no longer commit.
    async fn take_expired_intents(&self, limit: u32, ttl: Duration) -> Result<Vec<Intent>>;

    /// Stores an asset on the bytes of an intent: blob, asset, jobs and events, less the intent.
    /// When the same bytes are in the same store already (same tenant, SHA-256 and size, and its blob is not
    /// `purging`), the asset is linked to that blob, which is revived if it was tombstoned; the new
    /// bytes are then the caller's to delete, under an intent that stays ([`Ingested::redundant`]).
    /// Repeating a command with the same asset id gives the same answer. When the library has come to name
    /// another store meanwhile, they are [brought there](super::StoreCatalog) later.
    ///
    /// # Errors
    /// `intent_expired` (Gone); `library_not_found`; `asset_exists` (Conflict) when the id is taken by
    /// another asset; `idempotency_key_reused` (Conflict) when the key came with other bytes or
    /// another name.
    async fn commit_ingest(&self, ingest: NewAsset) -> Result<Ingested>;

    /// The bytes of a blob are lost: it stands on those of the intent from now on, and the intent is that
    /// of the lost ones, for what may be left of them. Returns false, changing nothing, when the blob does
    /// not stand on those bytes any more: somebody else was quicker.
    ///
    /// # Errors
    /// `intent_expired` (Gone).
    async fn repair_blob(&self, intent: &Intent, lost: &Blob) -> Result<bool>;

    /// A visible asset of a library, not in the trash, that has exactly these bytes.
    async fn find_original(
        &self,
        visible: &Visibility,
        library: LibraryId,
        sha256: &Sha256,
        size: u64,
    ) -> Result<Option<Asset>>;

    /// The visible asset that a request of this subject with this idempotency key and name gave, also from
    /// the trash.
    async fn find_requested(
        &self,
        visible: &Visibility,
        owner: &str,
        idempotency_key: &str,
        name: &str,
    ) -> Result<Option<Asset>>;

    // ---- assets ----

    /// A visible asset, also from the trash.
    async fn get_asset(&self, visible: &Visibility, id: AssetId) -> Result<Option<Asset>>;

    /// Visible assets that match, in the order asked for.
    ///
    /// # Errors
    /// `invalid_cursor`.
    async fn list_assets(
        &self,
        visible: &Visibility,
        query: &AssetQuery,
        page: &PageRequest,
    ) -> Result<Page<Asset>>;

    /// Changes a visible asset; with `expected`, only when that is its version.
    ///
    /// # Errors
    /// `asset_not_found`; `version_mismatch` (PreconditionFailed).
    async fn update_asset(
        &self,
        visible: &Visibility,
        id: AssetId,
        change: &AssetChange,
        expected: Option<i64>,
        event: NewEvent,
    ) -> Result<Asset>;

    /// Puts an asset into the trash, or takes it out. Doing it twice changes nothing and emits nothing.
    /// Taking out of the trash needs nothing but the row: bytes of trashed assets are kept.
    ///
    /// # Errors
    /// `asset_not_found`.
    async fn set_trashed(
        &self,
        visible: &Visibility,
        id: AssetId,
        trashed: bool,
        event: NewEvent,
    ) -> Result<Asset>;

    /// Claims a staged asset for a host's row: it no longer expires, and is `processing` or what its
    /// job made of it since. Attaching it to the same row again changes nothing.
    ///
    /// # Errors
    /// `asset_not_found`; `asset_attached` (Conflict) when it belongs to another row.
    async fn attach(&self, visible: &Visibility, id: AssetId, target: &str) -> Result<Asset>;

    /// Assets whose time is over: staged past their expiry, or in the trash for `retention` or longer
    /// (by the backend's clock), oldest first.
    async fn expired_assets(&self, retention: Duration, limit: u32) -> Result<Vec<Asset>>;

    /// Deletes the row of an asset for good, cancels its jobs, tombstones its renditions, and its blob
    /// unless another asset stands on it; tombstones keep their bytes for `retention` from now. With
    /// `only_expired`, only when [`expired_assets`](Self::expired_assets) with that retention would
    /// still list it (somebody may have restored it meanwhile). Returns whether a row was deleted.
    async fn delete_asset(
        &self,
        tenant: TenantId,
        id: AssetId,
        only_expired: Option<Duration>,
        retention: Duration,
        event: NewEvent,
    ) -> Result<bool>;

    // ---- understanding and rendering ----

    /// The facts of an asset were read: stores them, declares its renditions, queues the jobs that make
    /// them, ends the job, and settles the asset ([`Settled`]) when nothing is required. Renditions of
    /// the asset that are `pending` or `failed` from before are replaced by the declared ones, and the jobs
    /// called off whose renditions are all replaced.
    ///
    /// # Errors
    /// `Fenced`; `cancelled` (Cancelled) when the job was called off; `version_mismatch`
    /// (PreconditionFailed) when the recipe has changed since.
    async fn record_facts(&self, fence: &Fence, understood: Understood) -> Result<Settled>;

    /// Declares renditions of an asset that has been understood and queues the jobs that make them:
    /// what `recipe apply` and `reprocess` do. Renditions of the same variants that are `pending` or
    /// `failed` are replaced; `ready` ones stay until their successor is. Cancels the jobs whose
    /// renditions are all replaced. With `understand_again`, the asset becomes `processing` instead,
    /// unless it is `ready`.
    ///
    /// # Errors
    /// `asset_not_found`.
    async fn declare_renditions(&self, asset: AssetId, declared: Declared) -> Result<()>;

    /// Renditions that a job has to make, with the number of parts each has already.
    ///
    /// # Errors
    /// `Fenced`.
    async fn open_renditions(&self, fence: &Fence, ids: &[RenditionId]) -> Result<Vec<(Rendition, u32)>>;

    /// Adds a part to a pending rendition of the job, whose crashes are forgotten: it comes forward. The
    /// same ordinal twice: the first stays.
    ///
    /// # Errors
    /// `Fenced`; `rendition_not_found` when it was replaced meanwhile.
    async fn commit_part(&self, fence: &Fence, rendition: RenditionId, part: &Part) -> Result<()>;

    /// A rendition is complete or has failed. When it is ready, its predecessor is tombstoned for
    /// `retention`. Settles the asset: `ready` once all required renditions are, `failed` when one
    /// of them failed and none is pending, unless it is `ready` already.
    ///
    /// # Errors
    /// `Fenced`; `rendition_not_found` when it was replaced meanwhile.
    async fn finish_rendition(&self, fence: &Fence, finished: FinishedRendition) -> Result<Settled>;

    /// The renditions of an asset that are not tombstoned, by variant, then age.
    async fn list_renditions(&self, asset: AssetId) -> Result<Vec<Rendition>>;

    /// The renditions of several assets that are not tombstoned.
    async fn list_renditions_of(&self, assets: &[AssetId]) -> Result<Vec<Rendition>>;

    /// The `ready` rendition of a variant.
    async fn ready_rendition(&self, asset: AssetId, variant: &VariantName) -> Result<Option<Rendition>>;

    /// A rendition whose bytes can be served: it is `ready`, or was until it was replaced, and is not
    /// `purging`.
    async fn served_rendition(&self, asset: AssetId, id: RenditionId) -> Result<Option<Rendition>>;

    /// The parts of a rendition in order.
    async fn list_parts(&self, rendition: RenditionId) -> Result<Vec<Part>>;

    /// One part of a rendition.
    async fn get_part(&self, rendition: RenditionId, ordinal: u32) -> Result<Option<Part>>;

    // ---- reclaim ----

    /// Marks up to `limit` blobs and renditions whose tombstone's time is over as `purging` and returns
    /// what to delete, at most `limit`, along with those that were marked before and not yet forgotten.
    /// What was returned before comes after what was not, so that what cannot be deleted is in nobody's
    /// way. From then on a blob is not revived.
    async fn begin_purge(&self, limit: u32) -> Result<Vec<Purge>>;

    /// The bytes are gone: forgets the rows.
    async fn finish_purge(&self, purge: &Purge) -> Result<()>;
}

/// A library to be added.
#[derive(Clone, Debug)]
pub struct NewLibrary {
    /// Its id.
    pub id: LibraryId,
    /// The world it is in.
    pub tenant: TenantId,
    /// Shown name, 1 to 200 characters.
    pub name: String,
    /// The subject of its first owner.
    pub owner: String,
    /// What to derive from its assets.
    pub recipe: Recipe,
    /// Where its bytes go.
    pub store: StoreName,
    /// When.
    pub at: Timestamp,
    /// What to tell.
    pub event: NewEvent,
}

/// The promise that bytes are going to be written under a key, or below a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Its id.
    pub id: IntentId,
    /// The world it is in.
    pub tenant: TenantId,
    /// The store that the bytes go to.
    pub store: StoreName,
    /// Where they go in it: their key, or the folder of a rendition.
    pub key: BlobKey,
}

/// An asset to be stored.
#[derive(Clone, Debug)]
pub struct NewAsset {
    /// The intent that its bytes were written under.
    pub intent: IntentId,
    /// Its id.
    pub id: AssetId,
    /// The world it is in.
    pub tenant: TenantId,
    /// The library it goes into.
    pub library: LibraryId,
    /// The subject of who puts it in.
    pub owner: String,
    /// Shown name.
    pub name: String,
    /// What the first bytes show.
    pub kind: Option<MediaKind>,
    /// The bytes, under the key of the intent.
    pub blob: Blob,
    /// `Processing`, `Staged` or, for what we cannot process, `Failed` or `Quarantined`.
    pub state: AssetState,
    /// Why it is `Failed` or `Quarantined`.
    pub failure: Option<Failure>,
    /// When it was taken as far as is known from outside (a file's date); else `at`.
    pub taken_at: Timestamp,
    /// How long a staged asset waits to be attached.
    pub expires_after: Option<Duration>,
    /// Makes a repeated request give the same asset.
    pub idempotency_key: Option<String>,
    /// When.
    pub at: Timestamp,
    /// What to do next.
    pub jobs: Vec<NewJob>,
    /// What to tell.
    pub events: Vec<NewEvent>,
}

/// The answer of [`AssetCatalog::commit_ingest`].
#[derive(Clone, Debug)]
pub struct Ingested {
    /// The asset, as it is now.
    pub asset: Asset,
    /// False when the command was a repetition and nothing was added.
    pub created: bool,
    /// The new bytes are not needed: the same are stored already. Their intent is still there; the
    /// caller deletes the bytes, then closes the intent (or leaves both to the sweeper).
    pub redundant: bool,
}

/// Which assets to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssetQuery {
    /// Only of this library.
    pub library: Option<LibraryId>,
    /// Only of this kind.
    pub kind: Option<MediaKind>,
    /// Only in this state.
    pub state: Option<AssetState>,
    /// Only what this subject put in.
    pub owner: Option<String>,
    /// What is in the trash, instead of what is not.
    pub trashed: bool,
    /// Taken at or after.
    pub taken_from: Option<Timestamp>,
    /// Taken before.
    pub taken_before: Option<Timestamp>,
    /// The order.
    pub order: AssetOrder,
}

/// The order of a list of assets; ids decide between equals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssetOrder {
    /// By when it was taken, newest first.
    #[default]
    TakenNewest,
    /// By when it was taken, oldest first.
    TakenOldest,
    /// By when it was put in, newest first.
    AddedNewest,
    /// By when it was put in, oldest first.
    AddedOldest,
}

/// What to change of an asset; None leaves as is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssetChange {
    /// Shown name, already sanitised.
    pub name: Option<String>,
    /// When it was taken, as its owner knows better: from then on it is not read from the file.
    pub taken_at: Option<Timestamp>,
}

/// The facts of an asset and what is to be made of it.
#[derive(Clone, Debug)]
pub struct Understood {
    /// The facts; None when reading them failed.
    pub facts: Option<Facts>,
    /// The media type that the original is served as.
    pub content_type: String,
    /// When it was taken, if the facts say; not stored once somebody has corrected it.
    pub taken_at: Option<Timestamp>,
    /// Words to find it by, beside its name; those of before stay when reading failed.
    pub search_text: String,
    /// What to make, with the jobs that make it.
    pub declared: Declared,
    /// The version of the recipe that says so; None when no recipe was asked.
    pub recipe_version: Option<i64>,
    /// Why it cannot be processed: the asset becomes `failed` or `quarantined`, unless it is `ready`.
    pub outcome: Option<(AssetState, Failure)>,
    /// What to tell; nothing when there is an `outcome` and the asset is `ready` all the same.
    pub events: Vec<NewEvent>,
    /// One is emitted when the command settles the asset without an `outcome`; with one, `events` tell.
    pub settled_events: SettledEvents,
}

/// Renditions to declare.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// The renditions.
    pub renditions: Vec<NewRendition>,
    /// The jobs that make them.
    pub jobs: Vec<NewJob>,
    /// Read the facts anew first (the jobs then are one `Understand`).
    pub understand_again: bool,
    /// When.
    pub at: Option<Timestamp>,
}

/// A rendition to declare, `pending`.
#[derive(Clone, Debug)]
pub struct NewRendition {
    /// Its id.
    pub id: RenditionId,
    /// The variant's name.
    pub variant: VariantName,
    /// The variant.
    pub definition: Variant,
    /// Of definition and renderer.
    pub fingerprint: Fingerprint,
    /// Whether the asset is not `ready` without it.
    pub required: bool,
    /// The job that makes it.
    pub job: JobId,
}

/// The end of a rendition.
#[derive(Clone, Debug)]
pub struct FinishedRendition {
    /// Which one.
    pub id: RenditionId,
    /// What came out, or why not.
    pub outcome: Result<RenditionInfo, Failure>,
    /// How long the bytes of its predecessor are kept.
    pub retention: Duration,
    /// When.
    pub at: Timestamp,
    /// What to tell of the rendition.
    pub event: NewEvent,
    /// Emitted when the command settles the asset.
    pub settled_events: SettledEvents,
}

/// Events of which the backend emits one, when the asset comes to that state.
#[derive(Clone, Debug)]
pub struct SettledEvents {
    /// When it becomes `ready`.
    pub ready: NewEvent,
    /// When it becomes `failed`.
    pub failed: NewEvent,
}

/// The state of the asset after a command, when the command changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled(pub Option<AssetState>);

/// Bytes whose time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purge {
    /// An original.
    Blob {
        /// Its row.
        id: crate::BlobId,
        /// The store of its bytes.
        store: StoreName,
        /// Its bytes.
        key: BlobKey,
    },
    /// A rendition with all below its folder.
    Rendition {
        /// Its row.
        id: RenditionId,
        /// The store of its parts.
        store: StoreName,
        /// The folder of its parts.
        folder: BlobKey,
    },
}
