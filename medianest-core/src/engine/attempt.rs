//! One attempt at a job: under a lease that is kept, with an end that is recorded.

use super::{
    Engine,
    held::Held,
    sink::{Pulse, StopOnDrop},
};
use crate::{
    AssetState, Error, ErrorKind, Failure, Job, NewEvent, Result, Retry, Topic,
    catalog::{AfterFailure, Counted, FailedAttempt},
    event_kinds,
};
use futures::FutureExt;
use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How often the end of a job is told to a catalog that is away, three times in a lease.
const RECORDINGS: u32 = 30;

impl Engine {
    /// Does one job and records how it ended. Never fails: what cannot be recorded ends with the lease,
    /// and so does a job whose worker is dropped, which stops at once.
    pub(super) async fn run_job(&self, job: Job, hand_back: CancellationToken) {
        let (kind, began) = (job.kind, Instant::now());
        let _busy = Held::new(metrics::gauge!("medianest_worker_busy", "kind" => kind.as_str()), 1.0);
        let pulse = Arc::new(Pulse::default());
        let _stop = StopOnDrop(Arc::clone(&pulse));
        let work = async {
            let outcome = AssertUnwindSafe(self.execute(&job, &pulse)).catch_unwind().await;
            let outcome = outcome.unwrap_or_else(|_| Err(Error::internal("the job panicked")));
            self.record_end(&job, &outcome, &hand_back).await
        };
        // In the same task, so that no lease outlives its worker.
        let recorded = tokio::select! {
            recorded = work => recorded,
            never = self.keep_lease(&job, &pulse, &hand_back) => match never {},
        };
        metrics::histogram!("medianest_job_seconds", "kind" => kind.as_str(), "outcome" => recorded)
            .record(began.elapsed().as_secs_f64());
    }

    /// Extends the lease, and tells the job to stop when it is lost, called off or handed back.
    async fn keep_lease(&self, job: &Job, pulse: &Pulse, hand_back: &CancellationToken) -> Infallible {
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
        pulse.stop();
        std::future::pending().await
    }

    /// Records how a job ended, and returns the word for it. A catalog that is away is told when it is
    /// back, so that its absence does not count as the crash of a worker.
    async fn record_end(
        &self,
        job: &Job,
        outcome: &Result<()>,
        hand_back: &CancellationToken,
    ) -> &'static str {
        let word = match outcome {
            Ok(()) => return "done",
            Err(error) if error.kind() == ErrorKind::Fenced => return "fenced",
            Err(error) if error.kind() == ErrorKind::Cancelled => "cancelled",
            Err(error) => {
                tracing::warn!(job = %job.id, kind = job.kind.as_str(), error = %error.report(), "a job failed");
                "failed"
            }
        };
        for _ in 0..RECORDINGS {
            let recorded = match outcome {
                Err(error) if word == "failed" => self.record_failure(job, error).await,
                _ if hand_back.is_cancelled() => self.catalog().release(&job.fence()).await,
                _ => self.catalog().end_cancelled(&job.fence()).await,
            };
            match recorded {
                Err(error) if error.kind() == ErrorKind::Fenced => break,
                Err(error) => {
                    tracing::warn!(job = %job.id, error = %error.report(), "cannot record the end of a job");
                    if !is_outage(&error) {
                        break;
                    }
                }
                Ok(()) => {
                    self.bus().wake(Topic::Committed);
                    break;
                }
            }
            tokio::select! {
                () = hand_back.cancelled() => break,
                () = tokio::time::sleep(self.options().lease / 3) => {}
            }
        }
        word
    }

    async fn record_failure(&self, job: &Job, error: &Error) -> Result<()> {
        let counted = match error.code() {
            _ if is_outage(error) => Counted::Nothing,
            "decoder_crashed" => Counted::Crash,
            _ => Counted::Failure,
        };
        let failed = self.failed_attempt(job, error, counted).await?;
        self.catalog().fail(&job.fence(), failed).await
    }

    /// A job whose worker was not heard of for a lease.
    ///
    /// # Errors
    /// `Fenced` when the worker has been heard of since.
    pub(super) async fn record_lost_worker(&self, job: &Job) -> Result<()> {
        let error = Error::media("worker_lost", "the worker was lost while it did this job");
        let failed = self.failed_attempt(job, &error, Counted::Crash).await?;
        self.catalog().fail(&job.fence(), FailedAttempt { only_expired: true, ..failed }).await
    }

    /// What follows a failed attempt: another one after a growing delay, or the end.
    async fn failed_attempt(&self, job: &Job, error: &Error, counted: Counted) -> Result<FailedAttempt> {
        let options = self.options();
        let (before, end) = match counted {
            Counted::Failure => {
                let end = (AssetState::Failed, event_kinds::ASSET_FAILED);
                (job.failures, (job.failures + 1 >= options.max_failures).then_some(end))
            }
            Counted::Crash => {
                let end = (AssetState::Quarantined, event_kinds::ASSET_QUARANTINED);
                (job.crashes, (job.crashes + 1 >= options.max_crashes).then_some(end))
            }
            Counted::Nothing => (job.attempt.saturating_sub(1), None),
        };
        let next = match end {
            Some((asset, kind)) => {
                let event = self.asset_of(job).await?.map(|row| {
                    let data = serde_json::json!({ "asset_id": row.id, "failure": Failure::from(error) });
                    NewEvent::in_library(row.tenant, row.library_id, kind, self.now(), data)
                });
                AfterFailure::GiveUp { asset, event }
            }
            None => AfterFailure::RetryAfter(self.retry_delay(job, error.retry_advice(), before)),
        };
        Ok(FailedAttempt { failure: Failure::from(error), counted, only_expired: false, next })
    }

    /// Grows with each time `before` that it failed, and is never less than what the error advises.
    fn retry_delay(&self, job: &Job, advice: Retry, before: u32) -> Duration {
        let (least, delay) = match advice {
            Retry::Now if before == 0 => (Duration::ZERO, Duration::ZERO),
            Retry::After(least) => (least, self.options().retry_delay * 2_u32.pow(before.min(8))),
            _ => (Duration::ZERO, self.options().retry_delay * 2_u32.pow(before.min(8))),
        };
        // Spread by the random part of the id, so that what failed together does not come back together.
        let jitter = f64::from(job.id.as_uuid().as_bytes()[15]) / 255.0;
        delay.mul_f64(0.75 + jitter / 2.0).max(least)
    }
}

/// Whether a dependency was away, or had no room.
fn is_outage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::StorageFull)
}
