use crate::{
    Network, Rates,
    health::{Health, Need},
    rates::Counters,
};
use futures::{FutureExt, future::BoxFuture};
use medianest_core::{
    Engine, RateLimiter, Result,
    auth::{Accounts, Authenticator},
};
use std::{fmt, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// What the routes need: an engine, and somebody who knows the callers.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) engine: Engine,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) accounts: Option<Arc<Accounts>>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) metrics: Option<Metrics>,
    pub(crate) health: Health,
    pub(crate) draining: CancellationToken,
    pub(crate) counters: Counters,
    pub(crate) stop: CancellationToken,
}

impl State {
    /// Routes over an engine, for callers that `authenticator` knows. A host's middleware may also put
    /// a [`Principal`](medianest_core::Principal) into the data of a request; then nobody else is asked.
    pub fn new(engine: Engine, authenticator: Arc<dyn Authenticator>) -> Self {
        Self {
            health: Health::of(&engine),
            engine,
            authenticator,
            accounts: None,
            settings: Arc::default(),
            metrics: None,
            draining: CancellationToken::new(),
            counters: Counters::default(),
            stop: CancellationToken::new(),
        }
    }

    /// Routes with users of ours: sign-in, sessions, users. Without, these answer 404.
    pub fn with_accounts(engine: Engine, accounts: Arc<Accounts>) -> Self {
        let authenticator = Arc::new(accounts.authenticator());
        Self { accounts: Some(accounts), ..Self::new(engine, authenticator) }
    }

    /// Other settings than the default ones.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Arc::new(settings);
        self
    }

    /// What counts attempts to sign in, for all processes together; by default each counts by itself.
    #[must_use]
    pub fn rate_limiter(mut self, limiter: Arc<dyn RateLimiter>) -> Self {
        self.counters = self.counters.shared_by(limiter);
        self
    }

    /// When this is cancelled, event streams end, which otherwise go on for ever.
    #[must_use]
    pub fn shutdown(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// From when this is cancelled on, `/health/ready` answers 503, so that nobody sends more requests here.
    #[must_use]
    pub fn draining(mut self, draining: CancellationToken) -> Self {
        self.draining = draining;
        self
    }

    /// What else, beside catalog and stores, `/health/ready` looks at; `look` may block for a moment.
    #[must_use]
    pub fn depends_on(mut self, name: &str, look: impl Fn() -> Result<()> + Send + Sync + 'static) -> Self {
        self.health = self.health.and_blocking(name, Need::Vital, look);
        self
    }

    /// Something that the host does less without: while `look` fails, `/health/ready` says `degraded`.
    #[must_use]
    pub fn degrades_without<F>(mut self, name: &str, look: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.health = self.health.and(name, Need::Partial, look);
        self
    }

    /// What `/metrics` shows, in Prometheus' text format; it answers 404 without.
    #[must_use]
    pub fn metrics<F>(mut self, render: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = String> + Send + 'static,
    {
        self.metrics = Some(Metrics(Arc::new(move || render().boxed())));
        self
    }
}

/// How the routes behave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where people reach the server from outside (`https://media.example.org`), when there is a proxy
    /// before it. With `https`, cookies are for secure connections only.
    pub public_url: Option<String>,
    /// Bytes of a JSON body at most.
    pub max_json_bytes: usize,
    /// A body that sends nothing for so long is given up.
    pub body_timeout: Duration,
    /// Whether `/metrics` answers whoever connects from this machine. Behind a proxy on the same machine
    /// that may be everybody.
    pub local_metrics: bool,
    /// Proxies that are believed when they say in `X-Forwarded-For` whom they speak for.
    pub trusted_proxies: Vec<Network>,
    /// How often a client may do what.
    pub rates: Rates,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_url: None,
            max_json_bytes: 1 << 20,
            body_timeout: Duration::from_secs(30),
            local_metrics: false,
            trusted_proxies: Vec::new(),
            rates: Rates::default(),
        }
    }
}

impl Settings {
    /// Whether people reach the server over HTTPS.
    pub(crate) fn is_secure(&self) -> bool {
        self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }

    /// The name of the session cookie. The prefix makes browsers refuse it from anybody else.
    pub(crate) fn cookie_name(&self) -> &'static str {
        if self.is_secure() { "__Host-medianest" } else { "medianest" }
    }
}

/// See [`State::metrics`].
#[derive(Clone)]
pub(crate) struct Metrics(Arc<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>);

impl Metrics {
    pub(crate) async fn render(&self) -> String {
        (self.0)().await
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}
