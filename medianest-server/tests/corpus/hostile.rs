//! What hostile files did not get to do.

use crate::{
    expected::{self, Outcome},
    file,
    watched::{MAX_MEMORY, Shared, Watched},
};
use libtest_mimic::Failed;
use std::{collections::HashSet, io::ErrorKind};

type Check = fn(&Shared) -> Result<(), Failed>;

/// Each by its name.
pub(crate) const TRIALS: &[(&str, Check)] = &[
    ("each_ends_as_expected", |shared| each_ends_as_expected(shared.get())),
    ("no_connection_is_opened", |shared| no_connection_is_opened(shared.get())),
    ("no_other_file_is_read", |shared| no_other_file_is_read(shared.get())),
    ("no_program_is_started", |shared| no_program_is_started(shared.get())),
    ("nothing_of_another_file_comes_out", |shared| nothing_comes_out(shared.get())),
    ("children_stay_inside_their_limits", |shared| children_stay_inside_their_limits(shared.get())),
    ("the_server_stays_small_and_well", |shared| the_server_stays_small_and_well(shared.get())),
];

/// Memory of the server, whatever it is given: it streams.
const SERVER_MEMORY: u64 = 192 << 20;
/// Address space that a child may have beyond its limit and what it began with.
const SLACK: u64 = 64 << 20;

fn none(found: Vec<String>) -> Result<(), Failed> {
    if found.is_empty() { Ok(()) } else { Err(found.join("\n").into()) }
}

/// The threads of each child that decoded something.
fn decoders(watched: &Watched) -> Vec<HashSet<u32>> {
    let decoders = watched.trace.forked_by(watched.zygote);
    let understood = watched.outcomes.iter().filter(|(_, status, _)| *status == 201).count();
    assert!(decoders.len() > understood, "{} children for {understood} files", decoders.len());
    decoders
}

fn each_ends_as_expected(watched: &Watched) -> Result<(), Failed> {
    let wrong = watched.outcomes.iter().flat_map(|(file, status, asset)| {
        let wrong = match expected::outcome(file) {
            Outcome::Refused(code) if asset["code"] == code && status.is_client_error() => Vec::new(),
            _ => file::outcome(file, asset),
        };
        wrong.into_iter().map(|wrong| format!("{}: {wrong}", file.name))
    });
    none(wrong.collect())
}

fn no_connection_is_opened(watched: &Watched) -> Result<(), Failed> {
    let decoders: HashSet<u32> = decoders(watched).into_iter().flatten().collect();
    let ports: Vec<String> = watched.bait.ports.iter().map(|port| format!("htons({port})")).collect();
    let mut found: Vec<String> = watched
        .trace
        .calls()
        .filter(|call| {
            let is_network = matches!(call.name.as_str(), "socket" | "connect" | "bind");
            let names_bait = || ports.iter().any(|port| call.arguments.contains(port));
            is_network && (decoders.contains(&call.process) || (call.name == "connect" && names_bait()))
        })
        .map(|call| format!("{call:?}"))
        .collect();
    for listener in &watched.bait.listeners {
        match listener.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            accepted => found.push(format!("somebody came: {accepted:?}")),
        }
    }
    none(found)
}

fn no_other_file_is_read(watched: &Watched) -> Result<(), Failed> {
    let trace = &watched.trace;
    let sees_files = trace.calls().any(|call| call.succeeded() && call.arguments.contains("nest.db"));
    assert!(sees_files, "the trace knows nothing of the database");
    let named = watched.bait.files.iter().map(|name| name.rsplit('/').next().unwrap_or(name));
    let named: Vec<String> = named.map(|name| format!("{name}\"")).collect();
    let mut found: Vec<String> = trace
        .calls()
        .filter(|call| named.iter().any(|name| call.arguments.contains(name)))
        .map(|call| format!("a file that was named: {call:?}"))
        .collect();
    for decoder in decoders(watched) {
        let calls = trace.calls().filter(|call| decoder.contains(&call.process));
        let after_confinement = calls.skip_while(|call| !is_end_of_files(&call.arguments));
        let opened = after_confinement.filter(|call| call.succeeded() && call.arguments.contains('"'));
        found.extend(opened.map(|call| format!("a file after the confinement: {call:?}")));
    }
    none(found)
}

/// Whether this takes away the right to open anything: the last step before a child sees the media.
fn is_end_of_files(arguments: &str) -> bool {
    arguments.contains("RLIMIT_NOFILE, {rlim_cur=0, rlim_max=0}")
}

fn no_program_is_started(watched: &Watched) -> Result<(), Failed> {
    let root = watched.trace.root();
    let started = watched.trace.calls().filter(|call| call.name.starts_with("execve"));
    none(started.filter(|call| call.process != root).map(|call| format!("{call:?}")).collect())
}

fn nothing_comes_out(watched: &Watched) -> Result<(), Failed> {
    let mut found = Vec::new();
    if watched.bait.is_in(&watched.said) {
        found.push("the bait is in an answer or in the log".into());
    }
    for (file, _, asset) in &watched.outcomes {
        let made = asset["links"]["renditions"].as_object().map_or(0, serde_json::Map::len);
        if !matches!(expected::outcome(file), Outcome::Ready) && made > 0 {
            found.push(format!("{} has renditions: {}", file.name, asset["links"]));
        }
    }
    none(found)
}

fn children_stay_inside_their_limits(watched: &Watched) -> Result<(), Failed> {
    let most = watched.base + MAX_MEMORY + SLACK;
    let mut found = Vec::new();
    // The first one only tries the confinement, within the usual limits.
    for decoder in decoders(watched).iter().skip(1) {
        let calls =
            || watched.trace.calls().filter(|call| decoder.contains(&call.process) && call.succeeded());
        let confined = |limit: &str| calls().find(|call| call.arguments.contains(limit));
        let address_space = confined("RLIMIT_AS, {").and_then(|call| limit(&call.arguments));
        if address_space.is_none_or(|bytes| bytes > most) {
            found.push(format!("address space of {address_space:?} instead of {most} at most"));
        }
        for none in ["RLIMIT_FSIZE, {rlim_cur=0, rlim_max=0}", "RLIMIT_NOFILE, {rlim_cur=0, rlim_max=0}"] {
            if confined(none).is_none() {
                found.push(format!("{decoder:?} lacks {none}"));
            }
        }
    }
    if watched.child_peak == 0 || watched.child_peak > most {
        found.push(format!("a child used {} bytes instead of {most} at most", watched.child_peak));
    }
    none(found)
}

/// The number in `RLIMIT_AS, {rlim_cur=1234*1024, …}`, as strace writes multiples of 1024.
fn limit(arguments: &str) -> Option<u64> {
    let (number, _) = arguments.split_once("rlim_cur=")?.1.split_once(',')?;
    number.split('*').map(|factor| factor.parse::<u64>().ok()).product()
}

fn the_server_stays_small_and_well(watched: &Watched) -> Result<(), Failed> {
    let mut found = Vec::new();
    if watched.photo["state"] != "ready" {
        found.push(format!("a photo afterwards: {}", watched.photo));
    }
    if watched.server_peak == 0 || watched.server_peak > SERVER_MEMORY {
        found.push(format!(
            "the server used {} bytes instead of {SERVER_MEMORY} at most",
            watched.server_peak
        ));
    }
    none(found)
}
