//! [`SqliteCatalog`], in a file and in memory.
#![cfg(feature = "sqlite")]

use futures::future::join_all;
use medianest_core::{
    AssetId, AssetState, Blob, BlobId, BlobKey, Clock, ErrorKind, Fingerprint, IntentId, Job, JobId, JobKind,
    JobPayload, JobState, LibraryId, NewEvent, NewJob, PageRequest, Recipe, RenditionId, Resize, Sha256,
    StoreName, SystemClock, TenantId, Variant, VariantName, Visibility,
    catalog::{
        AssetCatalog, AssetQuery, Catalog, Claim, Declared, Intent, JobCatalog, JobQuery, NewAsset,
        NewLibrary, NewRendition,
    },
};
use medianest_storage::SqliteCatalog;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

const TENANT: TenantId = TenantId::DEFAULT;

async fn in_memory() -> SqliteCatalog {
    let catalog = SqliteCatalog::in_memory().await.unwrap();
    catalog.migrate().await.unwrap();
    catalog
}

async fn in_file() -> (SqliteCatalog, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let catalog = SqliteCatalog::open(folder.path().join("nest.db")).await.unwrap();
    catalog.migrate().await.unwrap();
    (catalog, folder)
}

medianest_core::catalog_tests!(memory, (in_memory().await, ()));
medianest_core::identity_tests!(memory_identity, (in_memory().await, ()));
medianest_core::catalog_tests!(file, in_file().await);
medianest_core::identity_tests!(file_identity, in_file().await);

async fn library(catalog: &SqliteCatalog) -> LibraryId {
    let (id, at) = (LibraryId::new(), SystemClock.now());
    let event = NewEvent::in_library(TENANT, id, "library.created", at, serde_json::json!({}));
    let (name, owner) = (String::from("holidays"), String::from("olga"));
    let (recipe, store) = (Recipe::standard(), StoreName::DEFAULT);
    let new = NewLibrary { id, tenant: TENANT, name, owner, recipe, store, at, event };
    catalog.create_library(new).await.unwrap().id
}

fn asset(library: LibraryId) -> NewAsset {
    let (id, blob, at) = (AssetId::new(), BlobId::new(), SystemClock.now());
    let mut sha256 = [0; 32];
    sha256[..16].copy_from_slice(blob.as_uuid().as_bytes());
    NewAsset {
        intent: IntentId::new(),
        id,
        tenant: TENANT,
        library,
        owner: String::from("olga"),
        name: String::from("photo.jpg"),
        kind: None,
        blob: Blob {
            id: blob,
            store: StoreName::DEFAULT,
            key: BlobKey::original(TENANT, blob),
            size: 7,
            sha256: Sha256(sha256),
            content_type: String::from("image/jpeg"),
        },
        state: AssetState::Processing,
        failure: None,
        taken_at: at,
        expires_after: None,
        idempotency_key: None,
        at,
        jobs: vec![NewJob::new(TENANT, JobKind::Understand, id)],
        events: vec![NewEvent::in_library(TENANT, library, "asset.created", at, serde_json::json!({}))],
    }
}

async fn open_intent(catalog: &SqliteCatalog, asset: &NewAsset) {
    let (store, key) = (StoreName::DEFAULT, asset.blob.key.clone());
    let intent = Intent { id: asset.intent, tenant: TENANT, store, key };
    catalog.open_intent(&intent, Duration::from_secs(3600)).await.unwrap();
}

/// Renditions of this variant, as many as asked for: two of them break a rule of the table.
fn declared(asset: AssetId, renditions: usize) -> Declared {
    let mut job = NewJob::new(TENANT, JobKind::Render, asset);
    let renditions: Vec<_> = (0..renditions)
        .map(|_| NewRendition {
            id: RenditionId::new(),
            variant: VariantName::new("small").unwrap(),
            definition: Variant::Image(Resize::fit(320, 320).webp(80)),
            fingerprint: Fingerprint::from_stored("1"),
            required: true,
            job: job.id,
        })
        .collect();
    job.payload.renditions = renditions.iter().map(|rendition| rendition.id).collect();
    Declared { renditions, jobs: vec![job], understand_again: false, at: None }
}

