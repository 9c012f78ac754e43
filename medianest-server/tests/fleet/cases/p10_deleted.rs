//! P10: what is being processed is deleted. The job ends as cancelled, nothing comes back, and the store is as it
//! was before. Users are not deleted but disabled: what they put in stays, and is finished.

use super::nest::{Nest, RUNG};
use crate::{common::PASSWORD, until};
use medianest_testkit::faults::Fault;
use reqwest::Method;
use serde_json::json;

/// The asset for good, and then the library that it was in, while a part of it is on its way.
#[test]
fn p10_an_asset_and_its_library_are_deleted_while_it_is_processed() {
    let nest = Nest::start();
    let base = nest.objects();
    let worker = nest.worker("worker");
    nest.proxy.next("PUT", "/7-1", Fault::Hold);
    let clip = nest.put("061");
    nest.until_held(1);
    let library = format!("/libraries/{}", nest.library);
    let delete = |path: &str| nest.ask(Method::DELETE, path, &|request| request);
    let (status, answer) = delete(&library);
    assert_eq!((status.as_u16(), answer["code"].as_str()), (409, Some("library_not_empty")), "{answer}");
    for path in [format!("/assets/{clip}"), format!("/assets/{clip}?permanent=true"), library] {
        let (status, answer) = delete(&path);
        assert!(status.is_success(), "{path}: {status} {answer}");
    }
    nest.proxy.let_go();
    until("the job ends", || (nest.transcode(&clip)["state"] == "cancelled").then_some(()));
    nest.until_nothing_is_left_over();
    until("the store is as it was", || (nest.objects() == base).then_some(()));
    for table in ["assets", "renditions", "parts", "search", "blobs"] {
        assert_eq!(nest.row(&format!("SELECT count(*) FROM medianest_{table}"))["count"], 0, "{table}");
    }
    assert_eq!(nest.get(&format!("/assets/{clip}")).0, 404);
    assert_eq!(nest.told(&clip, "asset.ready", "") + nest.told(&clip, "rendition.ready", RUNG), 0);
    drop(worker);
}

#[test]
fn p10_a_user_is_disabled_while_their_asset_is_processed() {
    let nest = Nest::start();
    let user = json!({ "login": "ada", "password": PASSWORD, "must_change_password": false });
    let (status, user) = nest.send(Method::POST, "/users", user);
    assert_eq!(status, 201, "{user}");
    let id = user["id"].as_str().unwrap();
    let member = format!("/libraries/{}/members/{id}", nest.library);
    assert_eq!(nest.send(Method::PUT, &member, json!({ "role": "editor" })).0, 200);
    let worker = nest.worker("worker");
    nest.proxy.next("PUT", "/7-1", Fault::Hold);
    let ada = nest.sign_in("ada");
    let clip = nest.put_as(&ada, "061");
    nest.until_held(1);
    let (status, answer) = nest.send(Method::PATCH, &format!("/users/{id}"), json!({ "disabled": true }));
    assert_eq!(status, 200, "{answer}");
    let refused = nest.wait(ada.once(&nest.api.url(), Method::GET, "/me").send()).unwrap();
    assert_eq!(refused.status(), 401, "and they are out at once");
    nest.proxy.let_go();
    nest.until_is(&clip, "ready");
    until("the transcode is done", || (nest.transcode(&clip)["state"] == "done").then_some(()));
    assert_eq!(nest.transcode(&clip)["attempt"], 1);
    nest.until_nothing_is_left_over();
    drop(worker);
}
