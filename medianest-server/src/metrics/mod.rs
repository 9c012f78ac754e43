//! What `/metrics` shows: what the code counts as it happens, through the facade `metrics`, and what is looked up
//! when somebody asks. Names, types and labels are a contract: `docs/operations/metrics.md` lists them, and
//! `tests/metrics.rs` holds them.

mod process;
mod queues;
mod text;

use crate::{composition::Nest, health::Health};
use medianest_core::{Error, Result};
use medianest_storage::{Connections, PostgresCatalog};
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use queues::Queues;
use std::{sync::Arc, time::Duration};
use text::{Kind, Text};
use tokio_util::sync::CancellationToken;

/// Seconds. A quantile is as exact as the bounds around it.
const REQUEST_BOUNDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const JOB_BOUNDS: [f64; 14] =
    [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0];

/// Keeps what the code counts from now on; once in a process.
///
/// # Errors
/// `internal` when somebody else keeps it already.
pub(crate) fn install() -> Result<PrometheusHandle> {
    let failed = |source: BuildError| Error::internal("cannot keep metrics").caused_by(source);
    let (request, job) = ("medianest_http_request_seconds", "medianest_job_seconds");
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(request.into()), &REQUEST_BOUNDS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full(job.into()), &JOB_BOUNDS))
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(failed)?;
    describe_histogram!(request, Unit::Seconds, "Time until the head of an answer");
    describe_histogram!(job, Unit::Seconds, "Time of an attempt at a job");
    describe_gauge!("medianest_worker_capacity", "Jobs that this process does at the same time");
    describe_gauge!("medianest_worker_busy", "Jobs that this process is doing");
    describe_counter!("medianest_cache_lookups_total", "Lookups of parts of media near at hand");
    describe_counter!("medianest_ingested_total", "Assets that were put in");
    describe_counter!("medianest_ingested_bytes_total", Unit::Bytes, "Bytes of assets that were put in");
    Ok(recorder)
}

/// Keeps the memory of histograms bounded, which otherwise waits for somebody to read them.
pub(crate) async fn upkeep(recorder: PrometheusHandle, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(5))).await.is_some() {
        recorder.run_upkeep();
    }
}

/// What a process tells of itself.
pub(crate) struct Figures {
    recorder: PrometheusHandle,
    health: Health,
    queues: Queues,
    postgres: Option<Arc<PostgresCatalog>>,
}

impl Figures {
    pub(crate) fn new(recorder: PrometheusHandle, nest: &Nest, health: Health) -> Arc<Self> {
        let (queues, postgres) = (Queues::new(nest.engine.clone()), nest.postgres.clone());
        Arc::new(Self { recorder, health, queues, postgres })
    }

    /// All of it, in Prometheus' text format. What cannot be found out is left out.
    pub(crate) async fn render(self: Arc<Self>) -> String {
        let mut text = Text::from(self.recorder.render());
        text.family("medianest_build_info", Kind::Gauge, "1, with the version of the program")
            .value(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        process::write(&mut text);
        self.queues.write(&mut text).await;
        self.dependencies(&mut text);
        self.connections(&mut text);
        text.into()
    }

    /// As they were when they were last looked at, which is done all the time.
    fn dependencies(&self, text: &mut Text) {
        let Some(seen) = self.health.seen() else { return };
        let mut family = text.family(
            "medianest_dependency_up",
            Kind::Gauge,
            "Whether a dependency was there when it was last looked at: 1 or 0",
        );
        for dependency in &*seen {
            family.value(&[("dependency", &dependency.name)], f64::from(u8::from(dependency.is_up())));
        }
    }

    fn connections(&self, text: &mut Text) {
        let Some(postgres) = &self.postgres else { return };
        let replicas = postgres.replica_connections().into_iter().zip(1..);
        let servers: Vec<(String, Connections)> =
            std::iter::once(("primary".to_owned(), postgres.connections()))
                .chain(replicas.map(|(replica, number)| (format!("replica-{number}"), replica)))
                .collect();
        let mut family = text.family(
            "medianest_database_connections",
            Kind::Gauge,
            "Connections of this process to a server of PostgreSQL, and callers who wait for one",
        );
        for (server, connections) in &servers {
            let states = [
                ("in_use", connections.in_use),
                ("idle", connections.idle),
                ("waiting", connections.waiting),
            ];
            for (state, count) in states {
                family.value(&[("server", server), ("state", state)], count.into());
            }
        }
        let mut family = text.family(
            "medianest_database_connections_max",
            Kind::Gauge,
            "Connections of this process to a server of PostgreSQL at most",
        );
        for (server, connections) in &servers {
            family.value(&[("server", server)], connections.max.into());
        }
    }
}
