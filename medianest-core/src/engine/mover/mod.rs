//! Brings the bytes of a library to the store that it names, while it is used.
//!
//! Each original and each rendition is copied under an intent, hashed on the way, read back, and only then put
//! in the place of the other by one fenced command; what it replaces is served until its bytes are purged.
//! What is still elsewhere is found in the rows, so that a mover can be stopped anywhere and goes on from there.

mod copy;
mod progress;

use super::{Engine, Media, Store, sink::Pulse};
use crate::{
    Action, AssetId, Blob, BlobId, BlobKey, Error, Failure, IntentId, Job, LibraryId, NewEvent, Rendition,
    RenditionId, Resource, Result, StoreName, Topic, audit_actions,
    catalog::{FinishedMove, Intent, LibraryStore, Move, MovedOriginal, MovedRendition, Stray},
    event_kinds,
};
use copy::{Copier, left};
use futures::{TryStreamExt, stream};
use progress::{Progress, Share};
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Assets that are looked at in one go.
const PAGE: u32 = 500;
/// Assets that are brought at the same time: each waits for stores most of the time.
const AT_ONCE: usize = 4;
/// Events about what could not be brought, at most; the rest is counted.
const TOLD: u64 = 1_000;

impl Media {
    /// The store that a library names, and how far its bytes have come there. For who operates the tenant.
    ///
    /// # Errors
    /// `forbidden`; `library_not_found`.
    pub async fn library_store(&self, library: LibraryId) -> Result<LibraryStore> {
        self.authorize(Action::Operate, Resource::Tenant).await?;
        let found = self.catalog().library_store(self.principal().tenant, library).await?;
        found.ok_or_else(|| Error::not_found("library", library))
    }

    /// Lets a library name a store: new bytes go there at once, and a job brings the others after. They can
    /// be read all the time. Repeating it lets a job look again for what is elsewhere; naming the former
    /// store brings them back. For who operates the tenant.
    ///
    /// # Errors
    /// `forbidden`; `library_not_found`; `no_such_store` when this process does not know it.
    pub async fn move_library(&self, library: LibraryId, store: &StoreName) -> Result<LibraryStore> {
        self.authorize(Action::Operate, Resource::Tenant).await?;
        if self.engine().store(store).is_err() {
            let message = "there is no store of this name; configure it first";
            return Err(Error::conflict("no_such_store", message).with("store", store));
        }
        let event = self.library_event(library, event_kinds::LIBRARY_UPDATED, json!({ "store": store }));
        let tenant = self.principal().tenant;
        let details = json!({ "store": store });
        let audited = self.audited(audit_actions::LIBRARY_MOVED, format!("library:{library}"), details);
        let named = audited.set_library_store(tenant, library, store, event).await?;
        self.engine().bus().wake(Topic::Jobs);
        self.engine().bus().wake(Topic::Committed);
        Ok(named)
    }
}

impl Engine {
    /// What a job of the kind `Move` does.
    pub(super) async fn bring_library(&self, job: &Job, pulse: &Arc<Pulse>) -> Result<()> {
        loop {
            let Some(wanted) = self.catalog().begin_move(&job.fence()).await? else {
                return self.catalog().complete(&job.fence()).await;
            };
            let target = self.store(&wanted.store)?.clone();
            let mover = Mover {
                engine: self,
                job,
                pulse,
                target,
                progress: Arc::new(Progress::new(Arc::clone(pulse), wanted.assets)),
                wanted,
                left: AtomicU64::new(0),
            };
            match mover.bring_all().await {
                // Begin again, with the store that it names now.
                Err(error) if error.code() == "store_changed" => {}
                Err(error) => return Err(error),
                Ok(()) if mover.finish().await? => return Ok(()),
                Ok(()) => {}
            }
        }
    }
}

struct Mover<'e> {
    engine: &'e Engine,
    job: &'e Job,
    pulse: &'e Arc<Pulse>,
    wanted: Move,
    target: Store,
    progress: Arc<Progress>,
    /// How much could not be brought.
    left: AtomicU64,
}

