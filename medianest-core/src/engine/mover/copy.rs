use super::{Left, Share};
use crate::{
    Blob, BlobKey, ByteStream, Error, ErrorKind, Failure, IntentId, Result, Sha256,
    engine::{Engine, Store, sink::Pulse},
};
use futures::{StreamExt, TryStreamExt, future, stream};
use sha2::Digest;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// Why bytes could not be copied, though both stores answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// They are not there.
    Lost,
    /// They cannot be read to their end.
    Unreadable,
    /// They are others than the row says.
    Damaged,
    /// They were not what the other store gave back.
    Copy,
}

/// What is not brought, and why.
pub(super) fn left(what: &str, why: Bad) -> Left {
    let (word, message) = match why {
        Bad::Lost => ("lost", "the stored bytes are not there"),
        Bad::Unreadable => ("unreadable", "the stored bytes cannot be read"),
        Bad::Damaged => ("damaged", "the stored bytes are not those that were put in"),
        Bad::Copy => ("copy_damaged", "the other store gave back other bytes than it was given"),
    };
    Left(Failure::new(format!("{what}_{word}"), message))
}

/// Copies bytes from one store to another under an intent, which it keeps alive; only reads without one.
#[derive(Clone)]
pub(super) struct Copier(Arc<Inner>);

struct Inner {
    engine: Engine,
    intent: Option<IntentId>,
    pulse: Arc<Pulse>,
    from: Store,
    to: Store,
    share: Share,
    extended: Mutex<Instant>,
}

/// What is learned of bytes while they flow by.
#[derive(Default)]
struct Seen {
    hasher: sha2::Sha256,
    size: u64,
    /// They could not be read to their end.
    broke: bool,
}

impl Seen {
    fn digest(&mut self) -> Sha256 {
        Sha256(std::mem::take(&mut self.hasher).finalize().into())
    }
}

type Watched = Arc<Mutex<Seen>>;

fn lock(seen: &Watched) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Copier {
    pub(super) fn new(
        engine: Engine,
        intent: Option<IntentId>,
        pulse: Arc<Pulse>,
        from: Store,
        to: Store,
        share: Share,
    ) -> Self {
        let extended = Mutex::new(Instant::now());
        Self(Arc::new(Inner { engine, intent, pulse, from, to, share, extended }))
    }

    /// Copies bytes, of which the size and maybe the digest is known, and reads the copy back.
    ///
    /// # Errors
    /// `cancelled`; `intent_expired`; `StorageFull`; `Unavailable` when a store is away.
    pub(super) async fn copy(
        &self,
        source: &BlobKey,
        target: &BlobKey,
        size: u64,
        sha256: Option<&Sha256>,
    ) -> Result<Result<(), Bad>> {
        let (from, to) = (self.0.from.blobs(), self.0.to.blobs());
        let (seen, read_back) = (Watched::default(), Watched::default());
        let written = async {
            let bytes = from.get(source, None).await.inspect_err(|_| lock(&seen).broke = true)?;
            to.put(target, self.watch(bytes, &seen)).await
        };
        let written = match written.await {
            Err(error) if lock(&seen).broke && error.kind() != ErrorKind::Cancelled => {
                return self.explain(source, error).await.map(Err);
            }
            written => written?,
        };
        let (came, digest) = {
            let mut seen = lock(&seen);
            (seen.size, seen.digest())
        };
        if came != size || sha256.is_some_and(|sha256| *sha256 != digest) {
            return Ok(Err(Bad::Damaged));
        }
        let mut back = self.watch(to.get(target, None).await?, &read_back);
        while let Some(chunk) = back.next().await {
            chunk?;
        }
        let mut back = lock(&read_back);
        let same = (written, back.size, back.digest()) == (came, came, digest);
        Ok(if same { Ok(()) } else { Err(Bad::Copy) })
    }

    /// Whether the bytes of a blob in the one store are there, and what the row says.
    ///
    /// # Errors
    /// `cancelled`; `Unavailable` when the store is away.
    pub(super) async fn is_sound(&self, blob: &Blob) -> Result<bool> {
        let seen = Watched::default();
        let read = async {
            let bytes = self.0.from.blobs().get(&blob.key, None).await;
            let bytes = bytes.inspect_err(|_| lock(&seen).broke = true)?;
            self.watch(bytes, &seen).try_for_each(|_| future::ready(Ok(()))).await
        };
        match read.await {
            Err(error) if lock(&seen).broke && error.kind() != ErrorKind::Cancelled => {
                self.explain(&blob.key, error).await.map(|_| false)
            }
            Err(error) => Err(error),
            Ok(()) => {
                let mut seen = lock(&seen);
                Ok((seen.size, seen.digest()) == (blob.size, blob.sha256))
            }
        }
    }

    /// Bytes that cannot be read, while their store answers, are let be; one that is away is waited for.
    async fn explain(&self, source: &BlobKey, error: Error) -> Result<Bad> {
        if error.kind() == ErrorKind::NotFound {
            return Ok(Bad::Lost);
        }
        tracing::debug!(key = %source, error = %error.report(), "cannot read what is to be moved");
        match self.0.from.blobs().head(source).await {
            Ok(None) => Ok(Bad::Lost),
            Ok(Some(_)) => Ok(Bad::Unreadable),
            Err(_) => Err(error),
        }
    }

    /// Hashes and counts bytes on their way, and stops with the job.
    fn watch(&self, bytes: ByteStream, seen: &Watched) -> ByteStream {
        let (copier, seen) = (self.clone(), Arc::clone(seen));
        stream::try_unfold(bytes, move |mut bytes| {
            let (copier, seen) = (copier.clone(), Arc::clone(&seen));
            async move {
                copier.stay().await?;
                let next = bytes.next().await.transpose().inspect_err(|_| lock(&seen).broke = true)?;
                let Some(chunk) = next else { return Ok(None) };
                copier.0.share.came(chunk.len() as u64);
                let mut seen = lock(&seen);
                seen.size += chunk.len() as u64;
                seen.hasher.update(&chunk);
                drop(seen);
                Ok(Some((chunk, bytes)))
            }
        })
        .boxed()
    }

    /// Keeps the intent alive.
    async fn stay(&self) -> Result<()> {
        self.0.pulse.check()?;
        let Some(intent) = self.0.intent else { return Ok(()) };
        let ttl = self.0.engine.options().intent_ttl;
        let is_due = {
            let mut extended = self.0.extended.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = extended.elapsed() >= ttl / 3;
            if is_due {
                *extended = Instant::now();
            }
            is_due
        };
        match is_due {
            true => self.0.engine.catalog().extend_intent(intent, ttl).await,
            false => Ok(()),
        }
    }
}
