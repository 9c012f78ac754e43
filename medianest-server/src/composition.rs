//! The one place that knows all crates: which catalog, which blobs, which processor.

pub(crate) mod redis;
pub(crate) mod stores;

use crate::{
    Settings, State,
    config::{Config, Secret, days},
    data_dir,
};
use medianest_core::{
    Clock, Dispatcher, Engine, Error, EventBus, MediaProcessor, Result, SystemClock,
    auth::{
        Accounts, AccountsOptions, CatalogSessions, KeySet, MemorySessions, PasswordOptions, Passwords,
        SessionStore, TokenOptions, Tokens,
    },
    catalog::{Catalog, IdentityCatalog},
    engine::UrlKey,
};
use medianest_storage::{
    PostgresBus, PostgresCatalog, PostgresOptions, Redis, RedisBus, RedisCache, RedisDispatcher, RedisLimits,
    RedisSessions, SqliteCatalog,
};
use std::{path::Path, sync::Arc, time::Duration};

/// Sessions that are remembered; each takes a few hundred bytes.
const REMEMBERED_SESSIONS: usize = 10_000;

/// Everything put together.
#[derive(Debug)]
pub(crate) struct Nest {
    pub(crate) engine: Engine,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) identity: Arc<dyn IdentityCatalog>,
    pub(crate) postgres: Option<Arc<PostgresCatalog>>,
    redis: Option<Redis>,
    /// None where several processes share a database: then any of them may be the one.
    _lock: Option<data_dir::Lock>,
}

/// What is done to tables that are older than the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Migrate {
    /// Upgraded, SQLite after a copy was put aside.
    Yes,
    /// Left alone: an error.
    No,
}

/// What the process is going to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It serves, or works: a Redis that it shares has to be fit to hand out jobs.
    Stays,
    /// One command, which works on no job.
    Command,
}

/// Puts everything together as configured.
///
/// # Errors
/// `data_dir_in_use` when another process owns the data directory; `schema_outdated`; `Unavailable`;
/// `redis_evicts`, `redis_too_old` for one that stays.
pub(crate) async fn compose(config: &Config, migrate: Migrate, role: Role) -> Result<Nest> {
    data_dir::create(&config.data_dir)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let rows = rows(config, migrate, role, &clock).await?;
    let keys = KeySet::open(&config.keys_dir())?;
    let url_key = UrlKey::new("k1", data_dir::secret(&config.keys_dir().join("url.key"))?)?;

    let mut builder = Engine::builder()
        .catalog(Arc::clone(&rows.catalog))
        .processor(processor()?)
        .clock(Arc::clone(&clock))
        .url_key(url_key)
        .options(config.engine_options());
    for (name, store) in config.all_stores() {
        let blobs = stores::open_mirrored(name.as_str(), &store)?;
        builder = builder.store(name, blobs, store.delivery);
    }
    if let Some(bus) = rows.bus {
        builder = builder.bus(bus);
    }
    if let Some(dispatcher) = rows.dispatcher {
        builder = builder.dispatcher(dispatcher);
    }
    if let Some(redis) = &rows.redis {
        builder = builder.cache(RedisCache::new(redis.clone()));
    }
    let mut tokens = TokenOptions::default();
    tokens.lifetime = Duration::from_secs(u64::from(config.accounts.token_minutes) * 60);
    let mut options = AccountsOptions::default();
    options.open_registration = config.accounts.open_registration;
    options.session_idle = days(config.accounts.session_idle_days);
    options.session_absolute = days(config.accounts.session_days);
    let accounts = Accounts::new(
        Arc::clone(&rows.identity),
        rows.sessions,
        Arc::new(Passwords::new(&PasswordOptions::default())?),
        Arc::new(Tokens::new(tokens, keys, Arc::clone(&clock))),
        clock,
        options,
    );
    Ok(Nest {
        engine: builder.build()?,
        accounts: Arc::new(accounts),
        identity: rows.identity,
        postgres: rows.postgres,
        redis: rows.redis,
        _lock: rows.lock,
    })
}

