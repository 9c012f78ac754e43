use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    SinkExt, StreamExt, TryStreamExt,
    channel::{mpsc, oneshot},
    future::join3,
    stream::{self, BoxStream},
};
use medianest_core::{BlobKey, BlobMeta, BlobStore, ByteStream, Capabilities, Error, ErrorKind, Result};
use std::{
    collections::HashSet,
    fmt,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;

/// Blobs that are put back into the first store at the same time.
const HEALING: usize = 4;
/// Requests to the first store at the same time while its list is completed.
const LOOKING: usize = 16;

/// Keeps everything twice: in a first store, and in a copy.
///
/// What is put is in both or in none; what is read comes from the first, and from the copy where the
/// first is away, has lost it or breaks off. What the first has lost is put back from the copy when it is
/// read, and by [`heal`](Self::heal).
///
/// A mirror gives out no URLs: those of a store that has lost something would lead nowhere.
///
/// ```
/// use medianest_core::{BlobKey, BlobStore, BlobStoreExt, MemoryBlobs};
/// use medianest_storage::Mirror;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let (first, copy) = (MemoryBlobs::new(), MemoryBlobs::new());
/// let mirror = Mirror::new(first.clone(), copy);
/// let key = BlobKey::new("precious")?;
/// mirror.put_bytes(&key, "bytes".into()).await?;
/// first.delete(&key).await?; // an accident
/// assert_eq!(mirror.heal().await?, 1);
/// assert_eq!(first.get_bytes(&key, None).await?, "bytes");
/// first.delete(&key).await?; // and another
/// assert_eq!(mirror.get_bytes(&key, None).await?, "bytes");
/// # Ok::<(), medianest_core::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Mirror(Arc<Inner>);

struct Inner {
    first: Arc<dyn BlobStore>,
    copy: Arc<dyn BlobStore>,
    healing: Mutex<HashSet<BlobKey>>,
    room: Semaphore,
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror").field("first", &self.0.first).field("copy", &self.0.copy).finish()
    }
}

impl Mirror {
    /// A mirror of these two.
    pub fn new(first: impl BlobStore, copy: impl BlobStore) -> Self {
        Self::of(Arc::new(first), Arc::new(copy))
    }

    /// As [`new`](Self::new), of stores that are shared already.
    pub fn of(first: Arc<dyn BlobStore>, copy: Arc<dyn BlobStore>) -> Self {
        Self(Arc::new(Inner { first, copy, healing: Mutex::default(), room: Semaphore::new(HEALING) }))
    }

    /// Puts back into the first store all that it has lost, or has in another size, and returns how many
    /// blobs that were. Can be interrupted and run again.
    ///
    /// # Errors
    /// `Unavailable` when either store is.
    pub async fn heal(&self) -> Result<u64> {
        let mut healed = 0;
        let mut kept = self.0.copy.list(None);
        while let Some(blob) = kept.try_next().await? {
            let there = self.0.first.head(&blob.key).await?;
            if there.is_none_or(|there| there.size != blob.size) && self.0.put_back(&blob.key).await? {
                healed += 1;
            }
        }
        Ok(healed)
    }

    /// Puts a blob back that the first store has lost, beside what is going on; once at a time.
    fn heal_later(&self, key: &BlobKey) {
        let inner = Arc::clone(&self.0);
        if !lock(&inner.healing).insert(key.clone()) {
            return;
        }
        let key = key.clone();
        tokio::spawn(async move {
            let _room = inner.room.acquire().await;
            match inner.put_back(&key).await {
                Ok(true) => tracing::warn!(%key, "put a blob back that the first store had lost"),
                Ok(false) => {}
                Err(error) => tracing::warn!(%key, error = %error.report(), "cannot put a lost blob back"),
            }
            lock(&inner.healing).remove(&key);
        });
    }
}

