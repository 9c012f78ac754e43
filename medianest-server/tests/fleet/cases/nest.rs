//! The small cast of a case: an API process, workers that are started when the case wants them, and a store whose
//! requests can be held back.

use crate::{
    cast::configuration,
    client::{Client, Complaints},
    invariants::{Ask, i3_nothing_is_left_over, i6_nobody_saw_the_inside, objects, rows},
    process::{Process, Role},
    until,
};
use medianest_testkit::{
    corpus,
    faults::FaultProxy,
    postgres::{Database, database},
    redis,
    s3::{Bucket, bucket},
};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The variant that takes long: the only rung of the ladder.
pub(crate) const RUNG: &str = "240p";

pub(crate) struct Nest {
    pub(crate) api: Process,
    /// Between the workers and the store.
    pub(crate) proxy: FaultProxy,
    pub(crate) redis: redis::Server,
    pub(crate) library: String,
    runtime: Runtime,
    pub(crate) admin: Arc<Client>,
    complaints: Arc<Complaints>,
    bucket: Bucket,
    database: Database,
    /// Of the workers.
    configuration: String,
    shared: TempDir,
}

impl Nest {
    pub(crate) fn start() -> Self {
        let (database, redis, bucket) = (database(), redis::Server::start(&[]), bucket());
        let proxy = FaultProxy::start(bucket.address());
        let shared = tempfile::tempdir().unwrap();
        let url = format!("url = {:?}", database.url());
        let configured = |endpoint: &str| configuration(&url, &redis.url(), &bucket, endpoint, shared.path());
        let api = Process::start("api".into(), Role::Api, &configured(&bucket.endpoint()), shared.path());
        let configuration = configured(&proxy.endpoint());
        let runtime = Runtime::new().unwrap();
        let complaints = Arc::new(Complaints::default());
        let admin = Arc::new(runtime.block_on(Client::sign_in("admin", &[api.url()], &complaints)));
        let mut nest = Self {
            api,
            proxy,
            redis,
            library: String::new(),
            runtime,
            admin,
            complaints,
            bucket,
            database,
            configuration,
            shared,
        };
        let (status, library) = nest.send(Method::POST, "/libraries", json!({ "name": "case" }));
        assert_eq!(status, 201, "{library}");
        nest.library = library["id"].as_str().unwrap().to_owned();
        nest.set_rung(240);
        nest
    }

    pub(crate) fn worker(&self, name: &str) -> Process {
        Process::start(name.into(), Role::Worker, &self.configuration, self.shared.path())
    }

    /// One picture, and one fast rung of so many lines.
    pub(crate) fn set_rung(&self, lines: u32) {
        let rung = json!({ "type": "video", "lines": lines, "max_kbps": 800, "preset": "ultrafast" });
        let (status, mut recipe) = self.get(&format!("/libraries/{}/recipe", self.library));
        assert_eq!(status, 200, "{recipe}");
        let variants = recipe["variants"].as_object_mut().unwrap();
        variants.retain(|name, _| name == "small");
        variants.insert(RUNG.into(), rung);
        let (status, answer) = self.send(Method::PUT, &format!("/libraries/{}/recipe", self.library), recipe);
        assert_eq!(status, 200, "{answer}");
    }

    pub(crate) fn get(&self, path: &str) -> (StatusCode, Value) {
        self.runtime.block_on(self.admin.get(path))
    }

    pub(crate) fn send(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        self.runtime.block_on(self.admin.send(method, path, body))
    }

    pub(crate) fn ask(
        &self,
        method: Method,
        path: &str,
        with: &(dyn Fn(RequestBuilder) -> RequestBuilder + Sync),
    ) -> (StatusCode, Value) {
        self.runtime.block_on(self.admin.ask(method, path, with))
    }

    pub(crate) fn bytes(&self, path: &str) -> (StatusCode, Vec<u8>) {
        self.runtime.block_on(self.admin.bytes(path))
    }

    pub(crate) fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    pub(crate) fn sign_in(&self, login: &str) -> Client {
        self.wait(Client::sign_in(login, &[self.api.url()], &self.complaints))
    }

    /// Puts a file of the corpus in; the id of its asset.
    pub(crate) fn put(&self, prefix: &str) -> String {
        self.put_as(&self.admin, prefix)
    }

    pub(crate) fn put_as(&self, client: &Client, prefix: &str) -> String {
        let file = corpus::file(prefix);
        let bytes = file.read();
        let upload = |request: RequestBuilder| {
            let request = request.query(&[("name", file.name.as_str()), ("library_id", &self.library)]);
            request.header("content-type", "application/octet-stream").body(bytes.clone())
        };
        let (status, asset) = self.wait(client.ask(Method::POST, "/assets", &upload));
        assert_eq!(status, 201, "{asset}");
        asset["id"].as_str().unwrap().to_owned()
    }

    /// The asset, once it is in this state.
    pub(crate) fn until_is(&self, id: &str, state: &str) -> Value {
        let mut last = Value::Null;
        let look = || {
            last = self.get(&format!("/assets/{id}")).1;
            assert!(last["state"] == "processing" || last["state"] == state, "{last}");
            (last["state"] == state).then(|| last.clone())
        };
        until(&format!("{id} is {state}"), look)
    }

    pub(crate) fn rows(&self, query: &str) -> Vec<Value> {
        rows(&|query| self.database.ask(query), query)
    }

    /// The only row.
    pub(crate) fn row(&self, query: &str) -> Value {
        let rows = self.rows(query);
        assert_eq!(rows.len(), 1, "{query}: {rows:?}");
        rows.into_iter().next().unwrap()
    }

    /// The job that transcodes an asset.
    pub(crate) fn transcode(&self, id: &str) -> Value {
        self.row(&format!("SELECT * FROM medianest_jobs WHERE asset_id = '{id}' AND kind = 'transcode'"))
    }

    /// How often an event of this kind was told of an asset, and of this variant if one is given.
    pub(crate) fn told(&self, id: &str, kind: &str, variant: &str) -> usize {
        let events = self.rows(&format!("SELECT data FROM medianest_events WHERE kind = '{kind}'"));
        let is_it = |event: &&Value| {
            let data: Value = serde_json::from_str(event["data"].as_str().unwrap()).unwrap();
            data["asset_id"] == id && (variant.is_empty() || data["variant"] == variant)
        };
        events.iter().filter(is_it).count()
    }

    pub(crate) fn objects(&self) -> BTreeMap<String, u64> {
        objects(&self.bucket)
    }

    /// Waits until so many requests have been held.
    pub(crate) fn until_held(&self, count: usize) {
        until("a request is held", || (self.proxy.held() >= count).then_some(()));
    }

    /// What holds after each case: nothing is left over, and nobody saw the inside.
    pub(crate) fn until_nothing_is_left_over(&self) {
        let ask: Ask<'_> = &|query| self.database.ask(query);
        let mut last = String::new();
        let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until("nothing is left over", || {
                i3_nothing_is_left_over(ask, &self.bucket).map_err(|why| last = why).ok()
            });
        }));
        assert!(held.is_ok(), "I3: {last}");
        i6_nobody_saw_the_inside(&self.complaints.all()).unwrap();
    }
}