impl Nest {
    /// The state of the routes.
    pub(crate) fn state(&self, config: &Config) -> State {
        let settings = Settings {
            public_url: config.public_url.clone(),
            max_json_bytes: config.http.max_json_bytes,
            body_timeout: Duration::from_secs(config.http.body_seconds.into()),
            local_metrics: config.http.local_metrics,
            trusted_proxies: config.http.trusted_proxies.clone(),
            rates: config.rates.clone(),
        };
        let mut state =
            State::with_accounts(self.engine.clone(), Arc::clone(&self.accounts)).settings(settings);
        for (postgres, index) in self
            .postgres
            .iter()
            .flat_map(|postgres| (0..postgres.replica_count()).map(move |index| (postgres, index)))
        {
            let postgres = Arc::clone(postgres);
            // The primary answers instead.
            state = state.degrades_without(&format!("replica-{}", index + 1), move || {
                let postgres = Arc::clone(&postgres);
                async move { postgres.check_replica(index).await }
            });
        }
        let Some(redis) = self.redis.clone() else { return state };
        let state = state.rate_limiter(Arc::new(RedisLimits::new(redis.clone())));
        state.degrades_without("redis", move || {
            let redis = redis.clone();
            async move { redis::check(&redis).await }
        })
    }
}

struct Rows {
    catalog: Arc<dyn Catalog>,
    identity: Arc<dyn IdentityCatalog>,
    sessions: Arc<dyn SessionStore>,
    bus: Option<Arc<dyn EventBus>>,
    dispatcher: Option<Arc<dyn Dispatcher>>,
    postgres: Option<Arc<PostgresCatalog>>,
    redis: Option<Redis>,
    lock: Option<data_dir::Lock>,
}

async fn rows(config: &Config, migrate: Migrate, role: Role, clock: &Arc<dyn Clock>) -> Result<Rows> {
    let Some(url) = config.database_url()? else {
        let lock = data_dir::Lock::take(&config.data_dir)?;
        let file = config.data_dir.join("nest.db");
        let existed = file.exists();
        let catalog = Arc::new(SqliteCatalog::open(file).await?);
        upgrade_sqlite(&catalog, existed, &config.data_dir, migrate, &**clock).await?;
        return Ok(Rows {
            identity: Arc::clone(&catalog) as _,
            sessions: Arc::new(MemorySessions::new(REMEMBERED_SESSIONS, Arc::clone(clock))),
            catalog,
            bus: None,
            dispatcher: None,
            postgres: None,
            redis: None,
            lock: Some(lock),
        });
    };
    let catalog = Arc::new(connect(config, &url).await?);
    let redis = redis::open(config)?;
    match migrate {
        Migrate::Yes => catalog.migrate().await?,
        Migrate::No => drop(catalog.check().await?),
    }
    let rows = Rows {
        identity: Arc::clone(&catalog) as _,
        sessions: Arc::new(CatalogSessions),
        bus: None,
        dispatcher: None,
        postgres: Some(Arc::clone(&catalog)),
        redis: None,
        catalog: Arc::clone(&catalog) as _,
        lock: None,
    };
    let Some(redis) = redis else {
        return Ok(Rows { bus: Some(Arc::new(PostgresBus::start(catalog.pool().clone()))), ..rows });
    };
    let bus: Arc<dyn EventBus> = Arc::new(RedisBus::start(&redis));
    let dispatcher: Option<Arc<dyn Dispatcher>> = match role {
        Role::Stays => {
            Some(Arc::new(RedisDispatcher::start(redis.clone(), catalog, Arc::clone(&bus)).await?))
        }
        Role::Command => None,
    };
    Ok(Rows {
        sessions: Arc::new(RedisSessions::new(redis.clone(), Arc::clone(clock))),
        bus: Some(bus),
        dispatcher,
        redis: Some(redis),
        ..rows
    })
}

