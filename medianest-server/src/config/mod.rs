//! What can be configured: one TOML file, `MEDIANEST_…` variables over it, flags over those.
//! Unknown keys are errors; secrets come from files and are never shown.

mod check;
mod load;
mod secret;
mod stores;

pub use load::{Overrides, load};
pub use secret::Secret;
pub use stores::{Store, StoreKind};

use crate::{Network, Rates};
use check::{check_postgres, wrong};
use medianest_core::{Error, Limits, Result, StoreName, engine::EngineOptions};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};
use tracing_subscriber::EnvFilter;

/// The configuration of the program. Variables are named after the keys, with two underscores between
/// levels: `MEDIANEST_LISTEN`, `MEDIANEST_ACCOUNTS__OPEN_REGISTRATION`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where everything is kept that is not elsewhere: the database, media, keys.
    pub data_dir: PathBuf,
    /// The address to listen at.
    pub listen: SocketAddr,
    /// Where people reach the server from outside, when a proxy stands before it
    /// (`https://media.example.org`). With `https`, cookies are for secure connections only.
    pub public_url: Option<String>,
    /// Where rows are kept; by default SQLite in the data directory.
    pub database: Database,
    /// What several processes share for a short while; by default they share the database alone.
    pub redis: Redis,
    /// What works on media in this process.
    pub workers: Workers,
    /// Users and their sessions.
    pub accounts: Accounts,
    /// How long what nobody needs is kept, and how much may come in.
    pub storage: Storage,
    /// Where media is kept, by the name of the store. There is always the one called `default`, which is
    /// `storage.media_dir` when nothing else is said; libraries may name the others.
    pub stores: BTreeMap<StoreName, Store>,
    /// What one piece of media may cost.
    pub limits: Limits,
    /// Limits of connections and requests.
    pub http: Http,
    /// Where those look who run the program.
    pub monitoring: Monitoring,
    /// How often a client may do what; zero is without limit.
    pub rates: Rates,
    /// What is logged, and how.
    pub log: Log,
}

/// Where rows are kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `postgres://user@host/database`; without it, SQLite in the data directory.
    pub url: Option<Secret>,
    /// A file that holds the URL, instead.
    pub url_file: Option<PathBuf>,
    /// Connections that this process has to each server of PostgreSQL, at most.
    pub max_connections: u32,
    /// The URLs of streaming replicas of that database, which answer lists and searches.
    pub replicas: Vec<Secret>,
    /// A file that holds these, one in each line, instead.
    pub replicas_file: Option<PathBuf>,
    /// Seconds that a replica may be behind and still be asked. What somebody wrote they always see.
    pub max_lag_seconds: u32,
}

/// What several processes share for a short while: sessions, wake-ups, the handing out of jobs.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redis {
    /// `redis://host:6379`, `redis-cluster://host:6379,host:6379` or
    /// `redis-sentinel://host:26379,host:26379/name`; with `rediss` over TLS.
    pub url: Option<Secret>,
    /// A file that holds the URL, instead.
    pub url_file: Option<PathBuf>,
    /// A file with the certificates, in PEM, of those who may vouch for the servers, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// What works on media in this process.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Workers {
    /// Jobs at the same time; 0 leaves all work to `medianest worker`. By default one for each core.
    pub jobs: Option<usize>,
    /// Of these, jobs that transcode. By default one: it uses several cores by itself.
    pub transcodes: Option<usize>,
    /// Seconds that a worker may be silent before its jobs are given to others.
    pub lease_seconds: u32,
}

/// Users and their sessions.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Accounts {
    /// Whether anybody may register.
    pub open_registration: bool,
    /// What the first administrator signs in with.
    pub first_admin: String,
    /// A file with the first administrator's password; by default one is made up and shown once.
    pub first_admin_password_file: Option<PathBuf>,
    /// Minutes that an access token is good for.
    pub token_minutes: u32,
    /// Days after which a session ends that is not refreshed.
    pub session_idle_days: u32,
    /// Days after which a session ends at the latest.
    pub session_days: u32,
    /// Days that the audit trail is kept.
    pub audit_days: u32,
    /// Where the keys are that sign tokens and URLs; by default in the data directory. Processes that
    /// work together need the same.
    pub keys_dir: Option<PathBuf>,
}

