//! Whether processes tell the truth of what they stand on.

use crate::{cast::Cast, process::Process};
use reqwest::Client;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// What a process is to say.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Health {
    /// 503, and names this.
    Away(&'static str),
    /// 200, `degraded`, and this is down.
    Degraded(&'static str),
    /// 200: it does its work, perhaps with less.
    Able,
    /// 200, and everything is up.
    Ready,
}

/// A process that never told the truth in this time lies.
const TRUTH: Duration = Duration::from_secs(120);

/// What the processes said, whenever something was away or back.
pub(crate) struct Witness {
    handle: Handle,
    http: Client,
    /// How often somebody told the truth.
    pub(crate) truths: usize,
    pub(crate) lies: Vec<String>,
}

impl Witness {
    pub(crate) fn new(handle: Handle) -> Self {
        let http = Client::builder().timeout(Duration::from_secs(15)).build().unwrap();
        Self { handle, http, truths: 0, lies: Vec::new() }
    }

    /// Asks every API process that runs, until it says so, or has said something else for too long.
    pub(crate) fn all_say(&mut self, cast: &Cast, when: &str, expected: Health) {
        for api in cast.apis.iter().filter(|api| api.runs()) {
            let began = Instant::now();
            loop {
                let said = self.handle.block_on(ready(&self.http, api));
                if said.as_ref().is_some_and(|(status, body)| expected.is(*status, body)) {
                    self.truths += 1;
                    break;
                }
                if began.elapsed() > TRUTH {
                    self.lies.push(format!("{when}, and {} never says {expected:?} but {said:?}", api.name));
                    break;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

async fn ready(http: &Client, api: &Process) -> Option<(u16, Value)> {
    let answer = http.get(format!("{}/health/ready", api.url())).send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, serde_json::from_str(&answer.text().await.ok()?).ok()?))
}

impl Health {
    fn is(self, status: u16, body: &Value) -> bool {
        match self {
            Self::Away(what) => {
                status == 503 && body["detail"].as_str().is_some_and(|detail| detail.contains(what))
            }
            Self::Degraded(what) => {
                status == 200 && body["status"] == "degraded" && body["dependencies"][what] == "down"
            }
            Self::Able => status == 200,
            Self::Ready => status == 200 && body["status"] == "ready",
        }
    }
}