/// Commands that are committed together fail alone, and what they had written by then is undone.
#[tokio::test]
async fn a_command_that_fails_takes_none_of_its_group_along() {
    let (catalog, _folder) = in_file().await;
    let catalog = Arc::new(catalog);
    let library = library(&catalog).await;
    let writers = (0..100).map(|n| {
        let catalog = Arc::clone(&catalog);
        tokio::spawn(async move {
            let new = asset(library);
            open_intent(&catalog, &new).await;
            let id = catalog.commit_ingest(new).await.unwrap().asset.id;
            let (first, fails) = (declared(id, 1), n % 3 == 0);
            catalog.declare_renditions(id, first.clone()).await.unwrap();
            // By the time it fails, the first rendition has been replaced and its job called off.
            let second = declared(id, if fails { 2 } else { 1 });
            assert_eq!(catalog.declare_renditions(id, second.clone()).await.is_err(), fails);
            let (kept, gone) = if fails { (first, second) } else { (second, first) };
            let renditions = catalog.list_renditions(id).await.unwrap();
            assert_eq!(renditions.len(), 1);
            assert_eq!(renditions[0].id, kept.renditions[0].id);
            let state = |job: Option<Job>| job.map(|job| job.state);
            let of_kept = state(catalog.get_job(TENANT, kept.jobs[0].id).await.unwrap());
            let of_gone = state(catalog.get_job(TENANT, gone.jobs[0].id).await.unwrap());
            assert_eq!(of_kept, Some(JobState::Queued));
            assert_eq!(of_gone, (!fails).then_some(JobState::Cancelled));
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
}

/// A caller who goes away leaves a command that happened, or one that did not.
#[tokio::test]
async fn a_dropped_caller_leaves_no_half_command() {
    let (catalog, _folder) = in_file().await;
    let catalog = Arc::new(catalog);
    let library = library(&catalog).await;
    let mut jobs = Vec::new();
    for polls in 0..60 {
        let new = asset(library);
        open_intent(&catalog, &new).await;
        jobs.push((new.id, new.jobs[0].id));
        let mut ingest = Box::pin(catalog.commit_ingest(new));
        for _ in 0..polls % 4 {
            let _ = futures::poll!(&mut ingest);
            tokio::task::yield_now().await;
        }
    }
    // Behind all of them in the queue.
    catalog.set_paused(JobKind::Render, false).await.unwrap();
    for (asset, job) in jobs {
        let asset = catalog.get_asset(&Visibility::all(TENANT), asset).await.unwrap();
        assert_eq!(asset.is_some(), catalog.get_job(TENANT, job).await.unwrap().is_some());
    }
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

#[tokio::test]
async fn a_copy_is_whole_and_never_over_another_file() {
    let (catalog, folder) = in_file().await;
    let memory = in_memory().await;
    for (catalog, name) in [(&catalog, "file.db"), (&memory, "memory.db")] {
        let library = library(catalog).await;
        let path = folder.path().join(name);
        catalog.backup_to(&path).await.unwrap();
        let again = catalog.backup_to(&path).await.unwrap_err();
        assert_eq!((again.kind(), again.code()), (ErrorKind::Conflict, "backup_exists"));
        let copy = SqliteCatalog::open(&path).await.unwrap();
        copy.check().await.unwrap();
        assert!(copy.get_library(&Visibility::all(TENANT), library).await.unwrap().is_some());
        copy.close().await;
    }
}

/// D8: one that is too old, and one that a later program has changed so that this one cannot go on.
#[tokio::test]
async fn a_schema_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nest.db");
    let catalog = SqliteCatalog::open(&path).await.unwrap();
    assert_eq!(catalog.check().await.unwrap_err().code(), "schema_outdated");
    let listed = catalog.list_jobs(TENANT, &JobQuery::default(), &PageRequest::first()).await;
    assert_eq!(listed.unwrap_err().code(), "schema_outdated");
    catalog.migrate().await.unwrap();
    catalog.check().await.unwrap();
    let mut other = raw(&path).await;
    let later = async |other: &mut SqliteConnection, version: i64, works_for: i64| {
        sqlx::query("INSERT INTO medianest_migrations VALUES ($1, 'later', x'00', 0, $2)")
            .bind(version)
            .bind(works_for)
            .execute(other)
            .await
            .unwrap();
    };
    later(&mut other, 9998, 4).await;
    catalog.check().await.unwrap();
    catalog.migrate().await.unwrap();
    later(&mut other, 9999, 9999).await;
    assert_eq!(catalog.check().await.unwrap_err().code(), "schema_too_new");
    assert_eq!(catalog.migrate().await.unwrap_err().code(), "schema_too_new");
}

/// Lists, claims and searches walk along an index: none reads a whole table, none sorts one.
#[tokio::test]
async fn no_statement_of_every_day_scans_a_large_table() {
    let (catalog, folder) = in_file().await;
    catalog.close().await;
    let mut raw = raw(&folder.path().join("nest.db")).await;
    for (statement, walk) in [
        (
            "SELECT * FROM medianest_assets a JOIN medianest_blobs b ON b.id = a.blob_id WHERE a.tenant = ?1 \
             AND a.trashed = FALSE AND a.kind = ?2 AND (a.taken_at, a.id) < (?3, ?4) \
             ORDER BY a.taken_at DESC, a.id DESC LIMIT 21",
            "medianest_assets_taken",
        ),
        (
            "SELECT * FROM medianest_assets a WHERE a.tenant = ?1 AND a.library_id = ?2 AND a.trashed = TRUE \
             ORDER BY a.created_at, a.id LIMIT 21",
            "medianest_assets_library_added",
        ),
        (
            "SELECT id FROM medianest_jobs j WHERE j.state = 'queued' AND j.kind = ?1 AND j.run_at <= ?2 \
             ORDER BY j.priority DESC, j.run_at, j.id LIMIT 64",
            "medianest_jobs_queued",
        ),
        (
            "SELECT * FROM medianest_events e WHERE e.position > ?1 AND e.tenant = ?2 ORDER BY e.position LIMIT 100",
            "medianest_events_by_tenant",
        ),
        (
            "SELECT a.seq FROM medianest_search s CROSS JOIN medianest_assets a ON a.seq = s.rowid \
             WHERE s.medianest_search MATCH ?1 AND s.rowid < ?2 ORDER BY s.rowid DESC LIMIT 21",
            "VIRTUAL TABLE",
        ),
    ] {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
        let steps: Vec<String> =
            plan.fetch_all(&mut raw).await.unwrap().iter().map(|row| row.get("detail")).collect();
        let plan = steps.join("; ");
        assert!(plan.contains(walk), "{statement}: {plan}");
        assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN a"), "{statement}: {plan}");
    }
}

/// Kills a process that writes, at moments of its own, and looks what is left.
#[tokio::test]
async fn a_killed_writer_loses_nothing_it_was_told() {
    const FILE: &str = "MEDIANEST_TEST_WRITE_TO";
    if let Some(path) = std::env::var_os(FILE) {
        return write_for_ever(Path::new(&path)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nest.db");
    for acknowledged in [1, 7, 40] {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_killed_writer_loses_nothing_it_was_told", "--nocapture"])
            .env(FILE, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let told: Vec<(AssetId, JobId)> = lines
            .map_while(Result::ok)
            .filter_map(|line| {
                let (asset, job) = line.strip_prefix("stored ")?.split_once(' ')?;
                Some((asset.parse().unwrap(), job.parse().unwrap()))
            })
            .take(acknowledged)
            .collect();
        writer.kill().unwrap();
        writer.wait().unwrap();
        assert_eq!(told.len(), acknowledged);

        let catalog = SqliteCatalog::open(&path).await.unwrap();
        catalog.check().await.unwrap();
        for (asset, job) in told {
            assert!(catalog.get_asset(&Visibility::all(TENANT), asset).await.unwrap().is_some());
            assert!(catalog.get_job(TENANT, job).await.unwrap().is_some());
        }
        let (page, mut assets) = (PageRequest::new(Some(200), None).unwrap(), 0);
        for row in
            catalog.list_assets(&Visibility::all(TENANT), &AssetQuery::default(), &page).await.unwrap().items
        {
            let of_asset = JobQuery { asset: Some(row.id), ..JobQuery::default() };
            assert_eq!(catalog.list_jobs(TENANT, &of_asset, &page).await.unwrap().items.len(), 1);
            assets += 1;
        }
        assert!(assets >= acknowledged.min(200));
        catalog.close().await;
        let mut raw = raw(&path).await;
        let check: String = sqlx::query("PRAGMA integrity_check").fetch_one(&mut raw).await.unwrap().get(0);
        assert_eq!(check, "ok");
        sqlx::query("INSERT INTO medianest_search (medianest_search) VALUES ('integrity-check')")
            .execute(&mut raw)
            .await
            .unwrap();
        raw.close().await.unwrap();
    }
}

#[expect(clippy::print_stdout, reason = "the process that kills this one reads it")]
async fn write_for_ever(path: &Path) {
    let catalog = Arc::new(SqliteCatalog::open(path).await.unwrap());
    catalog.migrate().await.unwrap();
    let library = library(&catalog).await;
    let writers = (0..8).map(|_| {
        let catalog = Arc::clone(&catalog);
        tokio::spawn(async move {
            loop {
                let new = asset(library);
                open_intent(&catalog, &new).await;
                let job = new.jobs[0].id;
                let asset = catalog.commit_ingest(new).await.unwrap().asset.id;
                // Until the one who reads this is gone.
                println!("stored {asset} {job}");
            }
        })
    });
    join_all(writers).await;
}

/// Work goes on while others wait for the disk: many small commands at once, none lost.
#[tokio::test]
async fn many_workers_share_one_writer() {
    let (catalog, _folder) = in_file().await;
    let catalog = Arc::new(catalog);
    let workers = (0..16).map(|n| {
        let catalog = Arc::clone(&catalog);
        tokio::spawn(async move {
            let new = NewJob {
                id: JobId::new(),
                tenant: TENANT,
                kind: JobKind::Render,
                asset_id: None,
                library_id: None,
                payload: JobPayload::default(),
                priority: 0,
                run_at: None,
            };
            catalog.enqueue(std::slice::from_ref(&new)).await.unwrap();
            let claim = Claim {
                worker: format!("w{n}"),
                kinds: vec![JobKind::Render],
                ids: Some(vec![new.id]),
                limit: 1,
                lease: Duration::from_secs(60),
            };
            let claimed = catalog.claim(&claim).await.unwrap();
            assert_eq!(claimed.len(), 1);
            catalog.complete(&claimed[0].fence()).await.unwrap();
        })
    });
    for worker in join_all(workers).await {
        worker.unwrap();
    }
}
