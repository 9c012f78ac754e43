//! The server that all files go to.

use crate::common::{Server, User};
use medianest_testkit::corpus::CorpusFile;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{
    future::Future,
    sync::OnceLock,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// Longer than everything takes on a slow machine: whoever is not settled by then hangs.
const HANGS: Duration = Duration::from_secs(900);
/// Between two looks at an asset.
const LOOK: Duration = Duration::from_millis(100);
/// Videos that get the standard ladder: a plain one, a portrait by rotation, HDR, wide pixels, WebM.
/// The others get one small rung, so that the test ends within minutes on two cores.
const STANDARD: &[&str] = &["063", "065", "067", "071", "075"];

/// Started for the first file.
#[derive(Default)]
pub(crate) struct Shared(OnceLock<Nest>);

impl Shared {
    pub(crate) fn get(&self) -> &Nest {
        self.0
            .get_or_init(|| Nest::new(Server::start_with("log.filter = \"warn\"\nrates.failed_sign_ins = 0")))
    }
}

/// A server with a library whose videos are made small.
pub(crate) struct Nest {
    pub(crate) server: Server,
    runtime: Runtime,
    quick: String,
}

impl Nest {
    pub(crate) fn new(server: Server) -> Self {
        let runtime = Runtime::new().unwrap();
        let quick = runtime.block_on(quick_library(&server));
        Self { server, runtime, quick }
    }

    /// Does this as the administrator.
    pub(crate) fn run<T>(&self, work: impl AsyncFnOnce(&User<'_>) -> T) -> T {
        self.runtime.block_on(async { work(&self.server.admin().await).await })
    }

    /// Waits for this.
    pub(crate) fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    /// Puts a file in; the asset, or the problem.
    pub(crate) async fn upload(&self, admin: &User<'_>, file: &CorpusFile) -> (StatusCode, Value) {
        let mut request = admin.request(Method::POST, "/assets").query(&[("name", &file.name)]);
        if !STANDARD.iter().any(|name| file.name.starts_with(name)) {
            request = request.query(&[("library_id", &self.quick)]);
        }
        let body = request.header("content-type", "application/octet-stream").body(file.read());
        crate::common::answer(body).await
    }
}

/// The standard recipe with one small and fast rung instead of the ladder.
async fn quick_library(server: &Server) -> String {
    let admin = server.admin().await;
    let (status, library) = admin.call(Method::POST, "/libraries", Some(json!({ "name": "quick" }))).await;
    assert_eq!(status, 201, "{library}");
    let id = library["id"].as_str().unwrap().to_owned();
    let path = format!("/libraries/{id}/recipe");
    let (_, mut recipe) = admin.get(&path).await;
    let variants = recipe["variants"].as_object_mut().unwrap();
    variants.retain(|_, variant| variant["type"] != "video");
    let rung = json!({ "type": "video", "lines": 240, "max_kbps": 800, "preset": "ultrafast" });
    variants.insert("240p".into(), rung);
    let (status, answer) = admin.call(Method::PUT, &path, Some(recipe)).await;
    assert_eq!(status, 200, "{answer}");
    id
}

/// The asset, once nothing more happens to it by itself.
pub(crate) async fn settled(admin: &User<'_>, id: &str) -> Value {
    until(format!("{id} settles"), async || {
        let (status, asset) = admin.get(&format!("/assets/{id}?links=true")).await;
        assert_eq!(status, 200, "{asset}");
        (asset["state"] != "processing").then_some(asset)
    })
    .await
}

/// Waits for what `look` finds.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: String, mut look: impl FnMut() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < HANGS, "it does not happen: {what}");
        tokio::time::sleep(LOOK).await;
    }
}
