//! All of the corpus through the real server over HTTP: one named trial per file. What comes of each,
//! what is said of it against the manifest, what it looks like against ImageMagick, whether it plays,
//! and whether the original comes back. Then the hostile files once more, watched by strace.

#[path = "../common/mod.rs"]
mod common;
mod expected;
mod file;
mod hostile;
mod nest;
mod playback;
mod trace;
mod watched;

use libtest_mimic::{Arguments, Trial};
use medianest_testkit::corpus;
use std::sync::Arc;

/// Trials mostly wait for the server, so there are more than cores.
const TRIALS_AT_ONCE: usize = 6;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(TRIALS_AT_ONCE);
    let nest = Arc::new(nest::Shared::default());
    let watched = Arc::new(watched::Shared::default());
    let mut trials: Vec<Trial> = hostile::TRIALS
        .iter()
        .map(|(name, check)| {
            let watched = Arc::clone(&watched);
            let trial = Trial::test(format!("watched::{name}"), move || check(&watched));
            trial.with_ignored_flag(cfg!(not(target_os = "linux")))
        })
        .collect();
    // Videos first: they wait for each other, and pictures fill the time.
    let mut files = corpus::files();
    files.sort_by_key(|file| file.family() != "video");
    trials.extend(files.into_iter().map(|file| {
        let nest = Arc::clone(&nest);
        Trial::test(format!("file::{}", file.name), move || file::check(&nest, &file))
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Before the exit, which runs no destructors: they end the servers.
    drop((nest, watched));
    conclusion.exit();
}
