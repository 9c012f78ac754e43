use super::{
    Engine,
    sink::{JobSink, Pulse},
    source::BlobSource,
};
use crate::{
    Asset, AssetState, Error, ErrorKind, Facts, Failure, Job, JobKind, NewEvent, RenderTask, Result, Retry,
    Topic,
    catalog::{AfterFailure, Claim, Declared, FailedAttempt, Understood},
    event_kinds,
};
use futures::{FutureExt, StreamExt};
use std::{
    collections::{BTreeMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::oneshot, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Takes jobs and does them; see [`Engine::worker`]. Also does the [`housekeeping`](Engine::housekeeping).
#[derive(Debug)]
#[must_use = "a worker does nothing until it is run"]
pub struct Worker {
    engine: Engine,
    name: String,
    concurrency: BTreeMap<JobKind, usize>,
    shutdown: CancellationToken,
    grace: Duration,
}

impl Worker {
    pub(super) fn new(engine: Engine) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let concurrency =
            BTreeMap::from([(JobKind::Understand, cores), (JobKind::Render, cores), (JobKind::Transcode, 1)]);
        Self {
            engine,
            name: format!("worker-{}", crate::JobId::new()),
            concurrency,
            shutdown: CancellationToken::new(),
            grace: Duration::from_secs(10),
        }
    }

    /// How many jobs of a kind run at the same time; 0 leaves the kind to other workers. By default as
    /// many as there are cores, and one transcode, which uses several cores by itself.
    pub fn concurrency(mut self, kind: JobKind, jobs: usize) -> Self {
        self.concurrency.insert(kind, jobs);
        self
    }

    /// What the worker is called in the rows of its jobs.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Stops when this token is cancelled: takes no more jobs, lets those that run finish within the
    /// grace time, then hands them back.
    pub fn shutdown(mut self, token: CancellationToken) -> Self {
        self.shutdown = token;
        self
    }

    /// How long jobs may go on after a shutdown began; by default ten seconds.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Works until it is told to stop.
    ///
    /// # Errors
    /// None at present: what goes wrong with the backends is logged and tried again.
    pub async fn run(self) -> Result<()> {
        let housekeeping = self.engine.housekeeping().shutdown(self.shutdown.clone()).run();
        let ((), ()) = futures::join!(self.work(), housekeeping);
        Ok(())
    }

    /// Does all jobs that can be done now, one after the other, with the housekeeping between them, and
    /// returns how many they were. For tests, commands and programs without a loop of their own.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn run_until_idle(self) -> Result<u64> {
        let mut done = 0;
        let kinds: Vec<_> =
            self.concurrency.iter().filter(|(_, jobs)| **jobs > 0).map(|(kind, _)| *kind).collect();
        loop {
            self.engine.housekeeping().once().await?;
            let jobs = self.engine.catalog().claim(&self.claim(kinds.clone(), 1)).await?;
            if jobs.is_empty() {
                return Ok(done);
            }
            for job in jobs {
                self.engine.run_job(job, self.shutdown.clone()).await;
                done += 1;
            }
        }
    }

    fn claim(&self, kinds: Vec<JobKind>, limit: usize) -> Claim {
        Claim {
            worker: self.name.clone(),
            kinds,
            ids: None,
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            lease: self.engine.options().lease,
        }
    }

    async fn work(&self) {
        let mut wakeups = self.engine.bus().subscribe(Topic::Jobs);
        let mut running: JoinSet<JobKind> = JoinSet::new();
        let mut busy: BTreeMap<JobKind, usize> = BTreeMap::new();
        let hand_back = CancellationToken::new();
        loop {
            let claimed = self.take_jobs(&mut running, &mut busy, &hand_back).await;
            if claimed && !self.shutdown.is_cancelled() {
                continue;
            }
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                Some(ended) = running.join_next() => Self::ended(&mut busy, ended),
                _ = wakeups.next() => {}
                () = tokio::time::sleep(self.engine.options().poll) => {}
            }
        }
        let drained = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(self.grace, drained).await.is_err() {
            hand_back.cancel();
            while running.join_next().await.is_some() {}
        }
    }

    /// Claims what there is room for; returns whether there was anything.
    async fn take_jobs(
        &self,
        running: &mut JoinSet<JobKind>,
        busy: &mut BTreeMap<JobKind, usize>,
        hand_back: &CancellationToken,
    ) -> bool {
        let mut any = false;
        for (kind, most) in &self.concurrency {
            let room = most.saturating_sub(busy.get(kind).copied().unwrap_or(0));
            if room == 0 || self.shutdown.is_cancelled() {
                continue;
            }
            match self.engine.catalog().claim(&self.claim(vec![*kind], room)).await {
                Ok(jobs) => {
                    for job in jobs {
                        any = true;
                        *busy.entry(*kind).or_default() += 1;
                        let (engine, kind, hand_back) = (self.engine.clone(), *kind, hand_back.clone());
                        running.spawn(async move {
                            engine.run_job(job, hand_back).await;
                            kind
                        });
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %error.report(), "cannot claim jobs");
                    return false;
                }
            }
        }
        while let Some(ended) = running.try_join_next() {
            Self::ended(busy, ended);
        }
        any
    }

    fn ended(busy: &mut BTreeMap<JobKind, usize>, ended: Result<JobKind, tokio::task::JoinError>) {
        // `run_job` catches panics, so that a task always tells its kind.
        if let Ok(kind) = ended {
            busy.entry(kind).and_modify(|jobs| *jobs = jobs.saturating_sub(1));
        }
    }
}

