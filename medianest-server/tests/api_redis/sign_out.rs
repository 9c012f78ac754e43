//! A process that cannot reach Redis, while others do.

use crate::{
    common::{Server, answer, assert_problem},
    support::{directory, until, until_redis_is},
};
use medianest_testkit::{front::Front, postgres::database, redis};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn who_signs_out_where_redis_cannot_be_reached_is_told_and_is_out_soon() {
    let (database, redis) = (database(), redis::Server::start(&[]));
    let front = Front::plain(([127, 0, 0, 1], redis.port()).into());
    let shared = tempfile::tempdir().unwrap();
    let cut = Server::start_in(directory(&database, &format!("redis://{}", front.address()), shared.path()));
    let whole = Server::start_in(directory(&database, &redis.url(), shared.path()));
    let ada = cut.user("ada").await;
    let elsewhere = async || {
        let request = whole.request(Method::GET, "/api/v1/me").bearer_auth(&ada.token);
        answer(request).await.0.as_u16()
    };
    assert_eq!(elsewhere().await, 200);
    front.shut();
    until_redis_is(&cut, "down").await;
    let body = json!({ "refresh_token": ada.refresh_token });
    let revoke = || answer(cut.request(Method::POST, "/api/v1/auth/revoke").json(&body));
    assert_problem(revoke().await, 503, "sign_out_pending");
    // It is over in the catalog, so that no new one is to be had.
    let refresh = cut.request(Method::POST, "/api/v1/auth/refresh").json(&body);
    assert_ne!(answer(refresh).await.0, 200);
    front.begin_again();
    // Nobody asks for it again: the server that could not tell does so by itself.
    until("signed out", async || elsewhere().await == 401).await;
    until_redis_is(&cut, "up").await;
    assert_eq!(ada.get("/me").await.0, 401);
}
