//! What holds when all is calm again: I1 to I8, each by a function of its own that says what is wrong.

use crate::{client::Client, expected::Outcome, health::Witness, load::Acknowledged, reader::position};
use futures::{StreamExt, TryStreamExt, stream};
use medianest_testkit::s3::Bucket;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

pub(crate) type Holds = Result<(), String>;

/// Asks a database for one value.
pub(crate) type Ask<'a> = &'a dyn Fn(&str) -> String;

/// Rows of PostgreSQL as JSON.
pub(crate) fn rows(ask: Ask<'_>, query: &str) -> Vec<Value> {
    serde_json::from_str(&ask(&format!("SELECT coalesce(json_agg(r), '[]') FROM ({query}) r"))).unwrap()
}

fn none(what: &str, found: &[Value]) -> Holds {
    match found {
        [] => Ok(()),
        found => Err(format!("{what}: {} of them, such as {}", found.len(), found[0])),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// I1: each original that was acknowledged, and not deleted, comes back bit for bit.
pub(crate) async fn i1_nothing_acknowledged_is_lost(client: &Client, acknowledged: &[Acknowledged]) -> Holds {
    let kept = acknowledged.iter().filter(|upload| !upload.trashed);
    let checks = stream::iter(kept.map(|upload| async move {
        let (status, bytes) = client.bytes(&format!("/assets/{}/content", upload.id)).await;
        let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        match status == 200 && sha256 == upload.sha256 {
            true => Ok(()),
            false => Err(format!(
                "{} ({}) is answered with {status} and {} bytes",
                upload.name,
                upload.id,
                bytes.len()
            )),
        }
    }));
    checks.buffer_unordered(8).try_collect().await
}

/// I2: nothing is on its way any more; and what was deleted stays so.
pub(crate) fn i2_nothing_is_stuck(ask: Ask<'_>) -> Holds {
    let stuck = "SELECT id, name, state, created_at FROM medianest_assets \
                 WHERE state NOT IN ('ready', 'failed', 'quarantined') OR trashed";
    none("assets are stuck", &rows(ask, stuck))?;
    let waiting = "SELECT id, kind, state, attempt, crashes, failures, failure_code, worker, run_at \
                   FROM medianest_jobs WHERE state IN ('queued', 'running')";
    none("jobs are stuck", &rows(ask, waiting))
}

/// I3: no object without its row, no row without its object, nothing that waits to be deleted. Nothing is
/// retained here: trash, tombstones and unfinished uploads are over by now. Apart are parts of multipart
/// uploads that died with a process: they are kept for a day, and each is noted.
pub(crate) fn i3_nothing_is_left_over(ask: Ask<'_>, bucket: &Bucket) -> Holds {
    none("uploads are left unfinished", &rows(ask, "SELECT * FROM medianest_intents"))?;
    none("blobs wait to go", &rows(ask, "SELECT * FROM medianest_blobs WHERE state <> 'live'"))?;
    let unused = "SELECT * FROM medianest_blobs b WHERE NOT EXISTS \
                  (SELECT FROM medianest_assets a WHERE a.blob_id = b.id)";
    none("blobs have no asset", &rows(ask, unused))?;
    let replaced = "SELECT id, variant FROM medianest_renditions WHERE state = 'tombstoned'";
    none("renditions wait to go", &rows(ask, replaced))?;
    let orphans = "SELECT id, variant FROM medianest_renditions r WHERE NOT EXISTS \
                   (SELECT FROM medianest_assets a WHERE a.id = r.asset_id)";
    none("renditions have no asset", &rows(ask, orphans))?;

    let expected =
        rows(ask, "SELECT key, size FROM medianest_blobs UNION ALL SELECT key, size FROM medianest_parts");
    let expected: BTreeMap<_, _> =
        expected.iter().map(|row| (text(&row["key"]), row["size"].as_u64())).collect();
    let mut stored = objects(bucket);
    let notes: Vec<_> = stored.extract_if(.., |key, _| key.starts_with("@unfinished/")).collect();
    let unfinished = bucket.unfinished_uploads();
    if unfinished > notes.len() {
        return Err(format!("{unfinished} multipart uploads are unfinished, and {} are noted", notes.len()));
    }
    let left: Vec<_> = stored.keys().filter(|key| !expected.contains_key(*key)).collect();
    if !left.is_empty() {
        return Err(format!("objects have no row: {left:?}"));
    }
    let differs = |(key, size): &(&String, &Option<u64>)| stored.get(*key).copied() != **size;
    match expected.iter().find(differs) {
        Some((key, size)) => {
            Err(format!("a row has {size:?} bytes at {key}, the store {:?}", stored.get(key)))
        }
        None => Ok(()),
    }
}

/// The objects of a bucket with their sizes: a full listing.
pub(crate) fn objects(bucket: &Bucket) -> BTreeMap<String, u64> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, u64>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => walk(root, &path, found),
                Ok(metadata) => {
                    let key = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                    found.insert(key, metadata.len());
                }
                // Deleted meanwhile.
                Err(_) => {}
            }
        }
    }
    let (root, mut found) = (bucket.folder(), BTreeMap::new());
    walk(&root, &root, &mut found);
    found
}

