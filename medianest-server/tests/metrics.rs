//! What `/metrics` shows, by name, type and labels: what dashboards, alerts and autoscalers are built on.

mod common;

use common::{GIF, Server, Worker, shares};
use medianest_testkit::{postgres::Server as Postgres, redis::Server as Redis};
use reqwest::Method;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// A process that shares everything with others.
fn directory(shared: &Path, primary: &Postgres, replica: &Postgres, redis: &Redis, more: &str) -> TempDir {
    let configuration = format!(
        "[database]\nurl = {:?}\nreplicas = [{:?}]\n[redis]\nurl = {:?}\n\
         [monitoring]\nlisten = \"127.0.0.1:0\"\n{more}",
        primary.url("postgres"),
        replica.url("postgres"),
        redis.url(),
    );
    shares(shared, &configuration)
}

/// What was shown, by its name.
struct Shown(BTreeMap<String, Family>);

struct Family {
    kind: String,
    values: Vec<(BTreeMap<String, String>, f64)>,
}

impl Shown {
    async fn at(monitoring: &str) -> Self {
        let answer = reqwest::get(format!("{monitoring}/metrics")).await.unwrap();
        assert_eq!(answer.status(), 200);
        Self::parse(&answer.text().await.unwrap())
    }

    fn parse(text: &str) -> Self {
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(named) = line.strip_prefix("# TYPE ") {
                let (name, kind) = named.split_once(' ').unwrap();
                families.insert(name.into(), Family { kind: kind.into(), values: Vec::new() });
            }
            if line.starts_with('#') {
                continue;
            }
            let (name, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = name.split_once('{').unwrap_or((name, ""));
            let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
            let labels = labels.map(|label| label.split_once('=').unwrap());
            let labels = labels.map(|(key, value)| (key.into(), value.trim_matches('"').into())).collect();
            let family = ["", "_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|end| name.strip_suffix(end))
                .find(|family| families.contains_key(*family))
                .unwrap_or_else(|| panic!("no type of {name}"));
            families.get_mut(family).unwrap().values.push((labels, value.parse().unwrap()));
        }
        Self(families)
    }

    /// The sum of the values with these labels.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let values = &self.0.get(name)?.values;
        let fits = |of: &BTreeMap<String, String>| {
            labels.iter().all(|(key, value)| of.get(*key).is_some_and(|of| of == value))
        };
        let fitting: Vec<_> = values.iter().filter(|(of, _)| fits(of)).map(|(_, value)| value).collect();
        (!fitting.is_empty()).then(|| fitting.into_iter().sum())
    }

    /// A line for each name: what it is, and its labels with the values that do not depend on what was done.
    fn contract(&self) -> String {
        const OPEN: [&str; 5] = ["le", "operation", "outcome", "status", "version"];
        let line = |(name, Family { kind, values }): (&String, &Family)| {
            let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for (key, value) in values.iter().flat_map(|(labels, _)| labels) {
                labels.entry(key).or_default().insert(if OPEN.contains(&&**key) { "…" } else { value });
            }
            let labels = labels.iter().filter(|(key, _)| **key != "le").map(|(key, values)| {
                format!(" {key}={}", values.iter().copied().collect::<Vec<_>>().join("|"))
            });
            format!("{name} {kind}{}\n", labels.collect::<String>())
        };
        self.0.iter().map(line).collect()
    }
}

