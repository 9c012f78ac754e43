use super::{Engine, held::Held};
use crate::{JobId, JobKind, Result, Topic, catalog::Claim};
use futures::StreamExt;
use std::{collections::BTreeMap, time::Duration};
use tokio::task::JoinSet;
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
        let concurrency = [
            (JobKind::Understand, cores),
            (JobKind::Render, cores),
            (JobKind::Transcode, 1),
            (JobKind::Move, 1),
        ];
        Self {
            engine,
            name: format!("worker-{}", JobId::new()),
            concurrency: BTreeMap::from(concurrency),
            shutdown: CancellationToken::new(),
            grace: Duration::from_secs(10),
        }
    }

    /// How many jobs of a kind run at the same time; 0 leaves the kind to other workers. By default as
    /// many as there are cores, one transcode, which uses several cores by itself, and one move, which waits
    /// for stores.
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

    /// Works until it is told to stop. When it is dropped instead, its jobs stop soon, and their leases run
    /// out.
    ///
    /// # Errors
    /// None at present: what goes wrong with the backends is logged and tried again.
    pub async fn run(self) -> Result<()> {
        let housekeeping = self.engine.housekeeping().shutdown(self.shutdown.clone()).run();
        let ((), ()) = futures::join!(self.work(), housekeeping);
        Ok(())
    }

    /// Does all jobs that can be done now, one after the other, with the housekeeping between them, and
    /// returns how many they were; fewer when it is told to stop. For tests, commands and programs without
    /// a loop of their own.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn run_until_idle(self) -> Result<u64> {
        let mut done = 0;
        let kinds: Vec<_> =
            self.concurrency.iter().filter(|(_, jobs)| **jobs > 0).map(|(kind, _)| *kind).collect();
        while !self.shutdown.is_cancelled() {
            self.engine.housekeeping().once().await?;
            let jobs = self.engine.catalog().claim(&self.claim(kinds.clone(), None, 1)).await?;
            if jobs.is_empty() {
                break;
            }
            for job in jobs {
                self.engine.run_job(job, self.shutdown.clone()).await;
                done += 1;
            }
        }
        Ok(done)
    }

    fn claim(&self, kinds: Vec<JobKind>, ids: Option<Vec<JobId>>, limit: u32) -> Claim {
        Claim { worker: self.name.clone(), kinds, ids, limit, lease: self.engine.options().lease }
    }

    async fn work(&self) {
        let mut wakeups = self.engine.bus().subscribe(Topic::Jobs);
        let mut running: JoinSet<JobKind> = JoinSet::new();
        let mut busy: BTreeMap<JobKind, usize> = BTreeMap::new();
        let hand_back = CancellationToken::new();
        let capacity = self.capacity();
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
        drop(capacity);
        let drained = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(self.grace, drained).await.is_err() {
            hand_back.cancel();
            while running.join_next().await.is_some() {}
        }
    }

    /// Tells how many jobs of each kind fit in at once, until it is dropped; and that none are done yet.
    fn capacity(&self) -> Vec<Held> {
        let of = |(kind, most): (&JobKind, &usize)| {
            let gauge = |name: &'static str| metrics::gauge!(name, "kind" => kind.as_str());
            gauge("medianest_worker_busy").increment(0.0);
            Held::new(gauge("medianest_worker_capacity"), f64::from(u32::try_from(*most).unwrap_or(u32::MAX)))
        };
        self.concurrency.iter().map(of).collect()
    }

    /// Claims what there is room for; returns whether there may be more.
    async fn take_jobs(
        &self,
        running: &mut JoinSet<JobKind>,
        busy: &mut BTreeMap<JobKind, usize>,
        hand_back: &CancellationToken,
    ) -> bool {
        // All that have ended first: what there is room for is claimed by one command.
        while let Some(ended) = running.try_join_next() {
            Self::ended(busy, ended);
        }
        let mut any = false;
        for (kind, most) in &self.concurrency {
            let room = most.saturating_sub(busy.get(kind).copied().unwrap_or(0));
            if room == 0 || self.shutdown.is_cancelled() {
                continue;
            }
            let room = u32::try_from(room).unwrap_or(u32::MAX);
            let ids = self.engine.dispatcher().next(*kind, room).await;
            if ids.as_ref().is_some_and(Vec::is_empty) {
                continue;
            }
            // Also when others have these: there may be more behind them.
            any |= ids.is_some();
            match self.engine.catalog().claim(&self.claim(vec![*kind], ids, room)).await {
                Ok(jobs) => {
                    any |= !jobs.is_empty();
                    for job in jobs {
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
        any
    }

    fn ended(busy: &mut BTreeMap<JobKind, usize>, ended: Result<JobKind, tokio::task::JoinError>) {
        // `run_job` catches panics, so that a task always tells its kind.
        if let Ok(kind) = ended {
            busy.entry(kind).and_modify(|jobs| *jobs = jobs.saturating_sub(1));
        }
    }
}
