//! What clients do while processes and servers die.

use crate::{client::Client, expected::Outcome, files::File};
use reqwest::{Method, multipart};
use sha2::{Digest, Sha256};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::JoinSet};

/// An upload that was acknowledged.
#[derive(Clone)]
pub(crate) struct Acknowledged {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) sha256: String,
    pub(crate) outcome: Outcome,
    /// Put into the trash afterwards, which was acknowledged too.
    pub(crate) trashed: bool,
}

/// Uploads that are let go a few at a time.
pub(crate) struct Uploads {
    gate: Arc<Semaphore>,
    running: JoinSet<Vec<Acknowledged>>,
}

impl Uploads {
    /// Each client takes the next file as soon as the gate lets it.
    pub(crate) fn start(files: Vec<File>, clients: &[Arc<Client>], library: &str) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let queue: VecDeque<_> = files.into_iter().enumerate().collect();
        let queue = Arc::new(Mutex::new(queue));
        let mut running = JoinSet::new();
        for client in clients {
            let (client, gate, queue) = (Arc::clone(client), Arc::clone(&gate), Arc::clone(&queue));
            let library = library.to_owned();
            running.spawn(async move {
                let mut acknowledged = Vec::new();
                loop {
                    gate.acquire().await.unwrap().forget();
                    let next = queue.lock().unwrap().pop_front();
                    let Some((n, file)) = next else { return acknowledged };
                    acknowledged.push(put_in(&client, n, file, &library).await);
                }
            });
        }
        Self { gate, running }
    }

    /// Lets so many more go.
    pub(crate) fn let_go(&self, count: usize) {
        self.gate.add_permits(count);
    }

    /// Waits until all have been acknowledged.
    pub(crate) async fn finish(self) -> Vec<Acknowledged> {
        // One more for each client, to see that there is nothing left.
        self.gate.add_permits(1 << 20);
        self.running.join_all().await.into_iter().flatten().collect()
    }
}

/// Each third as a form, each ninth put into the trash.
async fn put_in(client: &Client, n: usize, file: File, library: &str) -> Acknowledged {
    let sha256: String = Sha256::digest(&file.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let key = format!("fleet-{n}");
    let (status, asset) = client
        .ask(Method::POST, "/assets", &|request| {
            let request = request.header("idempotency-key", &key);
            if n.is_multiple_of(3) {
                let part = multipart::Part::stream(file.bytes.clone()).file_name(file.name.clone());
                let form = multipart::Form::new()
                    .text("library_id", library.to_owned())
                    .text("name", file.name.clone())
                    .part("file", part);
                return request.multipart(form);
            }
            request
                .query(&[("name", file.name.as_str()), ("library_id", library)])
                .header("content-type", "application/octet-stream")
                .body(file.bytes.clone())
        })
        .await;
    assert!(matches!(status.as_u16(), 200 | 201), "{} is refused with {status}: {asset}", file.name);
    assert_eq!(asset["sha256"], sha256.as_str(), "{}: what was sent is not what was stored", file.name);
    let id = asset["id"].as_str().unwrap().to_owned();
    let trashed = n % 9 == 8;
    if trashed {
        let (status, answer) = client.ask(Method::DELETE, &format!("/assets/{id}"), &|request| request).await;
        // Told once more to who missed the first answer, when it may be gone for good already.
        assert!(matches!(status.as_u16(), 200 | 204 | 404), "{id} cannot be trashed: {status} {answer}");
    }
    Acknowledged { id, name: file.name, sha256, outcome: file.outcome, trashed }
}

/// Milliseconds that requests of others took.
#[derive(Clone, Default)]
pub(crate) struct Latencies(Arc<Mutex<Vec<f64>>>);

impl Latencies {
    /// Asks for a page again and again; what is refused is not counted here, but by the client.
    pub(crate) async fn measure(self, client: Arc<Client>) {
        loop {
            let began = Instant::now();
            let request = client.once(client.url(), Method::GET, "/assets?limit=20");
            if let Ok(answer) = request.timeout(Duration::from_secs(25)).send().await
                && answer.status() == 200
                && answer.bytes().await.is_ok()
            {
                self.0.lock().unwrap().push(began.elapsed().as_secs_f64() * 1000.0);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// How many there are since the last call of [`take_p95`](Self::take_p95).
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The 95th of a hundred since the last call, and how many they were.
    pub(crate) fn take_p95(&self) -> (f64, usize) {
        let mut taken = std::mem::take(&mut *self.0.lock().unwrap());
        taken.sort_by(f64::total_cmp);
        (taken.get(taken.len() * 95 / 100).copied().unwrap_or(f64::NAN), taken.len())
    }
}