#[tokio::test]
async fn names_types_and_labels_are_a_contract() {
    let primary = Postgres::start();
    let replica = primary.replica();
    let redis = Redis::start(&[]);
    let shared = tempfile::tempdir().unwrap();
    let place = |more| directory(shared.path(), &primary, &replica, &redis, more);
    let server = Server::start_in(place("[workers]\njobs = 1"));
    let (status, asset) = server.admin().await.upload("a.gif", GIF).await;
    assert_eq!(status, 201, "{asset}");
    let monitoring = server.monitoring.as_deref().unwrap();
    let begun = Instant::now();
    let shown = loop {
        let shown = Shown::at(monitoring).await;
        let done = shown.0.get("medianest_job_seconds").map_or(0, |family| {
            family.values.iter().filter_map(|(labels, _)| labels.get("kind")).collect::<BTreeSet<_>>().len()
        });
        if done == 2 && shown.0.contains_key("medianest_dependency_up") {
            break shown;
        }
        assert!(begun.elapsed() < PATIENCE, "the asset is not made");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    insta::assert_snapshot!("contract", shown.contract());
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    for name in shown.0.keys() {
        assert!(page.contains(&format!("`{name}`")), "{name} is not in the page for operators");
    }

    // And they mean what they say.
    assert!(shown.sum("process_cpu_seconds_total", &[]).unwrap() > 0.0);
    assert!(shown.sum("process_resident_memory_bytes", &[]).unwrap() > 1e6);
    assert!(shown.sum("medianest_sandbox_processes", &[]).unwrap() >= 1.0, "the one that makes decoders");
    assert_eq!(shown.sum("medianest_worker_capacity", &[("kind", "understand")]), Some(1.0));
    assert!(shown.sum("medianest_http_request_seconds", &[("operation", "uploadAsset")]).is_some());
    for dependency in ["catalog", "store default", "redis", "replica-1"] {
        assert_eq!(shown.sum("medianest_dependency_up", &[("dependency", dependency)]), Some(1.0));
    }
    assert!(shown.sum("medianest_database_connections", &[("server", "primary")]).unwrap() >= 1.0);
}

#[tokio::test]
async fn a_worker_is_watched_at_an_address_of_its_own() {
    let primary = Postgres::start();
    let replica = primary.replica();
    let redis = Redis::start(&[]);
    let shared = tempfile::tempdir().unwrap();
    let place = |more| directory(shared.path(), &primary, &replica, &redis, more);
    let server = Server::start_in(place("[workers]\njobs = 0"));
    let admin = server.admin().await;
    for kind in ["understand", "render", "transcode"] {
        assert_eq!(admin.call(Method::POST, &format!("/queues/{kind}/pause"), None).await.0, 204);
    }
    let (status, asset) = admin.upload("a.gif", GIF).await;
    assert_eq!(status, 201, "{asset}");
    let worker = Worker::start_in(place(""));

    for path in ["/health/live", "/health/ready"] {
        assert_eq!(
            reqwest::get(format!("{}{path}", worker.monitoring)).await.unwrap().status(),
            200,
            "{path}"
        );
    }
    let elsewhere = reqwest::get(format!("{}/api/v1/me", worker.monitoring)).await.unwrap();
    assert_eq!(elsewhere.status(), 404, "nothing else is there");
    // What waits is the same wherever it is asked for, so that one process is enough to scale all.
    for monitoring in [&worker.monitoring, server.monitoring.as_ref().unwrap()] {
        let shown = Shown::at(monitoring).await;
        assert_eq!(
            shown.sum("medianest_queue_jobs", &[("kind", "understand"), ("state", "runnable")]),
            Some(1.0)
        );
        assert!(
            shown.sum("medianest_queue_oldest_runnable_seconds", &[("kind", "understand")]).unwrap() > 0.0
        );
        assert_eq!(shown.sum("medianest_queue_paused", &[("kind", "render")]), Some(1.0));
    }
    let shown = Shown::at(&worker.monitoring).await;
    assert_eq!(shown.sum("medianest_worker_capacity", &[("kind", "render")]), Some(2.0));
    assert_eq!(shown.sum("medianest_worker_busy", &[("kind", "render")]), Some(0.0));
    let shown = Shown::at(server.monitoring.as_ref().unwrap()).await;
    assert_eq!(shown.sum("medianest_worker_capacity", &[]), None, "it works on nothing");

    // What cannot be found out is left out, and does not hold up the rest.
    primary.kill();
    let begun = Instant::now();
    loop {
        let shown = Shown::at(&worker.monitoring).await;
        assert!(shown.sum("process_threads", &[]).unwrap() > 0.0);
        if shown.sum("medianest_queue_jobs", &[]).is_none() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "what was seen once is told for ever");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
