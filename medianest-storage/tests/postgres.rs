//! [`PostgresCatalog`], against a real server.
#![cfg(feature = "postgres")]

use futures::{StreamExt, future::join_all};
use medianest_core::{
    AssetId, AssetState, Blob, BlobId, BlobKey, Clock, ErrorKind, EventBus, IntentId, JobId, JobKind,
    LibraryId, NewEvent, NewJob, PageRequest, Recipe, Sha256, StoreName, SystemClock, TenantId, Topic,
    Visibility,
    catalog::{
        Aging, AssetCatalog, Catalog, Claim, Intent, JobCatalog, NewAsset, NewLibrary, SearchIndex,
        SearchQuery,
    },
};
use medianest_storage::{PgPool, PostgresBus, PostgresCatalog, PostgresOptions};
use medianest_testkit::postgres::{Database, database};
use sqlx::Row;
use std::{collections::BTreeSet, time::Duration};

const TENANT: TenantId = TenantId::DEFAULT;

async fn migrated() -> (PostgresCatalog, Database) {
    let database = database();
    let catalog = PostgresCatalog::connect(&database.url()).await.unwrap();
    catalog.migrate().await.unwrap();
    (catalog, database)
}

/// As after a while: what is there lies in several partitions.
async fn in_periods() -> (PostgresCatalog, Database) {
    let (catalog, database) = migrated().await;
    for of in [Aging::Jobs, Aging::Events, Aging::Jobs, Aging::Events] {
        assert!(catalog.begin_period(of, Duration::ZERO).await.unwrap());
    }
    (catalog, database)
}

async fn bus() -> (PostgresBus, (PostgresCatalog, Database)) {
    let (catalog, database) = migrated().await;
    (PostgresBus::start(catalog.pool().clone()), (catalog, database))
}

medianest_core::catalog_tests!(postgres, migrated().await);
medianest_core::catalog_tests!(periods, in_periods().await);
medianest_core::identity_tests!(identity, migrated().await);
medianest_core::event_bus_tests!(notify, bus().await);

/// A program that knows no periods queues a job again where it lies.
#[tokio::test]
async fn a_job_that_is_queued_again_in_a_period_is_found_and_stays() {
    let (catalog, _database) = in_periods().await;
    let id = JobId::new();
    let job = NewJob { id, ..NewJob::new(TENANT, JobKind::Render, AssetId::new()) };
    catalog.enqueue(&[job]).await.unwrap();
    assert!(catalog.cancel(TENANT, id, None).await.unwrap());
    let again = sqlx::query("UPDATE medianest_jobs SET state = 'queued', finished_at = NULL WHERE id = $1")
        .bind(id.as_uuid())
        .execute(catalog.pool());
    assert_eq!(again.await.unwrap().rows_affected(), 1);
    let claim = Claim {
        worker: String::from("one"),
        kinds: vec![JobKind::Render],
        ids: None,
        limit: 1,
        lease: Duration::from_secs(60),
    };
    assert!(catalog.claim(&claim).await.unwrap().is_empty());
    assert!(catalog.begin_period(Aging::Jobs, Duration::from_secs(3600)).await.unwrap());
    assert_eq!(catalog.claim(&claim).await.unwrap()[0].id, id);
}

async fn staged(catalog: &PostgresCatalog) -> AssetId {
    let (library, at) = (LibraryId::new(), SystemClock.now());
    let event = NewEvent::in_library(TENANT, library, "library.created", at, serde_json::json!({}));
    let (name, owner) = (String::from("shop"), String::from("host"));
    let (recipe, store) = (Recipe::standard(), StoreName::DEFAULT);
    let new =
        NewLibrary { id: library, tenant: TENANT, name, owner, recipe, store: store.clone(), at, event };
    catalog.create_library(new).await.unwrap();
    let (id, blob, intent) = (AssetId::new(), BlobId::new(), IntentId::new());
    let key = BlobKey::original(TENANT, blob);
    let opened = Intent { id: intent, tenant: TENANT, store: store.clone(), key: key.clone() };
    let (sha256, content_type) = (Sha256([7; 32]), String::from("image/jpeg"));
    catalog.open_intent(&opened, Duration::from_secs(60)).await.unwrap();
    let new = NewAsset {
        intent,
        id,
        tenant: TENANT,
        library,
        owner: String::from("host"),
        name: String::from("chair.jpg"),
        kind: None,
        blob: Blob { id: blob, store, key, size: 1, sha256, content_type },
        state: AssetState::Staged,
        failure: None,
        taken_at: at,
        expires_after: Some(Duration::from_secs(60)),
        idempotency_key: None,
        at,
        jobs: Vec::new(),
        events: Vec::new(),
    };
    catalog.commit_ingest(new).await.unwrap().asset.id
}

