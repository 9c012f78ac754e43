//! What the kinds of jobs do.

use super::{
    Engine,
    sink::{JobSink, Pulse},
    source::BlobSource,
};
use crate::{
    Asset, AssetState, Blob, Error, ErrorKind, Facts, Failure, Fence, Job, JobKind, NewEvent, RenderTask,
    Result, Topic,
    catalog::{Declared, Understood},
    event_kinds,
};
use std::{collections::HashSet, sync::Arc};
use tokio::{runtime::Handle, sync::oneshot};

impl Engine {
    pub(super) async fn execute(&self, job: &Job, pulse: &Arc<Pulse>) -> Result<()> {
        if job.kind == JobKind::Move {
            return self.bring_library(job, pulse).await;
        }
        let Some(asset) = self.asset_of(job).await? else {
            // Deleted meanwhile, or a job that only exercises the queue.
            return self.complete(job.fence()).await;
        };
        match job.kind {
            JobKind::Understand => self.understand(job, &asset).await,
            JobKind::Render | JobKind::Transcode => self.render(job, asset, pulse).await,
            // It works on no asset.
            JobKind::Move => self.catalog().complete(&job.fence()).await,
        }
    }

    async fn understand(&self, job: &Job, asset: &Asset) -> Result<()> {
        let (engine, source) = (self.clone(), Arc::new(self.source(asset)?));
        let bytes = Arc::clone(&source);
        let read =
            blocking("understand", move || engine.processor().understand(&*bytes, &engine.options().limits))
                .await?;
        match read {
            Ok(facts) => self.record_understood(job, asset, facts).await?,
            Err(error) if is_final(&error) => {
                let understood = self.not_understood(asset, &error);
                self.catalog().record_facts(&job.fence(), understood).await?;
            }
            Err(error) => return Err(source.explain(error)),
        }
        self.bus().wake(Topic::Jobs);
        self.bus().wake(Topic::Committed);
        Ok(())
    }

    async fn record_understood(&self, job: &Job, asset: &Asset, facts: Facts) -> Result<()> {
        loop {
            let recipe = self.catalog().get_recipe(asset.tenant, asset.library_id).await?;
            // Gone with all that was in it.
            let (recipe, version) = recipe.ok_or_else(Error::fenced)?;
            let (declared, _) = self.plan(asset.tenant, asset.id, &facts, &recipe, &[]);
            let understood = self.understood(asset, facts.clone(), declared, version);
            match self.catalog().record_facts(&job.fence(), understood).await {
                // The recipe was replaced meanwhile, and its `apply_recipe` may have passed this asset over.
                Err(error) if error.code() == "version_mismatch" => {}
                recorded => return recorded.map(drop),
            }
        }
    }

    fn understood(&self, asset: &Asset, facts: Facts, declared: Declared, version: i64) -> Understood {
        let data = serde_json::json!({
            "asset_id": asset.id, "kind": facts.kind, "width": facts.width, "height": facts.height,
            "duration_ms": facts.duration_ms,
        });
        let event = NewEvent::in_library(
            asset.tenant,
            asset.library_id,
            event_kinds::ASSET_UNDERSTOOD,
            self.now(),
            data,
        );
        Understood {
            content_type: facts.content_type.clone(),
            taken_at: facts.captured.map(|captured| captured.at),
            search_text: search_text(&facts),
            facts: Some(facts),
            declared,
            recipe_version: Some(version),
            outcome: None,
            events: vec![event],
            settled_events: self.settled_events(asset),
        }
    }

    fn not_understood(&self, asset: &Asset, error: &Error) -> Understood {
        let (state, kind) = match error.code() {
            "dangerous_content" => (AssetState::Quarantined, event_kinds::ASSET_QUARANTINED),
            _ => (AssetState::Failed, event_kinds::ASSET_FAILED),
        };
        let failure = Failure::from(error);
        let data = serde_json::json!({ "asset_id": asset.id, "failure": failure });
        Understood {
            facts: None,
            content_type: asset.blob.content_type.clone(),
            taken_at: None,
            search_text: String::new(),
            declared: Declared { at: Some(self.now()), ..Declared::default() },
            recipe_version: None,
            outcome: Some((state, failure)),
            events: vec![NewEvent::in_library(asset.tenant, asset.library_id, kind, self.now(), data)],
            settled_events: self.settled_events(asset),
        }
    }

