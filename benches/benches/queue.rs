//! Jobs that do nothing: queued, leased and completed, on both catalogs.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use medianest_core::{
    Fence, JobId, JobKind, JobPayload, NewJob, TenantId,
    catalog::{Catalog, Claim},
};
use medianest_storage::{PostgresCatalog, SqliteCatalog};
use medianest_testkit::postgres;
use std::{sync::Arc, time::Duration};
use tokio::runtime::Runtime;

const JOBS: usize = 1_000;

/// All jobs queued in commands of `batch`, then leased and completed in batches of the same size.
async fn through(catalog: &Arc<dyn Catalog>, batch: usize) {
    let jobs: Vec<_> = (0..JOBS)
        .map(|_| NewJob {
            id: JobId::new(),
            tenant: TenantId::DEFAULT,
            kind: JobKind::Understand,
            asset_id: None,
            library_id: None,
            payload: JobPayload::default(),
            priority: 0,
            run_at: None,
        })
        .collect();
    for jobs in jobs.chunks(batch) {
        catalog.enqueue(jobs).await.expect("jobs are queued");
    }
    let claim = Claim {
        worker: String::from("bench"),
        kinds: vec![JobKind::Understand],
        ids: None,
        limit: batch as u32,
        lease: Duration::from_secs(60),
    };
    let mut done = 0;
    while done < JOBS {
        let fences: Vec<Fence> = catalog
            .claim(&claim)
            .await
            .expect("jobs are leased")
            .iter()
            .map(medianest_core::Job::fence)
            .collect();
        done += fences.len();
        catalog.complete_many(&fences).await.expect("jobs are completed");
    }
}

fn queue(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let folder = tempfile::tempdir().expect("a folder is made");
    let database = postgres::database();
    let catalogs: [(&str, Arc<dyn Catalog>); 2] = runtime.block_on(async {
        let sqlite = SqliteCatalog::open(folder.path().join("catalog.db")).await.expect("SQLite opens");
        let postgres = PostgresCatalog::connect(&database.url()).await.expect("PostgreSQL answers");
        [("sqlite", Arc::new(sqlite) as Arc<dyn Catalog>), ("postgres", Arc::new(postgres))]
    });
    let mut group = criterion.benchmark_group("queue");
    group.throughput(Throughput::Elements(JOBS as u64)).sample_size(10);
    for (name, catalog) in &catalogs {
        runtime.block_on(catalog.migrate()).expect("the catalog is migrated");
        for batch in [1, 20, 100] {
            group.bench_function(BenchmarkId::new(*name, batch), |bencher| {
                bencher.to_async(&runtime).iter(|| through(catalog, batch));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, queue);
criterion_main!(benches);