impl Engine {
    /// Does one job and records how it ended. Never fails: what cannot be recorded ends with the lease.
    async fn run_job(&self, job: Job, hand_back: CancellationToken) {
        let (fence, kind, began) = (job.fence(), job.kind, Instant::now());
        let pulse = Arc::new(Pulse::default());
        let heartbeat =
            tokio::spawn(self.clone().heartbeat(job.clone(), Arc::clone(&pulse), hand_back.clone()));
        let outcome = AssertUnwindSafe(self.execute(&job, &pulse)).catch_unwind().await;
        heartbeat.abort();
        let outcome = outcome.unwrap_or_else(|_| Err(Error::internal("the job panicked")));
        let recorded = match outcome {
            Ok(()) => "done",
            Err(error) if error.kind() == ErrorKind::Fenced => "fenced",
            Err(error) if error.kind() == ErrorKind::Cancelled => {
                let ended = if hand_back.is_cancelled() {
                    self.catalog().release(&fence).await
                } else {
                    self.catalog().end_cancelled(&fence).await
                };
                Self::log_unless_fenced(&job, ended);
                "cancelled"
            }
            Err(error) => {
                tracing::warn!(job = %job.id, kind = kind.as_str(), error = %error.report(), "a job failed");
                let failed = self.failed_attempt(&job, &error, false).await;
                Self::log_unless_fenced(&job, self.catalog().fail(&fence, failed).await);
                self.bus().wake(Topic::Committed);
                "failed"
            }
        };
        metrics::counter!("medianest_jobs_total", "kind" => kind.as_str(), "outcome" => recorded)
            .increment(1);
        metrics::histogram!("medianest_job_seconds", "kind" => kind.as_str())
            .record(began.elapsed().as_secs_f64());
    }

    fn log_unless_fenced(job: &Job, recorded: Result<()>) {
        if let Err(error) = recorded
            && error.kind() != ErrorKind::Fenced
        {
            tracing::warn!(job = %job.id, error = %error.report(), "cannot record the end of a job");
        }
    }