/// What cannot be brought, and may be let be while the rest is.
struct Left(Failure);

/// How bringing one thing ended.
type Brought = Result<Result<(), Left>>;

impl Mover<'_> {
    async fn bring_all(&self) -> Result<()> {
        let mut after = Some(0);
        while let Some(from) = after {
            self.pulse.check()?;
            let Move { library, store, .. } = &self.wanted;
            let page = self.engine.catalog().list_elsewhere(*library, store, from, PAGE).await?;
            self.progress.pass(page.seen - page.items.len() as u64);
            stream::iter(page.items.into_iter().map(Ok))
                .try_for_each_concurrent(AT_ONCE, |stray| self.bring(stray))
                .await?;
            after = page.next;
        }
        Ok(())
    }

    async fn finish(&self) -> Result<bool> {
        let left = self.left.load(Ordering::Relaxed);
        let failure = (left > 0).then(|| {
            let message = format!(
                "{left} originals or renditions could not be moved; the events asset.not_moved tell which"
            );
            Failure::new("move_incomplete", message)
        });
        let data = json!({ "library_id": self.wanted.library, "store": self.wanted.store, "left": left });
        let finished = FinishedMove {
            strays: self.wanted.strays,
            failure,
            event: self.event(event_kinds::LIBRARY_MOVED, data),
        };
        let ended = self.engine.catalog().finish_move(&self.job.fence(), finished).await?;
        self.engine.bus().wake(Topic::Committed);
        Ok(ended)
    }

    fn event(&self, kind: &'static str, data: serde_json::Value) -> NewEvent {
        NewEvent::in_library(self.wanted.tenant, self.wanted.library, kind, self.engine.now(), data)
    }

    /// Brings what of an asset is elsewhere.
    async fn bring(&self, stray: Stray) -> Result<()> {
        let sizes = stray.original.iter().map(|blob| blob.size);
        let bytes = sizes.chain(stray.renditions.iter().map(|rendition| rendition.size)).sum();
        let share = self.progress.share(bytes);
        if let Some(blob) = &stray.original
            && let Err(Left(why)) = self.bring_original(stray.asset, blob, &share).await?
        {
            self.tell(stray.asset, None, why).await?;
        }
        for rendition in &stray.renditions {
            if let Err(Left(why)) = self.bring_rendition(rendition, &share).await? {
                self.tell(stray.asset, Some(rendition), why).await?;
            }
        }
        Ok(())
    }

    async fn tell(&self, asset: AssetId, rendition: Option<&Rendition>, why: Failure) -> Result<()> {
        let variant = rendition.map(|rendition| rendition.variant.as_str());
        tracing::warn!(%asset, variant, code = why.code, "cannot be moved: {}", why.message);
        if self.left.fetch_add(1, Ordering::Relaxed) >= TOLD {
            return Ok(());
        }
        let data = json!({
            "asset_id": asset, "variant": variant, "store": self.wanted.store, "failure": why,
        });
        self.engine.catalog().emit(&[self.event(event_kinds::ASSET_NOT_MOVED, data)]).await
    }

    async fn bring_original(&self, asset: AssetId, from: &Blob, share: &Share) -> Brought {
        let (catalog, store) = (self.engine.catalog(), &self.wanted.store);
        let moved = |blob, intent| MovedOriginal {
            asset,
            from: from.id,
            blob,
            intent,
            retention: self.engine.options().delete_retention,
            at: self.engine.now(),
        };
        // The same bytes may be there already: others stand on them, or they were left there by a move back.
        let twin = catalog.find_blob(self.wanted.tenant, store, &from.sha256, from.size).await?;
        if let Some(twin) = twin {
            if let Err(why) = self.mend_twin(from, &twin, share).await? {
                return Ok(Err(why));
            }
            match catalog.move_original(&self.job.fence(), moved(twin, None)).await {
                // Purged meanwhile.
                Err(error) if error.code() == "blob_not_found" => {}
                other => return other.map(|_| Ok(())),
            }
        }
        let id = BlobId::new();
        let intent = self.intent(BlobKey::original(self.wanted.tenant, id)).await?;
        let copied = async {
            let copier = self.copier(Some(&intent), &from.store, share)?;
            if let Err(why) = copier.copy(&from.key, &intent.key, from.size, Some(&from.sha256)).await? {
                return Ok(Err(left("original", why)));
            }
            let blob = Blob { id, store: store.clone(), key: intent.key.clone(), ..from.clone() };
            catalog.move_original(&self.job.fence(), moved(blob, Some(intent.id))).await.map(Ok)
        };
        let moved = copied.await;
        match &moved {
            Ok(Ok(Some(blob))) if blob.id == id => return Ok(Ok(())),
            Ok(Ok(Some(stored))) => self.engine.keep_whole(&mut stored.clone(), &intent).await?,
            _ => {}
        }
        // After an error the command may have happened: then there is no such intent, and the bytes stay.
        self.engine.abandon(intent.id).await;
        moved.map(|moved| moved.map(drop))
    }

    /// Reads what is in the other store already as closely as a copy, and puts a copy in its place when it is
    /// not what it should be: the bytes that are good now are soon purged.
    async fn mend_twin(&self, from: &Blob, twin: &Blob, share: &Share) -> Brought {
        if self.copier(None, &twin.store, share)?.is_sound(twin).await? {
            return Ok(Ok(()));
        }
        let intent = self.intent(BlobKey::original(self.wanted.tenant, BlobId::new())).await?;
        let mended = async {
            let copier = self.copier(Some(&intent), &from.store, share)?;
            if let Err(why) = copier.copy(&from.key, &intent.key, from.size, Some(&from.sha256)).await? {
                return Ok(Err(left("original", why)));
            }
            self.engine.replace(&mut twin.clone(), &intent).await.map(Ok)
        };
        let mended = mended.await;
        self.engine.abandon(intent.id).await;
        mended
    }

    async fn bring_rendition(&self, from: &Rendition, share: &Share) -> Brought {
        let (catalog, store, to) = (self.engine.catalog(), &self.wanted.store, RenditionId::new());
        let folder = BlobKey::rendition(self.wanted.tenant, to);
        let intent = self.intent(folder.clone()).await?;
        let copied = async {
            let copier = self.copier(Some(&intent), &from.store, share)?;
            for part in catalog.list_parts(from.id).await? {
                let key = folder.part(part.ordinal, self.job.attempt);
                if let Err(why) = copier.copy(&part.key, &key, part.size, None).await? {
                    return Ok(Err(left("rendition", why)));
                }
            }
            let moved = MovedRendition {
                from: from.id,
                to,
                store: store.clone(),
                intent: intent.id,
                retention: self.engine.options().delete_retention,
            };
            catalog.move_rendition(&self.job.fence(), moved).await.map(Ok)
        };
        let moved = copied.await;
        // As with originals.
        if !matches!(moved, Ok(Ok(true))) {
            self.engine.abandon(intent.id).await;
        }
        moved.map(|moved| moved.map(drop))
    }

    async fn intent(&self, key: BlobKey) -> Result<Intent> {
        let (tenant, store) = (self.wanted.tenant, self.wanted.store.clone());
        let intent = Intent { id: IntentId::new(), tenant, store, key };
        self.engine.catalog().open_intent(&intent, self.engine.options().intent_ttl).await?;
        Ok(intent)
    }

    fn copier(&self, intent: Option<&Intent>, from: &StoreName, share: &Share) -> Result<Copier> {
        Ok(Copier::new(
            self.engine.clone(),
            intent.map(|intent| intent.id),
            Arc::clone(self.pulse),
            self.engine.store(from)?.clone(),
            self.target.clone(),
            share.clone(),
        ))
    }
}