/// How long what nobody needs is kept, and how much may come in.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    /// Where media is kept; by default in the data directory.
    pub media_dir: Option<PathBuf>,
    /// Bytes of one upload at most.
    pub max_upload_bytes: u64,
    /// Days that the trash keeps an asset.
    pub trash_days: u32,
    /// Days that bytes outlive their rows: at least as far back as the database may be restored.
    pub deleted_days: u32,
    /// Seconds after which an upload that does not grow any more is cleared away.
    pub unfinished_seconds: u32,
}

/// Limits of connections and requests.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Connections at the same time; more wait.
    pub max_connections: usize,
    /// Seconds within which the head of a request must be there, also the first on a connection.
    pub head_seconds: u32,
    /// Seconds in which a body may be silent.
    pub body_seconds: u32,
    /// Seconds in which a client must take something of what it is answered.
    pub write_seconds: u32,
    /// Bytes of a JSON body at most.
    pub max_json_bytes: usize,
    /// Seconds that new requests are taken after the server was told to stop, while readiness says 503: as long
    /// as a load balancer needs to notice.
    pub drain_seconds: u32,
    /// Seconds that requests may go on after that, and jobs after the server was told to stop.
    pub grace_seconds: u32,
    /// Whether `/metrics` answers whoever connects from this machine. Behind a proxy on the same machine
    /// that may be everybody.
    pub local_metrics: bool,
    /// Whether other processes of the same user may listen at the same address; Linux then spreads new
    /// connections over all of them.
    pub reuse_port: bool,
    /// Proxies before us, addresses or networks, whose `X-Forwarded-For` tells where a request comes from.
    pub trusted_proxies: Vec<Network>,
}

/// Where those look who run the program.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Monitoring {
    /// An address for `/health/live`, `/health/ready` and `/metrics` alone, which answers whoever reaches it; of
    /// servers and workers. By default a server has these at its own address, and a worker nowhere.
    pub listen: Option<SocketAddr>,
}

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// As in `RUST_LOG`: `info`, `medianest_core=debug,warn`.
    pub filter: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: load::default_data_dir(),
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            public_url: None,
            database: Database::default(),
            redis: Redis::default(),
            workers: Workers::default(),
            accounts: Accounts::default(),
            storage: Storage::default(),
            stores: BTreeMap::new(),
            limits: Limits::default(),
            http: Http::default(),
            monitoring: Monitoring::default(),
            rates: Rates::default(),
            log: Log::default(),
        }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            max_connections: 10,
            replicas: Vec::new(),
            replicas_file: None,
            max_lag_seconds: 10,
        }
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self { jobs: None, transcodes: None, lease_seconds: 30 }
    }
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            open_registration: false,
            first_admin: "admin".into(),
            first_admin_password_file: None,
            token_minutes: 15,
            session_idle_days: 14,
            session_days: 90,
            audit_days: 365,
            keys_dir: None,
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            media_dir: None,
            max_upload_bytes: 64 << 30,
            trash_days: 30,
            deleted_days: 7,
            unfinished_seconds: 900,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            head_seconds: 15,
            body_seconds: 30,
            write_seconds: 60,
            max_json_bytes: 1 << 20,
            drain_seconds: 0,
            grace_seconds: 10,
            local_metrics: false,
            reuse_port: false,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info,sqlx=warn".into(), format: LogFormat::Text }
    }
}

impl Http {
    /// See [`drain_seconds`](Self::drain_seconds).
    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }
}

impl Log {
    /// The filter as the log takes it.
    pub(crate) fn filter(&self) -> Result<EnvFilter> {
        EnvFilter::try_new(&self.filter).or_else(|_| wrong("log.filter", "is not a filter, such as info"))
    }
}