    /// Keeps the lease, and tells the job to stop when it is lost, called off or handed back.
    async fn heartbeat(self, job: Job, pulse: Arc<Pulse>, hand_back: CancellationToken) {
        let lease = self.options().lease;
        loop {
            tokio::select! {
                () = hand_back.cancelled() => break,
                () = tokio::time::sleep(lease / 3) => {}
            }
            match self.catalog().heartbeat(&job.fence(), pulse.progress(), lease).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if error.kind() == ErrorKind::Fenced => break,
                Err(error) => tracing::warn!(job = %job.id, error = %error.report(), "cannot extend a lease"),
            }
        }
        pulse.stop.store(true, Ordering::Relaxed);
    }

    /// What follows a failed attempt: another one after a growing delay, or the end.
    pub(super) async fn failed_attempt(&self, job: &Job, error: &Error, crashed: bool) -> FailedAttempt {
        let options = self.options();
        let give_up = if crashed {
            job.crashes + 1 >= options.max_crashes
        } else {
            job.failures + 1 >= options.max_failures
        };
        let next = if give_up {
            let (asset, kind) = if crashed {
                (AssetState::Quarantined, event_kinds::ASSET_QUARANTINED)
            } else {
                (AssetState::Failed, event_kinds::ASSET_FAILED)
            };
            let event = self.asset_of(job).await.ok().flatten().map(|row| {
                let data = serde_json::json!({ "asset_id": row.id, "failure": Failure::from(error) });
                NewEvent::in_library(row.tenant, row.library_id, kind, self.now(), data)
            });
            AfterFailure::GiveUp { asset, event }
        } else {
            let delay = match error.retry_advice() {
                Retry::Now if job.failures == 0 => Duration::ZERO,
                _ => options.retry_delay * 2_u32.pow(job.failures.min(8)),
            };
            // Spread by the random part of the id, so that what failed together does not come back together.
            let jitter = f64::from(job.id.as_uuid().as_bytes()[15]) / 255.0;
            AfterFailure::RetryAfter(delay.mul_f64(0.75 + jitter / 2.0))
        };
        FailedAttempt { failure: Failure::from(error), crashed, next }
    }

    async fn execute(&self, job: &Job, pulse: &Arc<Pulse>) -> Result<()> {
        let Some(asset) = self.asset_of(job).await? else {
            // Deleted meanwhile, or a job that only exercises the queue.
            return self.catalog().complete(&job.fence()).await;
        };
        match job.kind {
            JobKind::Understand => self.understand(job, &asset).await,
            JobKind::Render | JobKind::Transcode => self.render(job, asset, pulse).await,
        }
    }

    async fn understand(&self, job: &Job, asset: &Asset) -> Result<()> {
        let engine = self.clone();
        let source = self.source(asset);
        let read =
            blocking("understand", move || engine.processor().understand(&source, &engine.options().limits))
                .await?;
        let understood = match read {
            Ok(facts) => {
                let recipe = self.catalog().get_recipe(asset.tenant, asset.library_id).await?;
                let recipe = recipe.map(|(recipe, _)| recipe).unwrap_or_default();
                let (declared, _) = self.plan(asset.tenant, asset.id, &facts, &recipe, &[]);
                self.understood(asset, facts, declared)
            }
            Err(error) if error.kind() == ErrorKind::Media => self.not_understood(asset, &error),
            Err(error) => return Err(error),
        };
        self.catalog().record_facts(&job.fence(), understood).await?;
        self.bus().wake(Topic::Jobs);
        self.bus().wake(Topic::Committed);
        Ok(())
    }

    fn understood(&self, asset: &Asset, facts: Facts, declared: Declared) -> Understood {
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
            outcome: None,
            events: vec![event],
            settled_events: self.settled_events(asset),
        }
    }

    fn not_understood(&self, asset: &Asset, error: &Error) -> Understood {
        let (state, kind) = match error.code() {
            "dangerous_content" | "decoder_crashed" => {
                (AssetState::Quarantined, event_kinds::ASSET_QUARANTINED)
            }
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
            outcome: Some((state, failure)),
            events: vec![NewEvent::in_library(asset.tenant, asset.library_id, kind, self.now(), data)],
            settled_events: self.settled_events(asset),
        }
    }

    async fn render(&self, job: &Job, asset: Asset, pulse: &Arc<Pulse>) -> Result<()> {
        let fence = job.fence();
        let open = self.catalog().open_renditions(&fence, &job.payload.renditions).await?;
        let (Some(facts), false) = (asset.facts.clone(), open.is_empty()) else {
            return self.catalog().complete(&fence).await;
        };
        let tasks: Vec<_> = open
            .into_iter()
            .map(|(rendition, parts)| RenderTask {
                rendition: rendition.id,
                name: rendition.variant,
                variant: rendition.definition,
                first_part: parts,
            })
            .collect();
        let source = self.source(&asset);
        let mut sink = JobSink {
            engine: self.clone(),
            runtime: Handle::current(),
            asset,
            fence,
            pulse: Arc::clone(pulse),
            tasks: tasks.clone(),
            finished: HashSet::new(),
        };
        let engine = self.clone();
        let (rendered, mut sink) = blocking("render", move || {
            let limits = &engine.options().limits;
            let rendered = engine.processor().render(&source, &facts, &tasks, limits, &mut sink);
            (rendered, sink)
        })
        .await?;
        let failure = match rendered {
            Ok(()) => Failure::new("internal", "the processor left this variant out"),
            Err(error) if error.kind() == ErrorKind::Media => Failure::from(&error),
            Err(error) => return Err(error),
        };
        for task in 0..sink.tasks.len() {
            if !sink.finished.contains(&task) {
                sink.end(task, Err(failure.clone())).await?;
            }
        }
        self.catalog().complete(&fence).await
    }

    fn source(&self, asset: &Asset) -> BlobSource {
        BlobSource::new(Arc::clone(self.blobs()), asset.blob.key.clone(), asset.blob.size, Handle::current())
    }
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
