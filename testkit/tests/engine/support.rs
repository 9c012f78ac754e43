//! A predictable processor, and an engine around it.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use medianest_core::{
    Asset, BlobKey, BlobMeta, BlobStore, ByteSource, ByteStream, Engine, Error, ErrorKind, Facts, Failure,
    Limits, MediaKind, MediaProcessor, MediaType, MemoryBlobs, NewPart, PartSink, Recipe, RenderTask,
    RenditionInfo, Result, Retry, Stream, StreamKind, Upload, Variant,
    catalog::Catalog,
    engine::{EngineBuilder, EngineOptions},
};
use medianest_storage::SqliteCatalog;
use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

/// Media are lines of text: `image`, `video`, `song`, or a word that says what goes wrong.
#[derive(Default)]
pub(crate) struct Scripted {
    /// Names of the variants that were rendered, in order, with the first part that was asked for.
    pub(crate) rendered: Mutex<Vec<(String, u32)>>,
    /// Transient failures to come, each after this many parts.
    pub(crate) break_after: Mutex<Vec<u32>>,
    /// Raised to make renderings wait until they are called off.
    pub(crate) hang: AtomicU32,
    /// What renderers say of themselves.
    pub(crate) revision: AtomicU32,
    /// Outages to come, each met by one attempt at `away`.
    pub(crate) outages: AtomicU32,
    /// Crashes of the decoder to come.
    pub(crate) crashes: AtomicU32,
    /// Renderings under way.
    pub(crate) rendering: AtomicU32,
    /// Called once, when a plan is made.
    pub(crate) on_plan: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scripted").finish_non_exhaustive()
    }
}

/// Counts one down; whether there was one.
fn next_of(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn crash() -> Error {
    Error::media("decoder_crashed", "the decoder was killed")
}

impl MediaProcessor for Scripted {
    fn sniff(&self, head: &[u8]) -> Option<MediaType> {
        let kind = match head {
            head if [&b"image"[..], b"away", b"crash"].iter().any(|word| head.starts_with(word)) => {
                MediaKind::Image
            }
            head if head.starts_with(b"video") => MediaKind::Video,
            head if head.starts_with(b"song") => MediaKind::Audio,
            _ => return None,
        };
        Some(MediaType { kind, content_type: "image/x-test", format: "test" })
    }

    fn understand(&self, source: &dyn ByteSource, _: &Limits) -> Result<Facts> {
        let mut head = [0; 64];
        let count = source
            .read_at(0, &mut head)
            .map_err(|e| Error::unavailable("source_unreadable", "cut").caused_by(e))?;
        let text = std::str::from_utf8(&head[..count]).unwrap_or_default();
        match text.split_whitespace().next().unwrap_or_default() {
            "dangerous" => return Err(Error::media("dangerous_content", "a playlist that poses as media")),
            "panic" => panic!("a decoder with a bug"),
            "away" if next_of(&self.outages) => {
                let away = Error::unavailable("source_unreadable", "the store is away");
                return Err(away.retry(Retry::After(Duration::ZERO)));
            }
            "crash" if next_of(&self.crashes) => return Err(crash()),
            "killed" => return Err(Error::new(ErrorKind::Internal, "decoder_killed", "by somebody else")),
            _ => {}
        }
        let media_type =
            self.sniff(text.as_bytes()).ok_or_else(|| Error::media("unsupported_media_type", "unknown"))?;
        let mut facts = Facts::of_type(&media_type);
        facts.tags.title = text.split_once(' ').map(|(_, title)| title.trim().to_owned());
        if media_type.kind != MediaKind::Audio {
            (facts.width, facts.height) = (Some(1280), Some(720));
        }
        if media_type.kind != MediaKind::Image {
            facts.streams.push(Stream::new(StreamKind::Audio, "aac"));
        }
        Ok(facts)
    }

    fn render(
        &self,
        _: &dyn ByteSource,
        facts: &Facts,
        tasks: &[RenderTask],
        _: &Limits,
        sink: &mut dyn PartSink,
    ) -> Result<()> {
        self.rendering.fetch_add(1, Ordering::SeqCst);
        let hung = (|| {
            while self.hang.load(Ordering::SeqCst) > 0 {
                std::thread::sleep(Duration::from_millis(2));
                sink.progress(0.5)?;
            }
            Ok(())
        })();
        self.rendering.fetch_sub(1, Ordering::SeqCst);
        hung?;
        let mut left = self.break_after.lock().unwrap().pop();
        for (index, task) in tasks.iter().enumerate() {
            if facts.tags.title.as_deref() == Some("crash") && next_of(&self.crashes) {
                return Err(crash());
            }
            self.rendered.lock().unwrap().push((task.name.to_string(), task.first_part));
            if facts.tags.title.as_deref() == Some("unrenderable") {
                sink.finish(index, Err(Failure::new("corrupt", "no picture in it")))?;
                continue;
            }
            let count = if matches!(task.variant, Variant::Video(_) | Variant::Audio(_)) { 4 } else { 1 };
            for ordinal in task.first_part..count {
                if left == Some(0) {
                    let away = Error::unavailable("source_unreadable", "the store went away");
                    return Err(away.retry(Retry::After(Duration::ZERO)));
                }
                left = left.map(|left| left - 1);
                let bytes = Bytes::from(format!("[{} {ordinal}]", task.name));
                sink.part(index, NewPart { ordinal, duration_us: u64::from(ordinal) * 1_000_000, bytes })?;
            }
            let mut info = RenditionInfo::default();
            info.content_type = String::from(if count == 1 { "image/webp" } else { "video/mp4" });
            info.peak_bit_rate = Some(1000);
            sink.finish(index, Ok(info))?;
        }
        Ok(())
    }

    fn renderer(&self, _: &Variant) -> String {
        if let Some(on_plan) = self.on_plan.lock().unwrap().take() {
            on_plan();
        }
        format!("scripted/{}", self.revision.load(Ordering::SeqCst))
    }
}

/// A store in memory with faults.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faulty {
    pub(crate) store: MemoryBlobs,
    pub(crate) faults: Arc<Faults>,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// What is stored cannot be looked at.
    pub(crate) blind: AtomicBool,
    /// What cannot be deleted: all that begins so.
    pub(crate) stuck: Mutex<Option<String>>,
    /// A catalog that goes away when the first part was stored.
    pub(crate) close_after_part: Mutex<Option<Arc<dyn Catalog>>>,
}

