//! Who is there: the servers, and the processes that share them.

use crate::process::{Process, Role};
use medianest_testkit::{
    postgres::Server as Postgres,
    redis::{Cluster, Sentinel, Server as Redis},
    s3::{self, Bucket},
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// Seconds that a worker may be silent.
pub(crate) const LEASE: Duration = Duration::from_secs(6);

/// How Redis is deployed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Cluster,
    Sentinel,
}

pub(crate) enum SharedRedis {
    Cluster(Cluster),
    Sentinel(Box<Sentinel>),
}

impl SharedRedis {
    fn start(form: Form) -> Self {
        match form {
            Form::Cluster => Self::Cluster(Cluster::start()),
            Form::Sentinel => Self::Sentinel(Box::new(Sentinel::start())),
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Cluster(cluster) => cluster.url(),
            Self::Sentinel(sentinel) => sentinel.url(),
        }
    }

    /// All that have data, primaries and replicas.
    pub(crate) fn nodes(&mut self) -> Vec<&mut Redis> {
        match self {
            Self::Cluster(cluster) => cluster.nodes().iter_mut().collect(),
            Self::Sentinel(sentinel) => sentinel.nodes().into_iter().collect(),
        }
    }

    /// One of the present primaries.
    pub(crate) fn a_primary(&mut self, which: usize) -> &mut Redis {
        let mut primaries: Vec<_> = self.nodes().into_iter().filter(|node| is_primary(node)).collect();
        assert!(!primaries.is_empty(), "nobody is a primary");
        let which = which % primaries.len();
        primaries.swap_remove(which)
    }
}

pub(crate) fn is_primary(node: &Redis) -> bool {
    node.runs() && replication(node).contains("role:master")
}

/// Who it takes itself for; empty while it changes that, when it hangs up on everybody.
pub(crate) fn replication(node: &Redis) -> String {
    node.try_cli(&["INFO", "replication"]).unwrap_or_default()
}

/// Three API processes and two workers over a primary with a replica, Redis and S3.
pub(crate) struct Cast {
    pub(crate) apis: Vec<Process>,
    pub(crate) workers: Vec<Process>,
    pub(crate) postgres: Postgres,
    pub(crate) replica: Postgres,
    pub(crate) redis: SharedRedis,
    pub(crate) s3: s3::Server,
    pub(crate) bucket: Bucket,
    /// Where what they said is put when the test fails.
    logs: PathBuf,
    _shared: TempDir,
}

impl Cast {
    pub(crate) fn start(form: Form, logs: PathBuf) -> Self {
        let postgres = Postgres::start();
        let replica = postgres.replica();
        let redis = SharedRedis::start(form);
        let s3 = s3::Server::start();
        let bucket = s3.bucket();
        let shared = tempfile::tempdir().unwrap();
        let database = format!(
            "url = {:?}\nreplicas = [{:?}]\nmax_lag_seconds = 10",
            postgres.url("postgres"),
            replica.url("postgres")
        );
        let configuration =
            configuration(&database, &redis.url(), &bucket, &bucket.endpoint(), shared.path());
        let start = |name: String, role| Process::start(name, role, &configuration, shared.path());
        Self {
            apis: (1..=3).map(|n| start(format!("api-{n}"), Role::Api)).collect(),
            workers: (1..=2).map(|n| start(format!("worker-{n}"), Role::Worker)).collect(),
            postgres,
            replica,
            redis,
            s3,
            bucket,
            logs,
            _shared: shared,
        }
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.apis.iter().map(Process::url).collect()
    }

    fn keep_logs(&mut self) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.logs)?;
        for process in self.apis.iter().chain(&self.workers) {
            std::fs::copy(process.log(), self.logs.join(format!("{}.log", process.name)))?;
        }
        std::fs::write(self.logs.join("postgres.log"), self.postgres.log())?;
        std::fs::write(self.logs.join("postgres-replica.log"), self.replica.log())?;
        std::fs::copy(self.s3.log(), self.logs.join("s3.log"))?;
        for (n, node) in self.redis.nodes().into_iter().enumerate() {
            std::fs::copy(node.log(), self.logs.join(format!("redis-{}.log", n + 1)))?;
        }
        Ok(())
    }
}

/// What a failed run leaves.
impl Drop for Cast {
    fn drop(&mut self) {
        if std::thread::panicking() {
            match self.keep_logs() {
                Ok(()) => eprintln!("the logs of all processes are in {}", self.logs.display()),
                Err(error) => eprintln!("the logs cannot be kept: {error}"),
            }
        }
    }
}

/// Nothing is kept for longer than it must, and who is silent is soon taken for dead.
pub(crate) fn configuration(
    database: &str,
    redis: &str,
    bucket: &Bucket,
    endpoint: &str,
    shared: &Path,
) -> String {
    let secret = shared.join("s3.secret");
    std::fs::write(&secret, s3::SECRET_ACCESS_KEY).unwrap();
    format!(
        "[workers]\njobs = 0\nlease_seconds = {}\n[database]\n{database}\n[redis]\nurl = {redis:?}\n\
         [storage]\ntrash_days = 0\ndeleted_days = 0\nunfinished_seconds = 15\n[http]\ngrace_seconds = 3\n\
         [log]\nfilter = \"info,sqlx=warn\"\n[rates]\nuser_per_second = 0\naddress_per_second = 0\n\
         [stores.default]\nkind = \"s3\"\nbucket = {:?}\nendpoint = {endpoint:?}\naccess_key_id = {:?}\n\
         secret_key_file = {secret:?}\n",
        LEASE.as_secs(),
        bucket.name(),
        s3::ACCESS_KEY_ID,
    )
}
