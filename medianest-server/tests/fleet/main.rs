//! A fleet through turmoil: three API processes and two workers, the program itself, share PostgreSQL with a
//! streaming replica, Redis (a Cluster of six, or two behind a Sentinel) and S3. Clients put photos, videos, music
//! and attacks in, some of them twice, while processes and servers are killed, stopped and restarted by a seeded
//! schedule. When all is calm again the invariants I1 to I8 hold, each checked by its own function.
//!
//! `MEDIANEST_FLEET_SEED` repeats what was seen with a seed, `MEDIANEST_FLEET_UPLOADS` and `MEDIANEST_FLEET_KILLS`
//! make it longer. A run that fails leaves the logs of all processes in a folder, and prints which.
//!
//! The cases that reliability calls P1 to P15 are beside it, on a smaller cast.

mod cases;
mod cast;
mod client;
#[path = "../common/mod.rs"]
mod common;
#[path = "../corpus/expected.rs"]
#[expect(dead_code, reason = "what files are flagged with is looked at by the test of the corpus")]
mod expected;
mod files;
mod health;
mod invariants;
mod load;
mod process;
mod random;
mod reader;
mod schedule;
mod spoiled;

use cast::{Cast, Form};
use client::{Client, Complaints};
use common::PASSWORD;
use health::{Health, Witness};
use invariants::Holds;
use load::{Latencies, Uploads};
use random::Random;
use reqwest::Method;
use schedule::Schedule;
use serde_json::json;
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Whatever has not come about by then never does.
const NEVER: Duration = Duration::from_secs(300);

/// Waits for what `look` finds.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < NEVER, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is to be a number, not {text:?}")))
}

#[test]
fn a_fleet_over_a_cluster() {
    turmoil(Form::Cluster, 60, 2);
}

#[test]
fn a_fleet_behind_a_sentinel() {
    turmoil(Form::Sentinel, 24, 1);
}

fn turmoil(form: Form, uploads: usize, kills: usize) {
    // Each is enough for one machine.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = number("MEDIANEST_FLEET_SEED").unwrap_or(1);
    let count = number("MEDIANEST_FLEET_UPLOADS").map_or(uploads, |count| count as usize);
    let kills = number("MEDIANEST_FLEET_KILLS").map_or(kills, |kills| kills as usize);
    eprintln!("{form:?}: {count} uploads, {kills} kills of each sort, MEDIANEST_FLEET_SEED={seed}");
    let mut random = Random::new(seed);
    let logs = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fleet-{form:?}-{seed}"));
    let _ = std::fs::remove_dir_all(&logs);
    let mut cast = Cast::start(form, logs);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let mut witness = Witness::new(runtime.handle().clone());
    witness.all_say(&cast, "all have started", Health::Ready);

    let complaints = Arc::new(Complaints::default());
    let (admin, clients, library) = runtime.block_on(people(&cast, &complaints));
    let told = reader::Told::default();
    let reading = runtime.spawn(reader::read(Arc::clone(&admin), told.clone()));
    let latencies = Latencies::default();
    let measuring = runtime.spawn(latencies.clone().measure(Arc::clone(&clients[0])));
    until("calm times are measured", || (latencies.count() >= 20).then_some(()));
    let calm = latencies.take_p95();

    let files = files::files(count, &mut random);
    let uploads = Uploads::start(files, &clients, &library);
    Schedule::new(kills, &mut random).run(&mut cast, form, &uploads, count, &mut witness);
    witness.all_say(&cast, "all is over", Health::Ready);
    let acknowledged = runtime.block_on(uploads.finish());
    assert_eq!(acknowledged.len(), count, "each upload was acknowledged in the end");
    let turmoil = latencies.take_p95();
    measuring.abort();

    let ask = |query: &str| cast.postgres.ask(query);
    in_the_end("I2", || invariants::i2_nothing_is_stuck(&ask));
    in_the_end("I3", || invariants::i3_nothing_is_left_over(&ask, &cast.bucket));
    holds("I1", runtime.block_on(invariants::i1_nothing_acknowledged_is_lost(&admin, &acknowledged)));
    holds("I4", invariants::i4_all_was_done_once(&ask, &acknowledged));
    in_the_end("I5", || {
        let head = ask("SELECT head FROM medianest_event_log").parse::<u64>().unwrap();
        match told.position() {
            position if position == head => Ok(()),
            position => Err(format!("the reader is at {position} of {head}")),
        }
    });
    holds("I5", invariants::i5_events_are_told_once(&ask, &told.all(), &acknowledged));
    holds("I6", invariants::i6_nobody_saw_the_inside(&complaints.all()));
    holds("I7", invariants::i7_readiness_told_the_truth(&witness));
    invariants::i8_others_were_served(calm, turmoil);
    eprintln!("{}", invariants::what_came_of_it(&ask));
    runtime.block_on(spoiled::an_altered_original_is_noticed(&admin, &acknowledged));
    let told = told.all();
    reading.abort();
    cast.workers.iter_mut().chain(&mut cast.apis).for_each(process::Process::stop);
    // What processes tell of their end comes after what the reader was told.
    cast.postgres
        .sql(&format!("DELETE FROM medianest_events WHERE position IS NULL OR position > {}", told.len()));
    spoiled::is_noticed(&cast, &mut witness, &told, &acknowledged);
}

/// The administrator, four who put something in, and the library that they share.
async fn people(cast: &Cast, complaints: &Arc<Complaints>) -> (Arc<Client>, Vec<Arc<Client>>, String) {
    let urls = cast.urls();
    let admin = Client::sign_in("admin", &urls, complaints).await;
    let (status, library) = admin.send(Method::POST, "/libraries", json!({ "name": "fleet" })).await;
    assert_eq!(status, 201, "{library}");
    let library = library["id"].as_str().unwrap().to_owned();
    let path = format!("/libraries/{library}/recipe");
    // The standard recipe with one small and fast rung instead of the ladder.
    let (_, mut recipe) = admin.get(&path).await;
    let variants = recipe["variants"].as_object_mut().unwrap();
    variants.retain(|_, variant| variant["type"] != "video");
    variants.insert(
        "240p".into(),
        json!({ "type": "video", "lines": 240, "max_kbps": 800, "preset": "ultrafast" }),
    );
    let (status, answer) = admin.send(Method::PUT, &path, recipe).await;
    assert_eq!(status, 200, "{answer}");
    let mut clients = Vec::new();
    for login in ["ada", "bob", "cyd", "dan"] {
        let user = json!({ "login": login, "password": PASSWORD, "must_change_password": false });
        let (status, user) = admin.send(Method::POST, "/users", user).await;
        assert_eq!(status, 201, "{user}");
        let path = format!("/libraries/{library}/members/{}", user["id"].as_str().unwrap());
        let (status, member) = admin.send(Method::PUT, &path, json!({ "role": "editor" })).await;
        assert_eq!(status, 200, "{member}");
        clients.push(Arc::new(Client::sign_in(login, &urls, complaints).await));
    }
    (Arc::new(admin), clients, library)
}

/// After the recovery window at the latest.
fn in_the_end(name: &str, mut check: impl FnMut() -> Holds) {
    let began = Instant::now();
    loop {
        match check() {
            Ok(()) => break eprintln!("{name} holds after {:.0} s", began.elapsed().as_secs_f64()),
            Err(why) => assert!(began.elapsed() < NEVER, "{name} does not hold: {why}"),
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn holds(name: &str, held: Holds) {
    match held {
        Ok(()) => eprintln!("{name} holds"),
        Err(why) => panic!("{name} does not hold: {why}"),
    }
}
