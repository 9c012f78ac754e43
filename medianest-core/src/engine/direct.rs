//! Uploads whose bytes go from their sender to the store itself, past us.
//!
//! Nothing is kept of one but its intent: what it is about is in its name, which is sealed. Nothing that
//! its sender says of the bytes is believed: they are read once when they are complete, and go through the
//! same door as all others.

use super::{
    Media,
    ingest::{About, Body, Stored},
};
use crate::{
    Action, Asset, AssetId, BlobId, BlobKey, BlobStoreExt, Error, ErrorKind, FileName, IntentId, LibraryId,
    Multipart, MultipartId, PartRequest, PartUrl, Resource, Result, SentPart, Sha256, StoreName, StoredPart,
    TenantId, Timestamp, catalog::Intent,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tracing::Instrument;

/// How long an upload may take: less than the day after which stores clear away what is unfinished.
const VALID: Duration = Duration::from_secs(20 * 3600);
/// How long its bytes are left alone, from its beginning on.
const LEFT_ALONE: Duration = Duration::from_secs(24 * 3600);
/// Parts are of this size, or of a multiple where they would be too many.
const PART: u64 = 16 << 20;
const PURPOSE: &str = "medianest-direct-upload-1";

/// What is about to be sent to a store itself.
#[derive(Clone, Debug, Default)]
pub struct NewDirectUpload {
    /// Shown name; made harmless.
    pub name: String,
    /// Bytes, exactly.
    pub size: u64,
    /// Into this library, instead of the principal's own.
    pub library: Option<LibraryId>,
    /// For a host's row that has yet to claim it with [`Media::attach`].
    pub staged: bool,
    /// When it was taken, for media that does not say so itself.
    pub taken_at: Option<Timestamp>,
    /// Makes a repeated completion, also of another upload, give the same asset.
    pub idempotency_key: Option<String>,
}

/// An upload that was begun, and how its parts have to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectUpload {
    /// Its name. Only who began it can do something with it.
    pub id: String,
    /// Bytes of each part but the last.
    pub part_size: u64,
    /// How many parts there are; they are numbered from 1 on.
    pub parts: u32,
    /// Whether the SHA-256 of a part has to be told before it is sent, and again at the end.
    pub sha256: bool,
    /// When it is over.
    pub expires_at: Timestamp,
}

/// What the name of an upload says.
#[derive(Deserialize, Serialize)]
struct Ticket {
    tenant: TenantId,
    subject: String,
    library: LibraryId,
    about: About,
    size: u64,
    part_size: u64,
    intent: IntentId,
    store: StoreName,
    blob: BlobId,
    upload: String,
    expires_at: Timestamp,
}

impl Ticket {
    fn parts(&self) -> u32 {
        u32::try_from(self.size.div_ceil(self.part_size)).unwrap_or(u32::MAX)
    }

    fn intent(&self) -> Intent {
        Intent { id: self.intent, tenant: self.tenant, store: self.store.clone(), key: self.key() }
    }

    fn key(&self) -> BlobKey {
        BlobKey::original(self.tenant, self.blob)
    }

    fn upload(&self) -> MultipartId {
        MultipartId(self.upload.clone())
    }
}

impl Media {
    /// Begins an upload whose bytes do not come through us.
    ///
    /// # Errors
    /// `presign_unsupported` (Unsupported) when the store takes none; `forbidden`, `library_not_found`;
    /// `empty_upload`; `upload_too_large`; `invalid_idempotency_key`; `Unavailable`.
    pub async fn begin_direct(&self, new: NewDirectUpload) -> Result<DirectUpload> {
        let library = self.library_for(new.library).await?;
        let about = About {
            id: AssetId::new(),
            name: FileName::sanitise(&new.name).into_string(),
            staged: new.staged,
            taken_at: new.taken_at,
            idempotency_key: new.idempotency_key,
        };
        about.check()?;
        let (engine, blob) = (self.engine(), BlobId::new());
        let intent = self.intent(library, blob).await?;
        let multipart = engine.store(&intent.store)?.blobs().multipart()?;
        engine.check_size(new.size)?;
        let rules = multipart.rules();
        let least = new.size.div_ceil(u64::from(rules.max_parts));
        let part_size = least.max(rules.min_size).next_multiple_of(PART).min(rules.max_size);
        engine.catalog().open_intent(&intent, LEFT_ALONE).await?;
        let expires_at = engine.now() + VALID;
        let ticket = Ticket {
            tenant: intent.tenant,
            subject: self.principal().subject.clone(),
            library,
            about,
            size: new.size,
            part_size,
            intent: intent.id,
            blob,
            upload: multipart.begin(&intent.key).await?.0,
            store: intent.store,
            expires_at,
        };
        let text = serde_json::to_vec(&ticket)
            .map_err(|error| Error::internal("an upload cannot be written down").caused_by(error))?;
        Ok(DirectUpload {
            id: engine.url_keys().seal(PURPOSE, &text),
            part_size,
            parts: ticket.parts(),
            sha256: rules.sha256,
            expires_at,
        })
    }

    /// Where a part is sent to; its URL is good for 15 minutes at most.
    ///
    /// # Errors
    /// `upload_not_found`; `upload_expired` (Gone); `invalid_part`; `forbidden`, `library_not_found` when
    /// that came to be meanwhile; `Unavailable`.
    pub async fn direct_part(&self, id: &str, number: u32, sha256: Option<Sha256>) -> Result<PartUrl> {
        let ticket = self.ticket(id).await?;
        if !(1..=ticket.parts()).contains(&number) {
            return Err(Error::invalid("invalid_part", "the upload has no part of this number")
                .with("part", number)
                .with("parts", ticket.parts()));
        }
        let before = ticket.part_size * u64::from(number - 1);
        let part = PartRequest { number, size: ticket.part_size.min(ticket.size - before), sha256 };
        let multipart = self.multipart(&ticket)?;
        multipart.presign_part(&ticket.key(), &ticket.upload(), &part, crate::LONGEST_PRESIGNED).await
    }

