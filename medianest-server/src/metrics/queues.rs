use super::text::{Kind, Text};
use medianest_core::{Engine, EventBacklog, QueueStats, Result};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// What was looked up is told again for so long: the catalog is asked no more often, however many ask here.
const FRESH: Duration = Duration::from_secs(5);
/// A catalog that takes longer is left out.
const PATIENCE: Duration = Duration::from_secs(3);

/// The queues and the event log, which all processes share: each tells the same.
pub(super) struct Queues {
    engine: Engine,
    seen: Mutex<Option<(Instant, Option<Arc<Seen>>)>>,
}

struct Seen {
    queues: Vec<QueueStats>,
    events: EventBacklog,
}

impl Queues {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, seen: Mutex::new(None) }
    }

    pub(super) async fn write(&self, text: &mut Text) {
        let Some(seen) = self.look().await else { return };
        let mut family = text.family(
            "medianest_queue_jobs",
            Kind::Gauge,
            "Jobs by kind and state, in all processes; of the waiting, the running and the dead 10000 are counted",
        );
        for queue in &seen.queues {
            let states = [
                ("runnable", queue.runnable),
                ("delayed", queue.delayed),
                ("running", queue.running),
                ("dead", queue.dead),
            ];
            for (state, jobs) in states {
                family.value(&[("kind", queue.kind.as_str()), ("state", state)], float(jobs));
            }
        }
        let mut family = text.family(
            "medianest_queue_oldest_runnable_seconds",
            Kind::Gauge,
            "For how long the oldest job has been waiting that may run",
        );
        for queue in &seen.queues {
            family.value(&[("kind", queue.kind.as_str())], float(queue.oldest_runnable_ms) / 1e3);
        }
        let mut family =
            text.family("medianest_queue_paused", Kind::Gauge, "Whether nothing is handed out: 1 or 0");
        for queue in &seen.queues {
            family.value(&[("kind", queue.kind.as_str())], f64::from(u8::from(queue.paused)));
        }
        text.family(
            "medianest_events_waiting",
            Kind::Gauge,
            "Events that have no number yet, so that nobody can read them; 10000 are counted",
        )
        .value(&[], float(seen.events.events));
        text.family("medianest_events_lag_seconds", Kind::Gauge, "Age of the oldest event without a number")
            .value(&[], float(seen.events.oldest_ms) / 1e3);
    }

    /// None when the catalog does not say.
    async fn look(&self) -> Option<Arc<Seen>> {
        let mut seen = self.seen.lock().await;
        if let Some((at, seen)) = &*seen
            && at.elapsed() < FRESH
        {
            return seen.clone();
        }
        let now = match tokio::time::timeout(PATIENCE, self.ask()).await {
            Ok(Ok(now)) => Some(Arc::new(now)),
            Ok(Err(error)) => {
                tracing::debug!(error = %error.report(), "metrics do without the queues");
                None
            }
            Err(_) => None,
        };
        *seen = Some((Instant::now(), now.clone()));
        now
    }

    async fn ask(&self) -> Result<Seen> {
        let catalog = self.engine.catalog();
        Ok(Seen { queues: catalog.queue_stats().await?, events: catalog.event_backlog().await? })
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}
