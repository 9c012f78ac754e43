//! Reads the event log from its beginning, through whatever happens to those who serve it.

use crate::client::Client;
use futures::StreamExt;
use reqwest::Method;
use serde_json::Value;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// The stream says something each fifteen seconds; who hears nothing for longer asks another process.
const SILENCE: Duration = Duration::from_secs(25);

/// Everything that a reader has been told, in the order in which it was.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Value>>>);

impl Told {
    pub(crate) fn all(&self) -> Vec<Value> {
        self.0.lock().unwrap().clone()
    }

    /// The position of the last one.
    pub(crate) fn position(&self) -> u64 {
        self.0.lock().unwrap().last().map_or(0, position)
    }
}

/// The place of an event in the log.
pub(crate) fn position(event: &Value) -> u64 {
    let cursor = event["cursor"].as_str().unwrap();
    cursor.split_once(':').unwrap().1.parse().unwrap()
}

/// Reads for ever, from where the last stream broke off.
pub(crate) async fn read(client: Arc<Client>, told: Told) {
    let mut cursor = String::from("1:0");
    loop {
        // A token that is not good any more is noticed, and renewed, here.
        client.get("/me").await;
        let url = client.url();
        let request = client.once(url, Method::GET, "/events").header("last-event-id", &cursor);
        let opened = tokio::time::timeout(SILENCE, request.send()).await;
        if let Ok(Ok(answer)) = opened
            && answer.status() == 200
        {
            let mut chunks = answer.bytes_stream();
            let mut text = Vec::new();
            while let Ok(Some(Ok(chunk))) = tokio::time::timeout(SILENCE, chunks.next()).await {
                text.extend_from_slice(&chunk);
                take_events(&mut text, &mut cursor, &told);
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Takes what has come to its end, as browsers do: what was cut off is not dispatched, and its id not kept.
fn take_events(text: &mut Vec<u8>, cursor: &mut String, told: &Told) {
    while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
        let block: Vec<u8> = text.drain(..end + 2).collect();
        let block = String::from_utf8(block).unwrap();
        for line in block.lines() {
            if let Some(id) = line.strip_prefix("id: ") {
                *cursor = id.to_owned();
            }
            if let Some(data) = line.strip_prefix("data: ") {
                told.0.lock().unwrap().push(serde_json::from_str(data).unwrap());
            }
        }
    }
}