    async fn render(&self, job: &Job, asset: Asset, pulse: &Arc<Pulse>) -> Result<()> {
        let fence = job.fence();
        let open = self.catalog().open_renditions(&fence, &job.payload.renditions).await?;
        let (Some(facts), false) = (&asset.facts, open.is_empty()) else {
            return self.complete(fence).await;
        };
        let facts = facts.read()?;
        let stores = open.iter().map(|(rendition, _)| Ok(self.store(&rendition.store)?.clone()));
        let stores = stores.collect::<Result<Vec<_>>>()?;
        let tasks: Vec<_> = open
            .into_iter()
            .map(|(rendition, parts)| RenderTask {
                rendition: rendition.id,
                name: rendition.variant,
                variant: rendition.definition,
                first_part: parts,
            })
            .collect();
        let source = Arc::new(self.source(&asset)?);
        let mut sink = JobSink {
            engine: self.clone(),
            runtime: Handle::current(),
            asset,
            fence,
            pulse: Arc::clone(pulse),
            tasks: tasks.clone(),
            stores,
            finished: HashSet::new(),
        };
        let (engine, bytes) = (self.clone(), Arc::clone(&source));
        let (rendered, mut sink) = blocking("render", move || {
            let limits = &engine.options().limits;
            let rendered = engine.processor().render(&*bytes, &facts, &tasks, limits, &mut sink);
            (rendered, sink)
        })
        .await?;
        let failure = match rendered {
            Ok(()) => Failure::new("internal", "the processor left this variant out"),
            Err(error) if is_final(&error) => Failure::from(&error),
            Err(error) => return Err(source.explain(error)),
        };
        for task in 0..sink.tasks.len() {
            if !sink.finished.contains(&task) {
                sink.end(task, Err(failure.clone())).await?;
            }
        }
        self.complete(fence).await
    }

    async fn complete(&self, fence: Fence) -> Result<()> {
        self.0.endings.complete(&**self.catalog(), fence).await
    }

    fn source(&self, asset: &Asset) -> Result<BlobSource> {
        let Blob { store, key, size, .. } = &asset.blob;
        let blobs = Arc::clone(self.store(store)?.blobs());
        Ok(BlobSource::new(blobs, key.clone(), *size, Handle::current()))
    }
}

/// Whether the media is at fault, as it will be the next time. A decoder that crashed may have been short of
/// memory: it is tried again, a few times.
fn is_final(error: &Error) -> bool {
    error.kind() == ErrorKind::Media && error.code() != "decoder_crashed"
}

/// Runs blocking work on a thread of its own. Threads are bounded by the concurrency of the worker.
async fn blocking<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new()
        .name(format!("medianest-{name}"))
        .spawn(move || {
            let _ = answer.send(work());
        })
        .map_err(|source| Error::unavailable("no_thread", "cannot start a thread").caused_by(source))?;
    answered.await.map_err(|_| Error::internal("the processor panicked"))
}

/// What an asset is found by, beside its name.
fn search_text(facts: &Facts) -> String {
    let tags = &facts.tags;
    let texts = [
        &tags.title,
        &tags.artist,
        &tags.album,
        &tags.album_artist,
        &tags.genre,
        &tags.description,
        &facts.camera.make,
        &facts.camera.model,
        &facts.camera.lens,
    ];
    let mut words: Vec<&str> = texts.into_iter().flatten().map(String::as_str).collect();
    words.extend(tags.keywords.iter().map(String::as_str));
    words.extend([facts.kind.as_str(), facts.format.as_str()]);
    let mut text = words.join(" ");
    if let Some(captured) = facts.captured {
        text.push(' ');
        text.push_str(captured.at.to_string().split('T').next().unwrap_or_default());
    }
    text
}
