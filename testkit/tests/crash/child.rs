//! The process that is killed.

use crate::steps::{Blobs, Bus, Processor, Steps};
use bytes::Bytes;
use futures::{StreamExt, stream};
use medianest_core::{
    Asset, AssetId, BlobStore, Engine, MemoryBus, PageRequest, Recipe, Resize, Upload, VideoVariant,
    catalog::{AssetQuery, Catalog},
    engine::EngineOptions,
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
    pub(crate) ingest: bool,
}

impl Plan {
    pub(crate) fn to_text(&self) -> String {
        let kill_at = self.kill_at.map(|step| step.to_string()).unwrap_or_default();
        let url = self.url.clone().unwrap_or_default();
        format!("{kill_at}\n{}\n{url}\n{}", self.ingest, self.folder.display())
    }

    fn parse(text: &str) -> Self {
        let mut lines = text.split('\n');
        let mut next = || lines.next().expect("four lines");
        Self {
            kill_at: next().parse().ok(),
            ingest: next() == "true",
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

#[tokio::main(flavor = "current_thread")]
async fn work(plan: Plan) {
    let steps = Steps::new(plan.kill_at);
    let engine = Engine::builder()
        .catalog(catalog(&plan.folder, plan.url.as_deref()).await)
        .blobs(Blobs(ObjectBlobs::local(plan.folder.join("blobs")).unwrap(), Arc::clone(&steps)))
        .processor(Processor(Arc::clone(&steps)))
        .bus(Bus(MemoryBus::new(), steps))
        .recipe(recipe())
        .options(options())
        .build()
        .unwrap();
    if plan.ingest {
        // Twice the same, once another: deduplication has steps of its own. The last one is deleted.
        for text in ["twin", "twin", "single", "deleted"] {
            ingest(&engine, text).await;
        }
        lose(&engine, &plan.folder).await;
    }
    engine.worker().run_until_idle().await.unwrap();
    if plan.ingest {
        let media = engine.as_system();
        let assets = media.list(&AssetQuery::default(), &PageRequest::first()).await.unwrap().items;
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

/// Puts something in whose bytes then are lost, once, behind the engine's back; and then again.
async fn lose(engine: &Engine, folder: &Path) {
    let assets = engine.as_system().list(&AssetQuery::default(), &PageRequest::first()).await.unwrap().items;
    if !assets.iter().any(|asset| asset.name == LOST) {
        let lost = ingest(engine, LOST).await;
        ObjectBlobs::local(folder.join("blobs")).unwrap().delete(&lost.blob.key).await.unwrap();
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