/// I4: each job ended once, where it can be seen; each file came to what is known of it, and was made once and
/// whole. What was in a worker that died three times may have been set aside.
pub(crate) fn i4_all_was_done_once(ask: Ask<'_>, acknowledged: &[Acknowledged]) -> Holds {
    let odd = "SELECT id, kind, state, failure_code FROM medianest_jobs WHERE \
               state NOT IN ('done', 'cancelled', 'dead') OR finished_at IS NULL";
    none("jobs have not ended", &rows(ask, odd))?;
    let twice = "SELECT asset_id, variant, count(*) FROM medianest_renditions WHERE state = 'ready' \
                 GROUP BY asset_id, variant HAVING count(*) > 1";
    none("variants are there twice", &rows(ask, twice))?;
    let halves = "SELECT r.id, r.variant, r.size, count(p), max(p.ordinal), sum(p.size) FROM medianest_renditions r \
                  LEFT JOIN medianest_parts p ON p.rendition_id = r.id WHERE r.state = 'ready' GROUP BY r.id \
                  HAVING count(p) = 0 OR max(p.ordinal) + 1 <> count(p) OR sum(p.size) <> r.size";
    none("renditions are not whole", &rows(ask, halves))?;

    let assets = rows(
        ask,
        "SELECT id, state, failure_code, (SELECT max(crashes) FROM medianest_jobs j WHERE j.asset_id = a.id) AS crashes, \
         (SELECT count(*) FROM medianest_renditions r WHERE r.asset_id = a.id AND r.state = 'ready') AS ready \
         FROM medianest_assets a",
    );
    let assets: BTreeMap<_, _> = assets.into_iter().map(|row| (text(&row["id"]), row)).collect();
    let mut ids = BTreeSet::new();
    for upload in acknowledged {
        if !ids.insert(&upload.id) {
            return Err(format!("two uploads were given the asset {}", upload.id));
        }
        let row = match (assets.get(&upload.id), upload.trashed) {
            (None, true) => continue,
            (Some(row), true) => return Err(format!("{} was deleted, and is {row}", upload.name)),
            (None, false) => return Err(format!("{} ({}) has no row", upload.name, upload.id)),
            (Some(row), false) => row,
        };
        let became = match (row["state"].as_str().unwrap(), row["failure_code"].as_str()) {
            ("ready", _) => row["ready"].as_u64() > Some(0) && upload.outcome == Outcome::Ready,
            ("failed", Some(code)) => matches!(upload.outcome, Outcome::Failed(expected) if expected == code),
            ("quarantined", Some("worker_lost")) => row["crashes"].as_u64() >= Some(3),
            ("quarantined", Some(code)) => {
                matches!(upload.outcome, Outcome::Quarantined(expected) if expected == code)
            }
            _ => false,
        };
        if !became {
            return Err(format!("{} should be {:?}, and is {row}", upload.name, upload.outcome));
        }
    }
    match assets.len() == acknowledged.iter().filter(|upload| !upload.trashed).count() {
        true => Ok(()),
        false => Err(format!("{} assets are there that nobody was told of", assets.len())),
    }
}

