//! P15: the database is up and the queue is away when something is put in. Who is let in is answered 201, and the
//! work is done; who cannot be known is answered 503, and the same request succeeds later. Never is anything lost
//! in silence.

use super::nest::Nest;
use crate::until;
use bytes::Bytes;
use futures::{StreamExt, stream};
use medianest_testkit::corpus;
use reqwest::{Body, Method};
use serde_json::Value;
use std::{convert::Infallible, sync::Arc};
use tokio::sync::oneshot;

#[test]
fn p15_redis_dies_in_the_middle_of_an_upload() {
    let mut nest = Nest::start();
    let _worker = nest.worker("worker");
    let bytes = Bytes::from(corpus::file("010").read());
    let (let_go, waits) = oneshot::channel::<()>();
    let (begins, ends) = (bytes.slice(..1000), bytes.slice(1000..));
    let (told, begun) = oneshot::channel::<()>();
    let begins = stream::once(async { Ok::<_, Infallible>(begins) });
    let ends = stream::once(async move {
        // Who is asked for more has taken what came before, and let the client in before that.
        let _ = told.send(());
        let _ = waits.await;
        Ok(ends)
    });
    let admin = Arc::clone(&nest.admin);
    let path = format!("/assets?library_id={}", nest.library);
    let upload = admin
        .once(&nest.api.url(), Method::POST, &path)
        .header("content-type", "application/octet-stream")
        .body(Body::wrap_stream(begins.chain(ends)));
    let (sent, answered) = oneshot::channel();
    nest.spawn(async move { drop(sent.send(upload.send().await)) });
    nest.wait(begun).unwrap();
    until("the upload is noted", || (!nest.rows("SELECT * FROM medianest_intents").is_empty()).then_some(()));
    nest.redis.kill();
    let_go.send(()).unwrap();
    let answer = nest.wait(answered).unwrap().unwrap();
    assert_eq!(answer.status(), 201);
    let asset: Value = nest.wait(answer.json()).unwrap();
    // The work is done while Redis is still away.
    let state = format!("SELECT state FROM medianest_assets WHERE id = '{}'", asset["id"].as_str().unwrap());
    until("it is ready", || (nest.row(&state)["state"] == "ready").then_some(()));
    nest.redis.restart();
    nest.until_nothing_is_left_over();
}

#[test]
fn p15_what_is_refused_while_redis_is_away_succeeds_later() {
    let mut nest = Nest::start();
    let _worker = nest.worker("worker");
    nest.redis.kill();
    let upload = || {
        let path = format!("/assets?library_id={}", nest.library);
        let request = nest.admin.once(&nest.api.url(), Method::POST, &path).header("idempotency-key", "p15");
        request.header("content-type", "application/octet-stream").body(corpus::file("010").read())
    };
    // A session is believed for a moment, in which the upload goes through.
    let mut answer = nest.wait(upload().send()).unwrap();
    let (first, advised) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
    assert!(first == 201 || first == 503 && advised, "{first}, to be tried again: {advised}");
    let count = "SELECT count(*) FROM medianest_assets";
    assert_eq!(nest.row(count)["count"], u64::from(first == 201));
    nest.redis.restart();
    until("it succeeds", || {
        answer = nest.wait(upload().send()).unwrap();
        answer.status().is_success().then_some(())
    });
    let asset: Value = nest.wait(answer.json()).unwrap();
    nest.until_is(asset["id"].as_str().unwrap(), "ready");
    assert_eq!(nest.row(count)["count"], 1);
}
