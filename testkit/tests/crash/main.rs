//! SIGKILL between any two steps of an upload's way, or of a move to another store, many times; after a restart everything holds:
//! no row without bytes, no asset stuck, each rendition exactly once, nothing left over, and no
//! acknowledged upload lost, all where its library says.
//!
//! The test runs itself as a child that puts media in and works, over a catalog and blobs on disk.
//! Blob store, processor and bus are wrapped: each call before and after what it does is a step, and
//! between them lies every command to the catalog. At a given step the child kills itself, as the
//! kernel would. The parent then restarts it, maybe to be killed again, and at last looks at what is
//! there.
//!
//! `MEDIANEST_CRASH_SEEDS` is for a longer run: so many seeds for each database, from
//! `MEDIANEST_CRASH_FIRST_SEED` on, and every step on PostgreSQL too.
#![expect(clippy::print_stdout, reason = "the child tells its parent what was acknowledged")]

mod child;
mod steps;
mod verify;

use child::Work;
use libtest_mimic::{Arguments, Failed, Trial};
use medianest_testkit::postgres;
use std::{path::Path, process::Command};

fn main() {
    if let Ok(plan) = std::env::var(child::PLAN) {
        child::run(&plan);
        return;
    }
    let arguments = Arguments::from_args();
    let many = number("MEDIANEST_CRASH_SEEDS");
    let first = number("MEDIANEST_CRASH_FIRST_SEED").unwrap_or(0);
    let mut trials = vec![
        Trial::test("sqlite_killed_at_every_step", || every_step(Work::Ingest, None)),
        Trial::test("sqlite_killed_at_every_step_of_a_move", || every_step(Work::Move, None)),
    ];
    for seed in first..first + many.unwrap_or(24) {
        trials.push(Trial::test(format!("sqlite_killed_again_and_again_seed_{seed}"), move || {
            many_kills(Work::Ingest, seed, None)
        }));
    }
    for seed in first..first + many.unwrap_or(6) {
        trials.push(Trial::test(format!("sqlite_moving_killed_again_and_again_seed_{seed}"), move || {
            many_kills(Work::Move, seed, None)
        }));
    }
    let (name, steps) = match many {
        Some(_) => ("postgres_killed_at_every_step", 1),
        None => ("postgres_killed_at_every_fourth_step", 4),
    };
    trials.push(Trial::test(name, move || every_step(Work::Ingest, Some(steps))));
    trials.push(Trial::test(format!("{name}_of_a_move"), move || every_step(Work::Move, Some(3 * steps))));
    for seed in first + 100..first + 100 + many.unwrap_or(4) {
        let database = || Some(postgres::database());
        trials.push(Trial::test(format!("postgres_killed_again_and_again_seed_{seed}"), move || {
            many_kills(Work::Ingest, seed, database())
        }));
    }
    for seed in first + 100..first + 100 + many.unwrap_or(2) {
        trials.push(Trial::test(format!("postgres_moving_killed_again_and_again_seed_{seed}"), move || {
            many_kills(Work::Move, seed, Some(postgres::database()))
        }));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// What an environment variable says, if it is set.
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is to be a number, not {text:?}")))
}

/// One nest per step: killed there once, restarted, looked at.
fn every_step(work: Work, postgres_every: Option<usize>) -> Result<(), Failed> {
    let mut step = 1;
    loop {
        let folder = tempfile::tempdir()?;
        let database = postgres_every.map(|_| postgres::database());
        let url = database.as_ref().map(|database| database.url());
        let first = start(folder.path(), url.as_deref(), Some(step), work)?;
        let acknowledged = first.acknowledged.clone();
        if first.survived {
            // The work has fewer steps than this: all have been tried.
            if step < 40 {
                return Err(format!("only {step} steps: the wrappers do not see the work").into());
            }
            verify::check(folder.path(), url.as_deref(), &acknowledged)
                .map_err(|why| format!("at the end: {why}"))?;
            return Ok(());
        }
        let second = start(folder.path(), url.as_deref(), None, Work::Rest)?;
        if !second.survived {
            return Err(format!("killed at step {step}, the restart died: {}", second.output).into());
        }
        verify::check(folder.path(), url.as_deref(), &acknowledged)
            .map_err(|why| format!("killed at step {step}: {why}\n{}{}", first.output, second.output))?;
        step += postgres_every.unwrap_or(1);
    }
}

/// One nest, killed at seeded steps again and again while more is put in.
fn many_kills(work: Work, seed: u64, database: Option<postgres::Database>) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let url = database.as_ref().map(|database| database.url());
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut acknowledged = Vec::new();
    for round in 0..12 {
        // xorshift64: any sequence does, as long as the seed gives the same one again.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let work = if round % 3 == 0 { work } else { Work::Rest };
        let ran = start(folder.path(), url.as_deref(), Some(1 + (random % 60) as usize), work)?;
        acknowledged.extend(ran.acknowledged);
    }
    let last = start(folder.path(), url.as_deref(), None, Work::Rest)?;
    if !last.survived {
        return Err(format!("the last restart died: {}", last.output).into());
    }
    verify::check(folder.path(), url.as_deref(), &acknowledged)
        .map_err(|why| format!("seed {seed}: {why}\n{}", last.output).into())
}

struct Ran {
    /// SHA-256 of what was acknowledged before the end.
    acknowledged: Vec<String>,
    survived: bool,
    output: String,
}

fn start(folder: &Path, url: Option<&str>, kill_at: Option<usize>, work: Work) -> Result<Ran, Failed> {
    let plan = child::Plan { folder: folder.to_owned(), url: url.map(str::to_owned), kill_at, work };
    let output = Command::new(std::env::current_exe()?).env(child::PLAN, plan.to_text()).output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let acknowledged =
        printed.lines().filter_map(|line| line.strip_prefix("ACK ").map(str::to_owned)).collect();
    if output.status.code().is_some_and(|code| code != 0) {
        return Err(format!("the child failed: {printed}{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let killed = std::os::unix::process::ExitStatusExt::signal(&output.status);
    if killed.is_some_and(|signal| signal != 9) {
        return Err(format!(
            "the child died of signal {killed:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(Ran { acknowledged, survived: killed.is_none(), output: printed + &stderr })
}