/// I5: who reads the event log from its beginning, through processes that die, misses nothing and sees nothing
/// twice; and each asset is told of once. (Webhooks will be told of the same entries, with the same ids, when
/// there are any: what reads the log stands here in their stead.)
pub(crate) fn i5_events_are_told_once(ask: Ask<'_>, told: &[Value], acknowledged: &[Acknowledged]) -> Holds {
    let gap = told.iter().map(position).zip(1..).find(|(position, expected)| position != expected);
    if let Some((position, expected)) = gap {
        return Err(format!("after event {} came {position}", expected - 1));
    }
    let log = rows(ask, "SELECT id FROM medianest_events ORDER BY position");
    let same = log.len() == told.len() && log.iter().zip(told).all(|(row, event)| row["id"] == event["id"]);
    if !same {
        return Err(format!("the log has {} events, and the reader was told of {}", log.len(), told.len()));
    }
    let mut ends: BTreeMap<(String, String), u32> = BTreeMap::new();
    for event in told {
        *ends.entry((text(&event["data"]["asset_id"]), text(&event["kind"]))).or_default() += 1;
    }
    for upload in acknowledged {
        let times = |kind: &str| ends.get(&(upload.id.clone(), kind.to_owned())).copied().unwrap_or(0);
        if times("asset.created") != 1 {
            return Err(format!("{} was told of {} times", upload.id, times("asset.created")));
        }
        let ended = times("asset.ready") + times("asset.failed") + times("asset.quarantined");
        if ended != 1 && !upload.trashed || times("asset.deleted") != u32::from(upload.trashed) {
            return Err(format!("{} ({}) was told of as ended {ended} times", upload.id, upload.name));
        }
    }
    Ok(())
}

/// I6: no answer showed what is inside, nobody was told of an error of ours, and who is to come back was told so.
pub(crate) fn i6_nobody_saw_the_inside(complaints: &[String]) -> Holds {
    match complaints {
        [] => Ok(()),
        some => Err(format!(
            "{} answers, such as: {}",
            some.len(),
            some.join("\n").chars().take(4000).collect::<String>()
        )),
    }
}

/// I7: each process said what was away while it was away, and that it was back.
pub(crate) fn i7_readiness_told_the_truth(witness: &Witness) -> Holds {
    match (&witness.lies[..], witness.truths) {
        ([], 0) => Err(String::from("nobody was asked")),
        ([], _) => Ok(()),
        (lies, _) => Err(lies.join("\n")),
    }
}

/// I8, p95 of the requests of others below twice that of calm times, is about speed: told, never asserted.
pub(crate) fn i8_others_were_served((calm, before): (f64, usize), (turmoil, during): (f64, usize)) {
    eprintln!(
        "I8: a page of assets, p95: {calm:.0} ms in calm times ({before} requests), {turmoil:.0} ms in the turmoil \
         ({during}), {:.1} times as long",
        turmoil / calm
    );
}

/// How much was at stake.
pub(crate) fn what_came_of_it(ask: Ask<'_>) -> String {
    ask(
        "SELECT format('%s assets, %s renditions, %s parts; %s jobs, of which %s were begun more than once and %s lost a \
         worker; %s events', (SELECT count(*) FROM medianest_assets), (SELECT count(*) FROM medianest_renditions), \
         (SELECT count(*) FROM medianest_parts), count(*), count(*) FILTER (WHERE attempt > 1), \
         count(*) FILTER (WHERE failure_code = 'worker_lost'), (SELECT count(*) FROM medianest_events)) FROM medianest_jobs",
    )
}
