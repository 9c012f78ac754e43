//! The process that is killed.

use crate::steps::{Blobs, Bus, Processor, Steps};
use bytes::Bytes;
use futures::{StreamExt, stream};
use medianest_core::{
    Asset, AssetId, BlobStore, Engine, MemoryBus, PageRequest, Recipe, Resize, StoreName, Upload,
    VideoVariant,
    catalog::{AssetQuery, Catalog},
    engine::{Delivery, EngineOptions},
};
use medianest_storage::{ObjectBlobs, PostgresCatalog, SqliteCatalog};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The environment variable that makes the test a child.
pub(crate) const PLAN: &str = "MEDIANEST_CRASH_TEST_PLAN";

/// What it is called whose bytes are lost.
pub(crate) const LOST: &str = "lost";

pub(crate) struct Plan {
    pub(crate) folder: PathBuf,
    pub(crate) url: Option<String>,
    pub(crate) kill_at: Option<usize>,
    pub(crate) work: Work,
}

/// What the child does before it does all jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Puts media in, deletes, and changes the recipe.
    Ingest,
    /// Moves the library to the store it is not in.
    Move,
    /// Nothing.
    Rest,
}

impl Work {
    fn parse(text: &str) -> Self {
        *[Self::Ingest, Self::Move, Self::Rest]
            .iter()
            .find(|work| format!("{work:?}") == text)
            .expect("a work")
    }
}

impl Plan {
    pub(crate) fn to_text(&self) -> String {
        let kill_at = self.kill_at.map(|step| step.to_string()).unwrap_or_default();
        let url = self.url.clone().unwrap_or_default();
        format!("{kill_at}\n{:?}\n{url}\n{}", self.work, self.folder.display())
    }

    fn parse(text: &str) -> Self {
        let mut lines = text.split('\n');
        let mut next = || lines.next().expect("four lines");
        Self {
            kill_at: next().parse().ok(),
            work: Work::parse(next()),
            url: Some(next()).filter(|url| !url.is_empty()).map(str::to_owned),
            folder: next().into(),
        }
    }
}

pub(crate) async fn catalog(folder: &Path, url: Option<&str>) -> Arc<dyn Catalog> {
    let catalog: Arc<dyn Catalog> = match url {
        Some(url) => Arc::new(PostgresCatalog::connect(url).await.unwrap()),
        None => Arc::new(SqliteCatalog::open(folder.join("catalog.db")).await.unwrap()),
    };
    catalog.migrate().await.unwrap();
    catalog
}

pub(crate) fn recipe() -> Recipe {
    Recipe::empty()
        .image("small", Resize::fit(100, 100).webp(80).required())
        .and_then(|recipe| recipe.video("480p", VideoVariant::h264(480)))
        .unwrap()
}

pub(crate) fn options() -> EngineOptions {
    let mut options = EngineOptions::default();
    // What the dead left is taken over at once.
    options.intent_ttl = Duration::from_millis(1);
    options.lease = Duration::from_millis(1);
    options.retry_delay = Duration::ZERO;
    options.trash_retention = Duration::ZERO;
    options.delete_retention = Duration::ZERO;
    // Each kill counts against the job that ran: here the test is the poison, not the job.
    options.max_crashes = 1_000;
    options
}

pub(crate) fn archive() -> StoreName {
    StoreName::new("archive").unwrap()
}

/// The files of a store.
pub(crate) fn blobs(folder: &Path, store: &StoreName) -> ObjectBlobs {
    ObjectBlobs::local(folder.join(if *store == archive() { "archive" } else { "blobs" })).unwrap()
}

async fn engine(plan: &Plan, kill_at: Option<usize>) -> Engine {
    let steps = Steps::new(kill_at);
    let store = |name| Blobs(blobs(&plan.folder, &name), Arc::clone(&steps));
    Engine::builder()
        .catalog(catalog(&plan.folder, plan.url.as_deref()).await)
        .blobs(store(StoreName::DEFAULT))
        .store(archive(), store(archive()), Delivery::Proxy)
        .processor(Processor(Arc::clone(&steps)))
        .bus(Bus(MemoryBus::new(), Arc::clone(&steps)))
        .recipe(recipe())
        .options(options())
        .build()
        .unwrap()
}

async fn assets(engine: &Engine) -> Vec<Asset> {
    engine.as_system().list(&AssetQuery::default(), &PageRequest::first()).await.unwrap().items
}

#[tokio::main(flavor = "current_thread")]
async fn work(plan: Plan) {
    if plan.work == Work::Move {
        return relocate(&plan).await;
    }
    let engine = engine(&plan, plan.kill_at).await;
    let ingests = plan.work == Work::Ingest;
    if ingests {
        // Twice the same, once another: deduplication has steps of its own. The last one is deleted.
        for text in ["twin", "twin", "single", "deleted"] {
            ingest(&engine, text).await;
        }
        lose(&engine, &plan.folder).await;
    }
    engine.worker().run_until_idle().await.unwrap();
    if ingests {
        let media = engine.as_system();
        let assets = assets(&engine).await;
        let library = assets[0].library_id;
        if let Some(deleted) = assets.iter().find(|asset| asset.name == "deleted") {
            media.trash(deleted.id).await.unwrap();
        }
        let changed = recipe().image("small", Resize::fit(120, 120).webp(80).required()).unwrap();
        media.set_recipe(library, &changed).await.unwrap();
        media.apply_recipe(library).await.unwrap();
    }
    engine.worker().run_until_idle().await.unwrap();
    engine.housekeeping().once().await.unwrap();
    println!("DONE");
}

/// Puts media in, once and without being killed; and moves it.
async fn relocate(plan: &Plan) {
    let calm = engine(plan, None).await;
    if assets(&calm).await.is_empty() {
        for text in ["twin", "twin", "single"] {
            ingest(&calm, text).await;
        }
        calm.worker().run_until_idle().await.unwrap();
    }
    let library = assets(&calm).await[0].library_id;
    calm.catalog().close().await;

    let engine = engine(plan, plan.kill_at).await;
    let media = engine.as_system();
    let named = media.library_store(library).await.unwrap().store;
    let other = if named == archive() { StoreName::DEFAULT } else { archive() };
    media.move_library(library, &other).await.unwrap();
    engine.worker().run_until_idle().await.unwrap();
    engine.housekeeping().once().await.unwrap();
    println!("DONE");
}

/// Puts something in whose bytes then are lost, once, behind the engine's back; and then again.
async fn lose(engine: &Engine, folder: &Path) {
    if !assets(engine).await.iter().any(|asset| asset.name == LOST) {
        let lost = ingest(engine, LOST).await;
        blobs(folder, &lost.blob.store).delete(&lost.blob.key).await.unwrap();
    }
    let again = ingest(engine, LOST).await;
    println!("ACK {} {}", again.id, again.blob.sha256);
}

async fn ingest(engine: &Engine, text: &'static str) -> Asset {
    let chunks = (0..3_u8).map(move |chunk| Ok(Bytes::from(format!("{text} {chunk} "))));
    let upload = Upload::from_stream(text, stream::iter(chunks).boxed()).with_id(AssetId::new());
    let asset = engine.as_system().ingest(upload).await.unwrap();
    // Standard output is a pipe without a buffer in between: what is printed has been acknowledged.
    if text != "deleted" && text != LOST {
        println!("ACK {} {}", asset.id, asset.blob.sha256);
    }
    asset
}

pub(crate) fn run(plan: &str) {
    work(Plan::parse(plan));
}
