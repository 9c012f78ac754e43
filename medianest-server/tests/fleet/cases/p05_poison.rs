//! P5: a file that kills its decoder, or the whole worker, each time. It is set aside with the reason, and the
//! queue goes on. (No file is known that does: what it would do is done from outside, while it is read.)

use super::nest::Nest;
use crate::until;
use medianest_testkit::faults::Fault;
use serde_json::Value;
use std::process::Command;

/// Puts a file in whose bytes nobody gets before they are let go.
fn poison(nest: &Nest) -> String {
    let id = nest.put("012");
    let key = nest.row(&format!(
        "SELECT key FROM medianest_blobs WHERE id = (SELECT blob_id FROM medianest_assets WHERE id = '{id}')"
    ));
    nest.proxy.always("GET", key["key"].as_str().unwrap(), Fault::Hold);
    id
}

fn is_set_aside(nest: &Nest, id: &str, code: &str) {
    let asset = nest.until_is(id, "quarantined");
    assert_eq!(asset["failure"]["code"], code, "{asset}");
    let job = nest.row(&format!("SELECT * FROM medianest_jobs WHERE asset_id = '{id}'"));
    assert_eq!((job["state"].as_str(), job["crashes"].as_u64()), (Some("dead"), Some(3)), "{job}");
    assert_eq!(nest.told(id, "asset.quarantined", ""), 1);
    // The queue goes on, and it is not tried again.
    let picture = nest.put("010");
    nest.until_is(&picture, "ready");
    let again = nest.row(&format!("SELECT * FROM medianest_jobs WHERE asset_id = '{id}'"));
    assert_eq!(again["attempt"], job["attempt"]);
    nest.proxy.heal();
    nest.proxy.let_go();
    nest.until_nothing_is_left_over();
}

#[test]
fn p5_a_file_that_kills_its_decoder_is_set_aside() {
    let nest = Nest::start();
    let id = poison(&nest);
    let worker = nest.worker("worker");
    for times in 1..=3 {
        nest.until_held(times);
        let decoder = until("somebody decodes", || worker.decoders().pop());
        assert!(Command::new("kill").args(["-ABRT", &decoder.to_string()]).status().unwrap().success());
        until("it dies", || (!worker.decoders().contains(&decoder)).then_some(()));
        nest.proxy.let_go();
    }
    is_set_aside(&nest, &id, "decoder_crashed");
}

#[test]
fn p5_a_file_that_kills_its_worker_is_set_aside() {
    let nest = Nest::start();
    let id = poison(&nest);
    let mut worker = nest.worker("worker");
    for times in 1..=3_u64 {
        let job = || nest.row(&format!("SELECT * FROM medianest_jobs WHERE asset_id = '{id}'"));
        until("it is being read", || {
            let job: Value = job();
            (job["state"] == "running" && job["attempt"].as_u64() == Some(times)).then_some(())
        });
        worker.kill();
        worker.restart();
    }
    is_set_aside(&nest, &id, "worker_lost");
}