    /// The parts that have come so far.
    ///
    /// # Errors
    /// As [`direct_part`](Self::direct_part); `upload_not_found` also when it has ended.
    pub async fn direct_parts(&self, id: &str) -> Result<Vec<StoredPart>> {
        let ticket = self.ticket(id).await?;
        self.multipart(&ticket)?.parts(&ticket.key(), &ticket.upload()).await
    }

    /// Makes an asset of the parts that were sent, and tells whether it is new: asked again, it gives the
    /// same. The bytes are read once for that, which takes its time, and goes on when the caller does not
    /// wait: who asks again meanwhile, waits for the same.
    ///
    /// # Errors
    /// `parts_differ` (Conflict) when the store has others than these, or fewer than there are to be; `busy`
    /// (Unavailable) when many are completed at this moment, a minute long; as
    /// [`direct_part`](Self::direct_part), and as [`ingest`](Self::ingest).
    pub async fn complete_direct(&self, id: &str, parts: &[SentPart]) -> Result<(Asset, bool)> {
        let ticket = self.ticket(id).await?;
        let turn = self.engine().0.turns.take(ticket.intent).await;
        let (media, parts) = (self.clone(), parts.to_vec());
        let work = async move {
            let _turn = turn;
            media.complete_ticket(ticket, &parts).await
        };
        tokio::spawn(work.in_current_span()).await.map_err(|source| {
            Error::unavailable("shutting_down", "the process is shutting down").caused_by(source)
        })?
    }

    async fn complete_ticket(&self, ticket: Ticket, parts: &[SentPart]) -> Result<(Asset, bool)> {
        if let Some(asset) = self.get(ticket.about.id).await? {
            return Ok((asset, false));
        }
        let missing = "the upload has another number of parts; list them, and send what is missing";
        if parts.len() != ticket.parts() as usize {
            return Err(Error::conflict("parts_differ", missing).with("parts", ticket.parts()));
        }
        // Waited for in the task, which goes on without the caller.
        let _place = self.engine().0.turns.place().await?;
        let intent = ticket.intent();
        let stored = match self.store_parts(&ticket, &intent, parts).await {
            // It has ended: in another process just now, or with an asset that was there before.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return self.came_to(&ticket).await?.map(|asset| (asset, false)).ok_or(error);
            }
            stored => stored?,
        };
        self.authorize(Action::Contribute, Resource::Library(ticket.library)).await?;
        self.commit(ticket.about, ticket.library, ticket.blob, intent, stored).await
    }

    /// After an error the bytes are left to the sweeper: another process may complete the same just now.
    async fn store_parts(&self, ticket: &Ticket, intent: &Intent, parts: &[SentPart]) -> Result<Stored> {
        let size = self.multipart(ticket)?.complete(&intent.key, &ticket.upload(), parts).await?;
        if size != ticket.size {
            return Err(Error::internal("the parts have another size than was signed")
                .with("size", size)
                .with("expected", ticket.size));
        }
        self.engine().store_original(intent, Body::There).await
    }

    /// What an upload gave that has ended, or an earlier request with its idempotency key.
    async fn came_to(&self, ticket: &Ticket) -> Result<Option<Asset>> {
        if let Some(asset) = self.get(ticket.about.id).await? {
            return Ok(Some(asset));
        }
        let Some(key) = &ticket.about.idempotency_key else { return Ok(None) };
        let (visible, name) = (self.visibility().await?, &ticket.about.name);
        let found = self.catalog().find_requested(&visible, &ticket.subject, key, name).await?;
        Ok(found.filter(|asset| asset.library_id == ticket.library && asset.blob.size == ticket.size))
    }

    /// Ends an upload that is not to be completed. Succeeds when it has ended; what was completed stays.
    ///
    /// # Errors
    /// `upload_not_found`; `Unavailable`.
    pub async fn abort_direct(&self, id: &str) -> Result<()> {
        let ticket = self.unsealed(id)?;
        self.multipart(&ticket)?.abort(&ticket.key(), &ticket.upload()).await
    }

    /// What takes the parts: the store that the library named when the upload began.
    fn multipart(&self, ticket: &Ticket) -> Result<&dyn Multipart> {
        self.engine().store(&ticket.store)?.blobs().multipart()
    }

    /// What an upload is about, while it may go on.
    async fn ticket(&self, id: &str) -> Result<Ticket> {
        let ticket = self.unsealed(id)?;
        if ticket.expires_at <= self.engine().now() {
            let message = "the upload took too long and was given up; start again";
            return Err(Error::new(ErrorKind::Gone, "upload_expired", message));
        }
        self.authorize(Action::Contribute, Resource::Library(ticket.library)).await?;
        Ok(ticket)
    }

    /// What somebody else began does not exist.
    fn unsealed(&self, id: &str) -> Result<Ticket> {
        let ticket = self.engine().url_keys().unseal(PURPOSE, id);
        let ticket = ticket.and_then(|text| serde_json::from_slice::<Ticket>(&text).ok());
        let caller = self.principal();
        ticket
            .filter(|ticket| ticket.tenant == caller.tenant && ticket.subject == caller.subject)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "upload_not_found", "there is no such upload"))
    }
}
