//! P3: a worker is stopped past its lease, and then goes on. What it brings too late is refused, and nothing is
//! published twice.

use super::nest::{Nest, RUNG};
use crate::until;
use medianest_testkit::faults::Fault;

#[test]
fn p3_a_worker_that_was_stopped_past_its_lease_is_fenced() {
    let nest = Nest::start();
    let first = nest.worker("first");
    // It sends a part, which the store takes only after the successor has published all.
    nest.proxy.next("PUT", "/7-1", Fault::Hold);
    let clip = nest.put("061");
    nest.until_held(1);
    first.freeze();
    let mut second = nest.worker("second");
    nest.until_is(&clip, "ready");
    until("the transcode is done", || (nest.transcode(&clip)["state"] == "done").then_some(()));
    let published = nest.rows("SELECT * FROM medianest_parts ORDER BY key");
    let content = nest.bytes(&format!("/assets/{clip}/renditions/{RUNG}")).1;

    nest.proxy.let_go();
    first.thaw();
    let late = "SELECT key FROM medianest_parts WHERE key LIKE '%/7-1'";
    nest.until_nothing_is_left_over();
    assert_eq!(nest.rows(late), Vec::<serde_json::Value>::new(), "the late part counts for nothing");
    assert_eq!(nest.rows("SELECT * FROM medianest_parts ORDER BY key"), published);
    assert_eq!(nest.bytes(&format!("/assets/{clip}/renditions/{RUNG}")).1, content);
    let job = nest.transcode(&clip);
    assert_eq!((job["attempt"].as_u64(), job["state"].as_str()), (Some(2), Some("done")), "{job}");
    for (kind, variant) in [("rendition.ready", RUNG), ("rendition.ready", "small"), ("asset.ready", "")] {
        assert_eq!(nest.told(&clip, kind, variant), 1, "{kind} {variant}");
    }

    // It is as good as before.
    second.stop();
    let picture = nest.put("010");
    nest.until_is(&picture, "ready");
}
