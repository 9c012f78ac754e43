//! Whether the checks would have noticed: what they look at is spoiled, one thing after the other.

use crate::{
    cast::Cast,
    client::Client,
    health::Witness,
    invariants::{self, Ask, Holds},
    load::Acknowledged,
};
use medianest_testkit::postgres::Server as Postgres;
use serde_json::Value;

fn noticed(what: &str, held: Holds) {
    assert!(held.is_err(), "{what}, and nobody noticed");
}

/// Does something to the rows, for as long as `check` looks.
fn with_rows(postgres: &Postgres, what: &str, change: &str, back: &str, check: impl FnOnce() -> Holds) {
    postgres.sql(change);
    let held = check();
    postgres.sql(back);
    noticed(what, held);
}

/// Call this when all invariants hold, and nobody works any more.
pub(crate) fn is_noticed(cast: &Cast, witness: &mut Witness, told: &[Value], acknowledged: &[Acknowledged]) {
    let (ask, postgres): (Ask<'_>, _) = (&|query| cast.postgres.ask(query), &cast.postgres);
    let i2 = || invariants::i2_nothing_is_stuck(ask);
    let i3 = || invariants::i3_nothing_is_left_over(ask, &cast.bucket);
    let i4 = || invariants::i4_all_was_done_once(ask, acknowledged);
    let job = "UPDATE medianest_jobs SET state";
    let one = "WHERE id = (SELECT min(id::text)::uuid FROM medianest_jobs WHERE finished_at IS NOT NULL)";
    with_rows(
        postgres,
        "a job waits",
        &format!("{job} = 'queued' {one}"),
        &format!("{job} = 'done' {one}"),
        i2,
    );

    let (key, _) = invariants::objects(&cast.bucket).pop_last().unwrap();
    let (object, moved) = (cast.bucket.folder().join(key), cast.bucket.folder().join("moved"));
    std::fs::rename(&object, &moved).unwrap();
    noticed("an object is elsewhere", i3());
    std::fs::rename(&moved, &object).unwrap();
    std::fs::write(&moved, "left over").unwrap();
    noticed("an object is left over", i3());
    std::fs::remove_file(&moved).unwrap();

    let part = "UPDATE medianest_parts SET ordinal = ordinal";
    with_rows(postgres, "parts are not whole", &format!("{part} + 1000"), &format!("{part} - 1000"), i4);
    let state = "UPDATE medianest_assets SET state";
    let one = "WHERE seq = (SELECT min(seq) FROM medianest_assets WHERE state = 'ready')";
    let back = "WHERE failure_code = 'spoiled'";
    with_rows(
        postgres,
        "an asset failed",
        &format!("{state} = 'failed', failure_code = 'spoiled' {one}"),
        &format!("{state} = 'ready', failure_code = NULL {back}"),
        i4,
    );

    let i5 = |told: &[Value]| invariants::i5_events_are_told_once(ask, told, acknowledged);
    noticed("an event is missing", i5(&[&told[..5], &told[6..]].concat()));
    noticed("an event came twice", i5(&[&told[..5], &told[4..]].concat()));
    noticed("the last event is missing", i5(&told[..told.len() - 1]));
    noticed("an answer shows SQL", invariants::i6_nobody_saw_the_inside(&[String::from("SELECT")]));
    witness.lies.push(String::from("a lie"));
    noticed("readiness lied", invariants::i7_readiness_told_the_truth(witness));
    for held in [i2(), i3(), i4(), i5(told)] {
        held.expect("all is as it was");
    }
}

/// The same for the originals, which need somebody who serves them.
pub(crate) async fn an_altered_original_is_noticed(client: &Client, acknowledged: &[Acknowledged]) {
    let mut one = acknowledged.iter().find(|upload| !upload.trashed).unwrap().clone();
    one.sha256.replace_range(..1, if one.sha256.starts_with('0') { "1" } else { "0" });
    noticed("an original is altered", invariants::i1_nothing_acknowledged_is_lost(client, &[one]).await);
}