/// The rows in PostgreSQL alone.
///
/// # Errors
/// `configuration` where there is none; as [`PostgresCatalog::connect_with`].
pub(crate) async fn postgres(config: &Config) -> Result<PostgresCatalog> {
    let url = config.database_url()?;
    let url = url.ok_or_else(|| Error::invalid("configuration", "database.url is not set"))?;
    connect(config, &url).await
}

async fn connect(config: &Config, url: &Secret) -> Result<PostgresCatalog> {
    let mut options = PostgresOptions::default();
    options.max_connections = config.database.max_connections;
    options.replicas = config.replica_urls()?.iter().map(|url| url.reveal().to_owned()).collect();
    options.max_lag = Duration::from_secs(config.database.max_lag_seconds.into());
    PostgresCatalog::connect_with(url.reveal(), &options).await
}

/// Upgrades the tables, after a copy of what is there was put aside.
async fn upgrade_sqlite(
    catalog: &SqliteCatalog,
    existed: bool,
    data_dir: &Path,
    migrate: Migrate,
    clock: &dyn Clock,
) -> Result<()> {
    let outdated = match catalog.check().await {
        Ok(_) => return Ok(()),
        Err(error) if error.code() == "schema_outdated" => error,
        Err(error) => return Err(error),
    };
    if existed && migrate == Migrate::No {
        return Err(outdated);
    }
    if existed {
        let copies = data_dir.join("backups");
        data_dir::create(&copies)?;
        let copy = copies.join(format!("before-upgrade-{}.db", clock.now().as_secs()));
        catalog.backup_to(&copy).await?;
        tracing::info!(copy = %copy.display(), "copied the database before upgrading it");
    }
    catalog.migrate().await
}

/// Media is decoded in child processes where the system has what that needs.
fn processor() -> Result<Arc<dyn MediaProcessor>> {
    #[cfg(target_os = "linux")]
    return Ok(Arc::new(medianest_media::sandbox::Sandboxed::new()?));
    #[cfg(not(target_os = "linux"))]
    Ok(Arc::new(medianest_media::InProcess))
}

/// The media type by the first bytes of a file.
pub(crate) fn is_media(head: &[u8]) -> bool {
    medianest_media::sniff(head).is_some()
}

/// Whether the FFmpeg that is linked in can write what videos and songs become.
///
/// # Errors
/// `encoder_missing`.
pub(crate) fn check_encoders() -> Result<()> {
    medianest_media::check_encoders()
}

/// Prepares what must be prepared before any thread is started.
///
/// # Errors
/// `sandbox_unavailable`.
pub(crate) fn before_threads() -> Result<()> {
    #[cfg(target_os = "linux")]
    medianest_media::sandbox::init()?;
    Ok(())
}

/// Whether the folder of the blobs is there, as far as it was when the program started. A store without it
/// answers that nothing is there, as when a disk is not mounted.
///
/// # Errors
/// `media_dir_gone`.
pub(crate) fn check_media_dir(path: &Path) -> Result<()> {
    std::fs::read_dir(path).map(drop).map_err(|source| {
        Error::unavailable("media_dir_gone", "the directory of the media cannot be read")
            .with("path", path.display())
            .caused_by(source)
    })
}

/// Whether children that decode media can be made, where there are any.
///
/// # Errors
/// `sandbox_gone`.
pub(crate) fn check_sandbox() -> Result<()> {
    #[cfg(target_os = "linux")]
    medianest_media::sandbox::Sandboxed::new()?.check()?;
    Ok(())
}

/// What the children that decode media have given up; None where there are none.
///
/// # Errors
/// `sandbox_unavailable`.
pub(crate) fn sandbox_report() -> Result<Option<String>> {
    #[cfg(target_os = "linux")]
    {
        let measures = medianest_media::sandbox::Sandboxed::new()?.measures()?;
        Ok(Some(format!("no network: {}, unprivileged: {}", measures.no_network, measures.unprivileged)))
    }
    #[cfg(not(target_os = "linux"))]
    Ok(None)
}