fn lock(keys: &Mutex<HashSet<BlobKey>>) -> std::sync::MutexGuard<'_, HashSet<BlobKey>> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    /// Copies a blob into the first store; false when the copy has it no more.
    async fn put_back(&self, key: &BlobKey) -> Result<bool> {
        let bytes = match self.copy.get(key, None).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        self.first.put(key, bytes).await?;
        if self.copy.head(key).await?.is_none() {
            // Deleted meanwhile: it must not come back.
            self.first.delete(key).await?;
            return Ok(false);
        }
        Ok(true)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl BlobStore for Mirror {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64> {
        let (mut to_first, first_body) = mpsc::channel(1);
        let (mut to_copy, copy_body) = mpsc::channel(1);
        let (copied, is_copied) = oneshot::channel();
        let copying = async {
            let written = self.0.copy.put(key, copy_body.boxed()).await;
            let _ = copied.send(written.is_ok());
            written
        };
        let handing_out = async move {
            let ended = hand_out(body, &mut to_first, &mut to_copy).await;
            drop(to_copy);
            // The first store sees the end once the copy is safe: so that nothing is ever there alone.
            if ended.is_err() || !is_copied.await.unwrap_or(false) {
                let _ = to_first.send(Err(given_up())).await;
            }
            ended
        };
        let first = self.0.first.put(key, first_body.boxed());
        let (ended, copied, first) = join3(handing_out, copying, first).await;
        ended?;
        match (copied, first) {
            (Ok(copied), Ok(written)) if copied == written => Ok(written),
            (Ok(_), Ok(_)) => {
                Err(Error::internal("the two stores wrote different numbers of bytes").with("key", key))
            }
            (Ok(_), Err(error)) => {
                if let Err(error) = self.0.copy.delete(key).await {
                    tracing::warn!(%key, error = %error.report(), "a copy is left of what could not be put");
                }
                Err(error)
            }
            // Who was told to give up knows nothing.
            (Err(told), Err(error)) if told.kind() == ErrorKind::Cancelled => Err(error),
            (Err(error), _) => Err(error),
        }
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<ByteStream> {
        let error = match self.0.first.get(key, range.clone()).await {
            Ok(bytes) => return Ok(or_from_copy(Arc::clone(&self.0.copy), key.clone(), range, bytes)),
            Err(error) => error,
        };
        match self.0.copy.get(key, range).await {
            Ok(bytes) => {
                if error.kind() == ErrorKind::NotFound {
                    self.heal_later(key);
                }
                Ok(bytes)
            }
            // Only when both have nothing, there is nothing.
            Err(also) if also.kind() == ErrorKind::NotFound => Err(error),
            Err(also) if error.kind() == ErrorKind::NotFound => Err(also),
            Err(_) => Err(error),
        }
    }

    async fn head(&self, key: &BlobKey) -> Result<Option<BlobMeta>> {
        match self.0.first.head(key).await {
            Ok(Some(blob)) => Ok(Some(blob)),
            Ok(None) => self.0.copy.head(key).await,
            Err(error) => match self.0.copy.head(key).await {
                Ok(Some(blob)) => Ok(Some(blob)),
                _ => Err(error),
            },
        }
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        // The copy goes first: what is left in the first alone is not put back by anybody.
        self.0.copy.delete(key).await?;
        self.0.first.delete(key).await
    }

    fn list(&self, prefix: Option<&BlobKey>) -> BoxStream<'static, Result<BlobMeta>> {
        let first = Arc::clone(&self.0.first);
        let lost = self.0.copy.list(prefix).map(move |blob| {
            let first = Arc::clone(&first);
            async move {
                let blob = blob?;
                Ok(first.head(&blob.key).await?.is_none().then_some(blob))
            }
        });
        let lost = lost.buffered(LOOKING).filter_map(|blob| async { blob.transpose() });
        self.0.first.list(prefix).chain(lost).boxed()
    }

    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities::default()
    }

    async fn sweep(&self, silent_for: Duration) -> Result<u64> {
        Ok(self.0.first.sweep(silent_for).await? + self.0.copy.sweep(silent_for).await?)
    }
}

type Sender = mpsc::Sender<Result<Bytes>>;

/// Hands a body out to both stores, as fast as the slower of them.
async fn hand_out(mut body: ByteStream, to_first: &mut Sender, to_copy: &mut Sender) -> Result<()> {
    while let Some(chunk) = body.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => {
                let _ = to_copy.send(Err(given_up())).await;
                return Err(error);
            }
        };
        let taken = to_copy.send(Ok(chunk.clone())).await.is_ok() && to_first.send(Ok(chunk)).await.is_ok();
        if !taken {
            // One of them has failed, and says itself why.
            let _ = to_copy.send(Err(given_up())).await;
            return Ok(());
        }
    }
    Ok(())
}

fn given_up() -> Error {
    Error::new(ErrorKind::Cancelled, "cancelled", "the other store could not take it")
}

/// Bytes of the first store; where they break off, those of the copy.
fn or_from_copy(
    copy: Arc<dyn BlobStore>,
    key: BlobKey,
    range: Option<Range<u64>>,
    bytes: ByteStream,
) -> ByteStream {
    let at = range.as_ref().map_or(0, |range| range.start);
    let end = range.map_or(u64::MAX, |range| range.end);
    stream::try_unfold(
        (copy, key, bytes, at, false),
        move |(copy, key, mut bytes, at, switched)| async move {
            match bytes.next().await {
                Some(Err(error)) if !switched => {
                    let Ok(mut bytes) = copy.get(&key, Some(at..end)).await else { return Err(error) };
                    let next = bytes.try_next().await?.map(|chunk| (chunk.len() as u64, chunk));
                    Ok(next.map(|(length, chunk)| (chunk, (copy, key, bytes, at + length, true))))
                }
                chunk => {
                    let chunk = chunk.transpose()?;
                    Ok(chunk.map(|chunk| {
                        let at = at + chunk.len() as u64;
                        (chunk, (copy, key, bytes, at, switched))
                    }))
                }
            }
        },
    )
    .boxed()
}
