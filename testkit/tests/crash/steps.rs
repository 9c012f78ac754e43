//! The wrappers whose every call is a step at which the process may be killed.

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use medianest_core::{
    BlobKey, BlobMeta, BlobStore, ByteSource, ByteStream, EventBus, Facts, Failure, Limits, MediaKind,
    MediaProcessor, MediaType, MemoryBus, NewPart, PartSink, RenderTask, RenditionInfo, Result, Stream,
    StreamKind, Topic, Variant,
};
use medianest_storage::ObjectBlobs;
use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Counts steps, and kills the process at one of them.
#[derive(Debug)]
pub(crate) struct Steps {
    taken: AtomicUsize,
    kill_at: Option<usize>,
}

impl Steps {
    pub(crate) fn new(kill_at: Option<usize>) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), kill_at })
    }

    fn step(&self) {
        if Some(self.taken.fetch_add(1, Ordering::SeqCst) + 1) == self.kill_at {
            let pid = std::process::id().to_string();
            // No destructor, no flush, no handler: as the kernel would.
            let _ = std::process::Command::new("kill").args(["-9", &pid]).status();
            loop {
                std::thread::park();
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Blobs(pub(crate) ObjectBlobs, pub(crate) Arc<Steps>);

#[async_trait]
impl BlobStore for Blobs {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64> {
        self.1.step();
        let steps = Arc::clone(&self.1);
        let body = body.inspect(move |_| steps.step()).boxed();
        let put = self.0.put(key, body).await;
        self.1.step();
        put
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.1.step();
        self.0.get(key, range).await
    }

    async fn head(&self, key: &BlobKey) -> Result<Option<BlobMeta>> {
        self.1.step();
        self.0.head(key).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.1.step();
        self.0.delete(key).await?;
        self.1.step();
        Ok(())
    }

    fn list(&self, prefix: Option<&BlobKey>) -> BoxStream<'static, Result<BlobMeta>> {
        self.1.step();
        self.0.list(prefix)
    }
}

#[derive(Debug)]
pub(crate) struct Bus(pub(crate) MemoryBus, pub(crate) Arc<Steps>);

impl EventBus for Bus {
    fn wake(&self, topic: Topic) {
        self.1.step();
        self.0.wake(topic);
    }

    fn subscribe(&self, topic: Topic) -> BoxStream<'static, ()> {
        self.0.subscribe(topic)
    }
}

/// Takes everything for a video of four parts.
#[derive(Debug)]
pub(crate) struct Processor(pub(crate) Arc<Steps>);

impl MediaProcessor for Processor {
    fn sniff(&self, _: &[u8]) -> Option<MediaType> {
        Some(MediaType { kind: MediaKind::Video, content_type: "video/mp4", format: "mp4" })
    }

    fn understand(&self, source: &dyn ByteSource, _: &Limits) -> Result<Facts> {
        self.0.step();
        let mut head = [0; 8];
        source.read_at(0, &mut head).map_err(|error| {
            medianest_core::Error::unavailable("source_unreadable", "cut").caused_by(error)
        })?;
        let mut facts = Facts::new(MediaKind::Video, "video/mp4", "mp4");
        (facts.width, facts.height) = (Some(640), Some(480));
        facts.streams.push(Stream::new(StreamKind::Audio, "aac"));
        self.0.step();
        Ok(facts)
    }

    fn render(
        &self,
        _: &dyn ByteSource,
        _: &Facts,
        tasks: &[RenderTask],
        _: &Limits,
        sink: &mut dyn PartSink,
    ) -> Result<()> {
        for (index, task) in tasks.iter().enumerate() {
            self.0.step();
            for ordinal in task.first_part..4 {
                let bytes = format!("[{} {ordinal}]", task.name).into();
                sink.part(index, NewPart { ordinal, duration_us: 1, bytes })?;
                self.0.step();
            }
            let outcome: Result<RenditionInfo, Failure> = Ok(RenditionInfo::default());
            sink.finish(index, outcome)?;
            self.0.step();
        }
        Ok(())
    }

    fn renderer(&self, _: &Variant) -> String {
        String::from("crash/1")
    }
}
