//! P11: an asset is processed again, and its recipe changed, while it is processed. One generation wins, the last
//! one, and the others are swept.

use super::nest::{Nest, RUNG};
use crate::until;
use medianest_testkit::faults::Fault;
use reqwest::Method;
use serde_json::Value;

#[test]
fn p11_the_last_recipe_wins_over_what_is_under_way() {
    let nest = Nest::start();
    let (_one, _two) = (nest.worker("one"), nest.worker("two"));
    nest.proxy.next("PUT", "/7-1", Fault::Hold);
    let clip = nest.put("061");
    nest.until_held(1);
    let post = |path: &str| {
        let (status, answer) = nest.ask(Method::POST, path, &|request| request);
        assert!(status.is_success(), "{path}: {status} {answer}");
    };
    post(&format!("/assets/{clip}/reprocess"));
    nest.set_rung(180);
    post(&format!("/libraries/{}/recipe/apply", nest.library));
    post(&format!("/assets/{clip}/reprocess"));
    nest.proxy.let_go();

    let open = "SELECT id FROM medianest_jobs WHERE state IN ('queued', 'running')";
    until("all is done", || nest.rows(open).is_empty().then_some(()));
    nest.until_is(&clip, "ready");
    nest.until_nothing_is_left_over();
    let renditions =
        nest.rows("SELECT variant, definition, state, info FROM medianest_renditions ORDER BY variant");
    let variants: Vec<_> =
        renditions.iter().map(|row| (row["variant"].as_str(), row["state"].as_str())).collect();
    assert_eq!(variants, [(Some(RUNG), Some("ready")), (Some("small"), Some("ready"))], "{renditions:?}");
    let definition: Value = serde_json::from_str(renditions[0]["definition"].as_str().unwrap()).unwrap();
    assert_eq!(definition["lines"], 180, "{definition}");
    let info: Value = serde_json::from_str(renditions[0]["info"].as_str().unwrap()).unwrap();
    assert_eq!(info["height"], 180, "and it is what was made: {info}");
    let dead = nest.rows("SELECT * FROM medianest_jobs WHERE state NOT IN ('done', 'cancelled')");
    assert!(dead.is_empty(), "{dead:?}");
}