#[async_trait]
impl BlobStore for Faulty {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64> {
        let size = self.store.put(key, body).await?;
        let closed = self.faults.close_after_part.lock().unwrap().take_if(|_| key.as_str().starts_with("r/"));
        if let Some(catalog) = closed {
            catalog.close().await;
        }
        Ok(size)
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.store.get(key, range).await
    }

    async fn head(&self, key: &BlobKey) -> Result<Option<BlobMeta>> {
        if self.faults.blind.load(Ordering::SeqCst) {
            return Err(Error::unavailable("store_away", "the store is away"));
        }
        self.store.head(key).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        if self.faults.stuck.lock().unwrap().as_ref().is_some_and(|stuck| key.as_str().starts_with(stuck)) {
            return Err(Error::internal("the bytes are held"));
        }
        self.store.delete(key).await
    }

    fn list(&self, prefix: Option<&BlobKey>) -> BoxStream<'static, Result<BlobMeta>> {
        self.store.list(prefix)
    }
}

/// An engine with everything in memory.
pub(crate) struct Nest {
    pub(crate) engine: Engine,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) blobs: Faulty,
    pub(crate) processor: Arc<Scripted>,
}

/// Nothing is kept for longer than it must.
pub(crate) fn eager() -> EngineOptions {
    let mut options = EngineOptions::default();
    options.trash_retention = Duration::ZERO;
    options.delete_retention = Duration::ZERO;
    options.retry_delay = Duration::ZERO;
    options.poll = Duration::from_millis(20);
    options
}

pub(crate) async fn nest() -> Nest {
    nest_with(|builder| builder.options(eager())).await
}

pub(crate) async fn nest_with(configure: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Nest {
    let catalog: Arc<dyn Catalog> = Arc::new(SqliteCatalog::in_memory().await.unwrap());
    catalog.migrate().await.unwrap();
    let (blobs, processor) = (Faulty::default(), Arc::new(Scripted::default()));
    let shared: Arc<dyn MediaProcessor> = processor.clone();
    let builder = Engine::builder().catalog(catalog.clone()).blobs(blobs.clone()).processor(shared);
    let engine = configure(builder).build().unwrap();
    Nest { engine, catalog, blobs, processor }
}

impl Nest {
    /// Puts a text in and does all the work.
    pub(crate) async fn put(&self, text: &str) -> Asset {
        let asset =
            self.engine.as_system().ingest(Upload::from_bytes("name.jpg", text.to_owned())).await.unwrap();
        self.work().await;
        self.engine.as_system().require(asset.id).await.unwrap()
    }

    pub(crate) async fn work(&self) -> u64 {
        self.engine.worker().run_until_idle().await.unwrap()
    }

    /// Every key in the store.
    pub(crate) async fn keys(&self) -> Vec<String> {
        use futures::TryStreamExt;
        let stored: Vec<_> = self.blobs.list(None).try_collect().await.unwrap();
        stored.into_iter().map(|blob| blob.key.to_string()).collect()
    }

    pub(crate) fn rendered(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.processor.rendered.lock().unwrap().drain(..).map(|(name, _)| name).collect();
        names.sort();
        names
    }
}

/// Two pictures, of which one is required.
pub(crate) fn two_pictures() -> Recipe {
    use medianest_core::Resize;
    Recipe::empty()
        .image("big", Resize::fit(800, 800).webp(80))
        .and_then(|recipe| recipe.image("small", Resize::fit(100, 100).webp(80).required()))
        .unwrap()
}
