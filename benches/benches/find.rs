//! Reading among 100,000 assets as one who is a member of one library, on both catalogs: an asset by
//! id, a page of twenty, and a search for two words, of which the slowest twentieth is printed too.
//! PostgreSQL runs with the durability of tests (no fsync), which reading does not notice.
#![expect(clippy::print_stdout, reason = "percentiles are not criterion's")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use medianest_benches::{Filled, fill};
use medianest_core::{
    PageRequest, Principal, Visibility,
    catalog::{AssetQuery, Catalog, SearchQuery},
};
use medianest_storage::{PostgresCatalog, SqliteCatalog};
use medianest_testkit::postgres;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};
use tokio::runtime::Runtime;

const ASSETS: usize = 100_000;

fn find(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let folder = tempfile::tempdir().expect("a folder is made");
    let database = postgres::database();
    let owner = Principal::user("ann");
    let visible = Visibility::member(owner.tenant, "ann");
    let catalogs: [(&str, Arc<dyn Catalog>); 2] = runtime.block_on(async {
        let sqlite = SqliteCatalog::open(folder.path().join("catalog.db")).await.expect("SQLite opens");
        let postgres = PostgresCatalog::connect(&database.url()).await.expect("PostgreSQL answers");
        [("sqlite", Arc::new(sqlite) as Arc<dyn Catalog>), ("postgres", Arc::new(postgres))]
    });
    for (name, catalog) in &catalogs {
        let filled = runtime.block_on(async {
            catalog.migrate().await.expect("the catalog is migrated");
            fill(catalog, &owner, ASSETS).await.expect("the catalog is filled")
        });
        percentiles(&runtime, name, catalog, &visible, &filled);
        let next = AtomicUsize::new(0);
        let turn = || next.fetch_add(7919, Ordering::Relaxed);
        let page = PageRequest::new(Some(20), None).expect("twenty is a page");
        let mut group = criterion.benchmark_group("find");
        group.bench_function(BenchmarkId::new("asset", name), |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                let id = filled.ids[turn() % filled.ids.len()];
                catalog.get_asset(&visible, id).await.expect("rows are read").expect("the asset is there")
            });
        });
        group.bench_function(BenchmarkId::new("page", name), |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                catalog.list_assets(&visible, &AssetQuery::default(), &page).await.expect("rows are read")
            });
        });
        group.bench_function(BenchmarkId::new("two words", name), |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                let text = filled.pair[turn() % filled.pair.len()].clone();
                let query = SearchQuery { text, ..SearchQuery::default() };
                catalog.search(&visible, &query, &page).await.expect("rows are read")
            });
        });
        group.finish();
    }
}

fn percentiles(
    runtime: &Runtime,
    name: &str,
    catalog: &Arc<dyn Catalog>,
    visible: &Visibility,
    filled: &Filled,
) {
    let page = PageRequest::new(Some(20), None).expect("twenty is a page");
    for (what, texts) in [("one word", &filled.single), ("two words", &filled.pair)] {
        // The first round warms up.
        for round in 0..2 {
            let mut times: Vec<_> = runtime.block_on(async {
                let mut times = Vec::new();
                for text in texts.iter().take(2_000) {
                    let query = SearchQuery { text: text.clone(), ..SearchQuery::default() };
                    let began = Instant::now();
                    catalog.search(visible, &query, &page).await.expect("rows are read");
                    times.push(began.elapsed());
                }
                times
            });
            times.sort();
            if round == 1 {
                let (median, p95) = (times[times.len() / 2], times[times.len() * 95 / 100]);
                println!("{name}: search for {what} among {ASSETS}: median {median:.1?}, p95 {p95:.1?}");
            }
        }
    }
}

criterion_group!(benches, find);
criterion_main!(benches);