impl Config {
    /// The URL of PostgreSQL; None for SQLite.
    ///
    /// # Errors
    /// `configuration` when the file cannot be read, or it is no such URL.
    pub fn database_url(&self) -> Result<Option<Secret>> {
        let url = match (&self.database.url, &self.database.url_file) {
            (Some(url), _) => url.clone(),
            (None, Some(file)) => Secret::read(file, "database.url_file")?,
            (None, None) => return Ok(None),
        };
        check_postgres("database.url", &url)?;
        Ok(Some(url))
    }

    /// The URLs of the replicas of PostgreSQL.
    ///
    /// # Errors
    /// `configuration` when the file cannot be read, or they are no such URLs.
    pub fn replica_urls(&self) -> Result<Vec<Secret>> {
        let urls = match &self.database.replicas_file {
            Some(file) => Secret::read_lines(file, "database.replicas_file")?,
            None => self.database.replicas.clone(),
        };
        urls.iter().try_for_each(|url| check_postgres("database.replicas", url))?;
        Ok(urls)
    }

    /// The URL of Redis; None when there is none.
    ///
    /// # Errors
    /// `configuration` when the file cannot be read, or it is no such URL.
    pub fn redis_url(&self) -> Result<Option<Secret>> {
        let url = match (&self.redis.url, &self.redis.url_file) {
            (Some(url), _) => url.clone(),
            (None, Some(file)) => Secret::read(file, "redis.url_file")?,
            (None, None) => return Ok(None),
        };
        match url.reveal().starts_with("redis") {
            true => Ok(Some(url)),
            false => wrong("redis.url", "must begin with redis://, redis-sentinel:// or redis-cluster://"),
        }
    }

    /// The same without Redis, for what has nothing to share.
    pub(crate) fn without_redis(self) -> Self {
        Self { redis: Redis::default(), ..self }
    }

    /// All stores, the one called `default` among them.
    pub fn all_stores(&self) -> BTreeMap<StoreName, Store> {
        let mut stores = self.stores.clone();
        let default = stores.entry(StoreName::DEFAULT).or_default();
        if default.kind == StoreKind::Local && default.dir.is_none() {
            default.dir = Some(self.media_dir());
        }
        stores
    }

    /// The folders of this machine that media is kept in, by all stores and their mirrors.
    pub(crate) fn media_dirs(&self) -> Vec<PathBuf> {
        self.all_stores().into_values().flat_map(|store| store.dirs()).collect()
    }

    /// A store.
    ///
    /// # Errors
    /// `no_such_store`.
    pub fn store(&self, name: &StoreName) -> Result<Store> {
        self.all_stores().remove(name).ok_or_else(|| {
            let message = "there is no store of this name in the configuration; see stores.NAME";
            Error::invalid("no_such_store", message).with("store", name)
        })
    }

    /// The password of the first administrator, where it is chosen.
    ///
    /// # Errors
    /// `configuration` when the file cannot be read.
    pub fn first_admin_password(&self) -> Result<Option<Secret>> {
        let file = self.accounts.first_admin_password_file.as_deref();
        file.map(|file| Secret::read(file, "accounts.first_admin_password_file")).transpose()
    }

    /// Where the store called `default` is, when it is local.
    pub fn media_dir(&self) -> PathBuf {
        self.storage.media_dir.clone().unwrap_or_else(|| self.data_dir.join("media"))
    }

    /// Where keys are kept.
    pub fn keys_dir(&self) -> PathBuf {
        self.accounts.keys_dir.clone().unwrap_or_else(|| self.data_dir.join("keys"))
    }

    /// The engine's part of it.
    pub fn engine_options(&self) -> EngineOptions {
        let mut options = EngineOptions::default();
        options.limits = self.limits.clone();
        options.lease = Duration::from_secs(self.workers.lease_seconds.into());
        options.max_upload_bytes = self.storage.max_upload_bytes;
        options.trash_retention = days(self.storage.trash_days);
        options.delete_retention = days(self.storage.deleted_days);
        options.intent_ttl = Duration::from_secs(self.storage.unfinished_seconds.into());
        options.audit_retention = days(self.accounts.audit_days);
        options
    }
}

pub(crate) fn days(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 24 * 3600)
}