/// Tables and indexes that are there, beside the system's.
async fn relations(pool: &PgPool) -> BTreeSet<String> {
    let rows = sqlx::query("SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        .fetch_all(pool)
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// In a database that is somebody else's, ours stands beside theirs, and theirs stays as it was.
#[tokio::test]
async fn a_guest_touches_nothing_of_its_host() {
    let database = database();
    let pool = PgPool::connect(&database.url()).await.unwrap();
    for theirs in ["users", "jobs", "events", "sessions", "_sqlx_migrations"] {
        let create = format!(
            "CREATE TABLE {theirs} (version bigint PRIMARY KEY, data text); INSERT INTO {theirs} VALUES (1, 'theirs')"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&pool).await.unwrap();
    }
    let theirs = relations(&pool).await;

    let catalog = PostgresCatalog::from_pool(pool.clone());
    assert_eq!(catalog.check().await.unwrap_err().code(), "schema_outdated");
    assert_eq!(relations(&pool).await, theirs, "nothing is made before it is asked for");
    catalog.migrate().await.unwrap();
    catalog.check().await.unwrap();
    staged(&catalog).await;

    let ours: BTreeSet<String> = relations(&pool).await.difference(&theirs).cloned().collect();
    assert!(ours.contains("medianest_assets"));
    assert!(ours.iter().all(|name| name.starts_with("medianest_")), "{ours:?}");
    let others = sqlx::query(
        "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace \
         AND NOT starts_with(proname, 'medianest_') UNION ALL SELECT count(*) - 1 FROM pg_extension",
    );
    assert!(others.fetch_all(&pool).await.unwrap().iter().all(|row| row.get::<i64, _>(0) == 0));
    for table in ["users", "jobs", "events", "sessions", "_sqlx_migrations"] {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT data FROM {table}"))).fetch_all(&pool);
        assert_eq!(rows.await.unwrap().iter().map(|row| row.get(0)).collect::<Vec<String>>(), ["theirs"]);
    }

    catalog.close().await;
    assert_eq!(catalog.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(sqlx::query("SELECT 1").execute(&pool).await.is_ok(), "the pool of the host was closed");
}

/// The asset belongs to the host's row when, and only when, that is committed.
#[tokio::test]
async fn attaching_joins_the_transaction_of_the_host() {
    let (catalog, database) = migrated().await;
    let pool = PgPool::connect(&database.url()).await.unwrap();
    sqlx::query("CREATE TABLE products (id bigint PRIMARY KEY)").execute(&pool).await.unwrap();
    let asset = staged(&catalog).await;
    let visible = Visibility::all(TENANT);
    for commit in [false, true] {
        let mut transaction = pool.begin().await.unwrap();
        sqlx::query("INSERT INTO products VALUES (42)").execute(&mut *transaction).await.unwrap();
        PostgresCatalog::attach_in(&mut transaction, &visible, asset, "products/42").await.unwrap();
        let taken = PostgresCatalog::attach_in(&mut transaction, &visible, asset, "products/43").await;
        assert_eq!(taken.unwrap_err().code(), "asset_attached");
        let missing =
            PostgresCatalog::attach_in(&mut transaction, &visible, AssetId::new(), "products/42").await;
        assert_eq!(missing.unwrap_err().code(), "asset_not_found");
        if commit {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        let row = catalog.get_asset(&visible, asset).await.unwrap().unwrap();
        let target = commit.then_some("products/42");
        assert_eq!((row.attached_to.as_deref(), row.expires_at.is_none()), (target, commit));
    }
}

/// D8: any number of processes may migrate an empty database at the same time.
#[tokio::test]
async fn migrating_at_the_same_time_happens_once() {
    let database = database();
    let url = database.url();
    let processes = (0..6).map(|_| async {
        let catalog = PostgresCatalog::connect(&url).await.unwrap();
        catalog.migrate().await.unwrap();
        catalog.check().await.unwrap();
        catalog
    });
    let catalogs = join_all(processes).await;
    drop(catalogs);
}

/// Connections that died are replaced, and nobody who calls learns of it.
#[tokio::test]
async fn lost_connections_are_replaced() {
    let (catalog, database) = migrated().await;
    let killer = PgPool::connect(&database.url()).await.unwrap();
    for _ in 0..3 {
        join_all((0..8).map(|_| catalog.queue_stats()))
            .await
            .into_iter()
            .for_each(|stats| drop(stats.unwrap()));
        sqlx::query(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = 'medianest'",
        )
        .execute(&killer)
        .await
        .unwrap();
        catalog.set_paused(JobKind::Render, true).await.unwrap();
        catalog.check().await.unwrap();
    }
}

/// What is kept between two commands takes nothing from those who use the pool, and is given back at the end.
#[tokio::test]
async fn connections_between_commands_are_in_nobodys_way() {
    let database = database();
    let mut options = PostgresOptions::default();
    options.max_connections = 3;
    let catalog = PostgresCatalog::connect_with(&database.url(), &options).await.unwrap();
    catalog.migrate().await.unwrap();
    let stats = async || {
        let all = join_all((0..16).map(|_| catalog.queue_stats())).await;
        all.into_iter().for_each(|stats| drop(stats.unwrap()));
    };
    stats().await;
    let others = (catalog.pool().acquire().await.unwrap(), catalog.pool().acquire().await.unwrap());
    stats().await;
    drop(others);
    tokio::time::timeout(Duration::from_secs(30), catalog.close()).await.expect("closing ends");
    assert_eq!(catalog.queue_stats().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

/// A program may drop its catalog after its runtime.
#[test]
fn a_catalog_may_outlive_its_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (catalog, database) = runtime.block_on(async {
        let (catalog, database) = migrated().await;
        catalog.queue_stats().await.unwrap();
        (catalog, database)
    });
    drop(runtime);
    drop(catalog);
    drop(database);
}

/// Which of the rows have a word.
type Has = fn(i64) -> bool;

/// Words of all frequencies.
const WORDS: &[(&str, Has)] = &[
    ("always", |_| true),
    ("often", |n| n % 3 == 0),
    ("sometimes", |n| n % 97 == 0),
    ("seldom", |n| n % 1009 == 0),
    ("once", |n| n == 77),
    ("before", |n| n < 2_000),
    ("long", |n| n < 40),
    ("lately", |n| n > 405_000),
    ("again", |n| !(404_976..=405_982).contains(&n)),
];
/// Rows in stretches that lie far apart, every 31st in the library that has few.
const NUMBERS: [std::ops::Range<i64>; 4] = [10..3_000, 100_000..103_000, 401_300..401_500, 403_000..406_000];
const FEW: i64 = 31;

fn numbered(n: i64) -> AssetId {
    AssetId::from_uuid(uuid::Uuid::from_u128(n as u128))
}

/// Whatever way a search takes, it finds the newest first, and all of them.
#[tokio::test]
async fn a_search_finds_all_of_the_newest_however_frequent_they_are() {
    let (catalog, _database) = migrated().await;
    let (many, few) = (staged(&catalog).await, staged(&catalog).await);
    let library =
        async |id| catalog.get_asset(&Visibility::all(TENANT), id).await.unwrap().unwrap().library_id;
    let (many, few) = (library(many).await, library(few).await);
    sqlx::raw_sql("DELETE FROM medianest_search").execute(catalog.pool()).await.unwrap();
    let numbers: Vec<i64> = NUMBERS.into_iter().flatten().collect();
    let texts = |n: &i64| {
        WORDS.iter().filter(|(_, has)| has(*n)).map(|(word, _)| *word).collect::<Vec<_>>().join(" ")
    };
    let texts: Vec<String> = numbers.iter().map(texts).collect();
    sqlx::query(
        "INSERT INTO medianest_assets OVERRIDING SYSTEM VALUE SELECT (jsonb_populate_record(a, jsonb_build_object( \
         'seq', n, 'id', lpad(to_hex(n), 32, '0')::uuid, 'name', 'a.jpg', 'search_text', text, \
         'library_id', CASE WHEN n % $3 = 0 THEN $4 ELSE $5 END))).* \
         FROM unnest($1::bigint[], $2::text[]) AS new (n, text), \
         medianest_assets AS a WHERE a.seq = (SELECT min(seq) FROM medianest_assets)",
    )
    .bind(&numbers)
    .bind(&texts)
    .bind(FEW)
    .bind(few.as_uuid())
    .bind(many.as_uuid())
    .execute(catalog.pool())
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO medianest_search SELECT seq, array_to_tsvector(array_agg(DISTINCT \
         right(replace(tenant::text, '-', ''), 8) || token)) FROM medianest_assets, \
         LATERAL (SELECT 'w' || word AS token FROM regexp_split_to_table(search_text, ' ') AS word \
         UNION ALL SELECT 'l' || replace(library_id::text, '-', '')) AS tokens WHERE seq >= 10 GROUP BY seq",
    )
    .execute(catalog.pool())
    .await
    .unwrap();
    sqlx::raw_sql("ANALYZE medianest_search").execute(catalog.pool()).await.unwrap();
    for (library, limits) in [(None, [21, 200]), (Some(many), [21, 200]), (Some(few), [7, 21])] {
        let within = |n: &i64| library.is_none_or(|library| (library == few) == (n % FEW == 0));
        for (word, has) in WORDS {
            let expected = numbers.iter().rev().filter(|n| has(**n) && within(n)).map(|n| numbered(*n));
            let expected: Vec<AssetId> = expected.collect();
            for limit in limits {
                let query = SearchQuery { text: (*word).to_owned(), library, ..SearchQuery::default() };
                let (mut found, mut cursor) = (Vec::new(), None);
                // The first pages, and those around the gaps.
                while found.len() < 1_500 {
                    let page = PageRequest::new(Some(limit), cursor).unwrap();
                    let page = catalog.search(&Visibility::all(TENANT), &query, &page).await.unwrap();
                    found.extend(page.items.iter().map(|asset| asset.id));
                    cursor = page.next_cursor;
                    if cursor.is_none() {
                        break;
                    }
                }
                let all = cursor.is_none();
                let seen = &expected[..found.len().min(expected.len())];
                assert!(found == seen, "{word} in {library:?} by pages of {limit}: {found:?} for {seen:?}");
                assert!(!all || found.len() == expected.len(), "{word} in {library:?}: {}", found.len());
            }
        }
    }
}

/// Cursors are not signed: one that names the first or the last number there can be is as good as any.
#[tokio::test]
async fn a_search_may_go_on_from_any_number() {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

    let (catalog, _database) = migrated().await;
    let asset = staged(&catalog).await;
    for (number, found) in [(i64::MIN, vec![]), (i64::MIN + 63, vec![]), (0, vec![]), (i64::MAX, vec![asset])]
    {
        let place = [&b"s"[..], &[0; 16], &number.to_be_bytes()].concat();
        let page = PageRequest::new(Some(5), Some(BASE64_URL_SAFE_NO_PAD.encode(place))).unwrap();
        let query = SearchQuery { text: String::from("chair"), ..SearchQuery::default() };
        let page = catalog.search(&Visibility::all(TENANT), &query, &page).await.unwrap();
        assert_eq!(page.items.iter().map(|asset| asset.id).collect::<Vec<_>>(), found, "before {number}");
    }
}

#[tokio::test]
async fn nobody_at_the_url_is_unavailable() {
    let error = PostgresCatalog::connect("postgres://nobody@127.0.0.1:1/nothing").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    let error = PostgresCatalog::connect("mysql://").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidInput, "invalid_database_url"));
}

/// A wake-up reaches other processes, also after the connection that listens was lost.
#[tokio::test]
async fn wake_ups_go_from_process_to_process() {
    let (here, database) = migrated().await;
    let there = PostgresCatalog::connect(&database.url()).await.unwrap();
    let (here_bus, there_bus) =
        (PostgresBus::start(here.pool().clone()), PostgresBus::start(there.pool().clone()));
    let mut woken = there_bus.subscribe(Topic::Jobs);
    for _ in 0..2 {
        // The other may not listen yet: who waits is told again, as by the next job.
        let telling = async {
            loop {
                here_bus.wake(Topic::Jobs);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = telling => {}
            told = woken.next() => assert_eq!(told, Some(())),
        }
        sqlx::query(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
             WHERE datname = current_database() AND query LIKE 'LISTEN%'",
        )
        .execute(here.pool())
        .await
        .unwrap();
    }
}
