//! D7: [`SqliteCatalog`] while its file is in trouble: another process in it, no room, no right to write, a process that
//! is killed.
#![cfg(feature = "sqlite")]

use medianest_core::{
    AssetId, ErrorKind, JobId, JobKind, JobPayload, NewJob, RenditionId, Result, TenantId,
    catalog::{Catalog, JobCatalog},
};
use medianest_storage::SqliteCatalog;
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const TENANT: TenantId = TenantId::DEFAULT;

async fn open(path: &Path) -> SqliteCatalog {
    let catalog = SqliteCatalog::open(path).await.unwrap();
    catalog.migrate().await.unwrap();
    catalog
}

/// A job of some size is written, and told when it is durable.
async fn write(catalog: &SqliteCatalog) -> Result<JobId> {
    let mut job = NewJob::new(TENANT, JobKind::Render, AssetId::new());
    job.payload = JobPayload { renditions: vec![RenditionId::new(); 100] };
    let id = job.id;
    catalog.enqueue(&[job]).await.map(|()| id)
}

async fn are_all_there(catalog: &SqliteCatalog, told: &[JobId]) {
    for id in told {
        assert!(catalog.get_job(TENANT, *id).await.unwrap().is_some(), "{id} was lost");
    }
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

async fn is_sound(path: &Path) {
    let mut raw = raw(path).await;
    let check: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut raw).await.unwrap();
    assert_eq!(check, "ok");
    raw.close().await.unwrap();
}

/// This program again, to run one test with `variable` set.
fn again(test: &str, variable: &str, value: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(variable, value);
    command
}

/// The jobs that a child says are durable, as it says so.
fn told(child: &mut Child) -> impl Iterator<Item = JobId> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(std::result::Result::ok);
    lines.filter_map(|line| line.strip_prefix("wrote ")?.parse().ok())
}

#[expect(clippy::print_stdout, reason = "the process that started this one reads it")]
async fn write_for_ever(path: &Path) {
    let catalog = open(path).await;
    loop {
        println!("wrote {}", write(&catalog).await.unwrap());
    }
}

/// Both write, neither is refused; one is killed in the middle, and what both were told is there.
#[tokio::test]
async fn d7_two_processes_write_one_file_and_one_is_killed() {
    const FILE: &str = "MEDIANEST_TEST_SHARES";
    if let Some(path) = std::env::var_os(FILE) {
        return write_for_ever(Path::new(&path)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nest.db");
    let catalog = open(&path).await;
    let mut ours = Vec::new();
    for kill_after in [1, 20, 60] {
        let mut command = again("d7_two_processes_write_one_file_and_one_is_killed", FILE, &path);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = told(&mut child);
        let theirs = tokio::task::spawn_blocking(move || {
            let theirs: Vec<_> = lines.by_ref().take(kill_after).collect();
            // It is to die of the signal, not because nobody reads it any more.
            (theirs, lines)
        });
        while !theirs.is_finished() {
            ours.push(write(&catalog).await.unwrap());
        }
        let (theirs, lines) = theirs.await.unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        drop(lines);
        assert_eq!(theirs.len(), kill_after);
        are_all_there(&catalog, &theirs).await;
        ours.push(write(&catalog).await.unwrap());
    }
    are_all_there(&catalog, &ours).await;
    catalog.close().await;
    is_sound(&path).await;
}

/// `SQLITE_BUSY`: who finds the file locked waits for five seconds, and is then told so; reading goes on.
#[tokio::test]
async fn d7_a_file_that_stays_locked_is_called_busy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nest.db");
    let catalog = open(&path).await;
    let id = write(&catalog).await.unwrap();
    let mut other = raw(&path).await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let begun = Instant::now();
    let there = [id];
    let (written, ()) = tokio::join!(write(&catalog), are_all_there(&catalog, &there));
    let error = written.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "database_busy"));
    assert!(begun.elapsed() >= Duration::from_secs(4), "it did not wait: {:?}", begun.elapsed());
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    write(&catalog).await.unwrap();
    catalog.close().await;
    is_sound(&path).await;
}

/// Runs the rest of a test with a small file system of its own, which it may fill and lock.
fn on_a_small_disk(test: &str, variable: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(variable) {
        return Some(folder.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new("unshare");
    // As another user, so that nobody has to be root; gone with the process.
    child
        .args(["-rm", "sh", "-c", "mount -t tmpfs -o size=4m none \"$0\" && exec \"$@\""])
        .arg(folder.path());
    child.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    let output = child.env(variable, folder.path()).output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(output.status.success(), "{}", said.join("\n"));
    assert!(said[0].contains("1 passed"), "{}", said.join("\n"));
    None
}

/// A full disk is called so; nothing that was told is lost, reading goes on, and writing when there is room again.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn d7_a_full_disk_is_called_so() {
    let Some(folder) = on_a_small_disk("d7_a_full_disk_is_called_so", "MEDIANEST_TEST_FULL_DISK") else {
        return;
    };
    let (path, ballast) = (folder.join("nest.db"), folder.join("ballast"));
    std::fs::write(&ballast, vec![0; 1 << 20]).unwrap();
    let catalog = open(&path).await;
    let mut told = Vec::new();
    let refused = loop {
        match write(&catalog).await {
            Ok(id) => told.push(id),
            Err(error) => break error,
        }
    };
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::StorageFull, "storage_full"), "{refused:?}");
    assert!(told.len() > 10, "only {} were written", told.len());
    for _ in 0..5 {
        assert_eq!(write(&catalog).await.unwrap_err().code(), "storage_full");
    }
    are_all_there(&catalog, &told).await;
    catalog.check().await.unwrap();

    std::fs::remove_file(&ballast).unwrap();
    for _ in 0..10 {
        told.push(write(&catalog).await.unwrap());
    }
    are_all_there(&catalog, &told).await;
    catalog.close().await;
    is_sound(&path).await;
}

/// A file that may not be written is refused with what to do, and is as it was when it may be again.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn d7_a_read_only_file_is_called_so() {
    let Some(folder) = on_a_small_disk("d7_a_read_only_file_is_called_so", "MEDIANEST_TEST_READ_ONLY") else {
        return;
    };
    let remount = |how: &str| {
        let status =
            Command::new("mount").args(["-o", &format!("remount,{how},size=4m")]).arg(&folder).status();
        assert!(status.unwrap().success(), "{how}");
    };
    let path = folder.join("nest.db");
    let catalog = open(&path).await;
    let id = write(&catalog).await.unwrap();
    catalog.close().await;

    remount("ro");
    let refused = match SqliteCatalog::open(&path).await {
        Ok(catalog) => write(&catalog).await.unwrap_err(),
        Err(error) => error,
    };
    // Which of the two depends on whether the files beside it are there.
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused:?}");
    assert!(["database_unavailable", "database_read_only"].contains(&refused.code()), "{refused:?}");
    remount("rw");
    let catalog = open(&path).await;
    are_all_there(&catalog, &[id]).await;
    write(&catalog).await.unwrap();
    catalog.close().await;
    is_sound(&path).await;
}
