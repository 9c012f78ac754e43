use super::{
    address::{Deployment, Kind},
    error::{again, breaks, from_redis, silent, unavailable},
    link::{CONNECT, Link, Unasked},
};
use medianest_core::{Error, Result};
use redis::{Cmd, FromRedisValue, PushKind, Value, cmd};
use std::{fmt, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, timeout_at},
};

/// How long a command may take as a whole, with all that a cluster needs to find out where it goes.
const PATIENCE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A Redis 7 or newer: one server, a primary behind Sentinels, or a Cluster. All clones share one
/// connection, which is made again when it is lost. While nobody answers, what needs it fails with
/// `redis_unavailable`: the first within two seconds, the others at once.
///
/// Keys and channels begin with `medianest:`.
#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
    prefix: Arc<str>,
}

struct Shared {
    deployment: Arc<Deployment>,
    state: watch::Receiver<State>,
    broken: mpsc::Sender<u64>,
    /// Ended with the last clone.
    _keeper: JoinSet<()>,
}

#[derive(Clone)]
enum State {
    /// An attempt is being made, which is worth waiting for.
    Connecting,
    /// A connection, and which one it is since the beginning.
    Up(Link, u64),
    /// Nobody to be asked, and why.
    Away(Arc<Error>),
}

/// How a [`Redis`] is connected to.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RedisOptions {
    /// A file with the certificates, in PEM, of those who may vouch for the servers of a `rediss` URL,
    /// instead of the system's. It is read again with each new connection.
    pub ca_file: Option<PathBuf>,
}

impl Redis {
    /// Begins to connect to `redis://user:password@host:6379/database`, to a Cluster
    /// (`redis-cluster://host:6379,host:6379`) or to the primary that Sentinels call `name`
    /// (`redis-sentinel://host:26379,host:26379/name/database`); with `rediss` over TLS. To be called
    /// within a tokio runtime. That nobody answers is no error here: see [`check`](Self::check).
    ///
    /// TLS is that of `rustls`; a program that has several of its crypto providers installs one.
    ///
    /// # Errors
    /// `invalid_redis_url`.
    pub fn open(url: &str) -> Result<Self> {
        Self::open_with(url, &RedisOptions::default())
    }

    /// As [`open`](Self::open).
    ///
    /// # Errors
    /// `invalid_redis_url`; `invalid_ca_file`.
    pub fn open_with(url: &str, options: &RedisOptions) -> Result<Self> {
        let deployment = Arc::new(Deployment::parse(url, options)?);
        let (set_state, state) = watch::channel(State::Connecting);
        let (broken, breaks) = mpsc::channel(1);
        let mut keeper = JoinSet::new();
        keeper.spawn(keep(Arc::clone(&deployment), set_state, broken.clone(), breaks));
        let shared = Arc::new(Shared { deployment, state, broken, _keeper: keeper });
        Ok(Self { shared, prefix: Arc::from("medianest") })
    }

    /// The same with another beginning of keys and channels: for deployments that share a Redis.
    #[must_use]
    pub fn prefixed(mut self, prefix: &str) -> Self {
        self.prefix = Arc::from(prefix);
        self
    }

    /// Whether it takes what is written: one whose disk is full, or that follows another, answers, but does
    /// not. In a cluster, whether all slots are served.
    ///
    /// # Errors
    /// `redis_unavailable`, `redis_refused`, `redis_untrusted`.
    pub async fn check(&self) -> Result<()> {
        let written = cmd("SET").arg(self.key("check")).arg(1).arg("PX").arg(1_000).take();
        self.ask::<Value>(&written).await?;
        if !matches!(self.shared.deployment.kind, Kind::Cluster) {
            return Ok(());
        }
        let info: String = self.ask(cmd("CLUSTER").arg("INFO")).await?;
        if info.contains("cluster_state:ok") { Ok(()) } else { Err(unavailable().with("cluster", "fail")) }
    }

    /// A key or channel of ours. What stands in braces decides in which slot of a cluster it is.
    pub(super) fn key(&self, name: impl fmt::Display) -> String {
        format!("{}:{name}", self.prefix)
    }

    pub(super) fn deployment(&self) -> &Arc<Deployment> {
        &self.shared.deployment
    }

    /// Asks, and once more when the connection turns out to be gone: a server that is there again is none
    /// that is away. So a command may happen more than once. Nodes of a cluster that do not agree yet who has
    /// a slot are asked again, for [`PATIENCE`] in all.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let (until, mut lost) = (Instant::now() + PATIENCE, None);
        loop {
            let (mut link, number) = self.link(lost, until).await?;
            let (first, asked) = (lost.is_none(), Instant::now());
            let (failed, again) = match timeout_at(until, link.ask(command)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) if link.is_astray(&error) => {
                    (unavailable().caused_by(error), Instant::now() < until)
                }
                Ok(Err(error)) if !breaks(&error) => return Err(from_redis(error)),
                // A cluster was asked several times already.
                Ok(Err(error)) => (from_redis(error), first && matches!(link, Link::Node(_))),
                // Most of the time went by until there was a connection: that says nothing against this one.
                Err(_) if asked.elapsed() < PATIENCE / 2 => return Err(silent(PATIENCE)),
                Err(_) => (silent(PATIENCE), false),
            };
            // Full when it is known already.
            let _ = self.shared.broken.try_send(number);
            if !again {
                return Err(failed);
            }
            lost = Some(number);
        }
    }

    /// The connection, when it is another than that which was `lost`.
    async fn link(&self, lost: Option<u64>, until: Instant) -> Result<(Link, u64)> {
        let mut state = self.shared.state.clone();
        let known = state.wait_for(|state| match state {
            State::Connecting => false,
            State::Up(_, number) => Some(*number) != lost,
            State::Away(_) => true,
        });
        match timeout_at(until, known).await {
            Ok(Ok(state)) => match &*state {
                State::Up(link, number) => Ok((link.clone(), *number)),
                State::Away(why) => Err(again(why)),
                State::Connecting => Err(unavailable()),
            },
            _ => Err(silent(PATIENCE)),
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Connects, and again whenever the connection is said to be broken; with growing pauses while nobody
/// answers.
async fn keep(
    deployment: Arc<Deployment>,
    state: watch::Sender<State>,
    broken: mpsc::Sender<u64>,
    mut breaks: mpsc::Receiver<u64>,
) {
    let (mut number, mut pause) = (0, FIRST_PAUSE);
    loop {
        number += 1;
        let lost = broken.clone();
        let unasked: Unasked = Arc::new(move |info| {
            if info.kind == PushKind::Disconnection {
                let _ = lost.try_send(number);
            }
        });
        // A sentinel has to be asked first.
        match tokio::time::timeout(2 * CONNECT, deployment.connect(unasked)).await {
            Ok(Ok(link)) => {
                if matches!(*state.borrow(), State::Away(_)) {
                    tracing::info!("redis answers again");
                }
                let replaces_itself = matches!(link, Link::Cluster(_));
                let since = Instant::now();
                state.send_replace(State::Up(link, number));
                while breaks.recv().await.is_some_and(|of| of != number) {}
                if since.elapsed() > LONGEST_PAUSE {
                    pause = FIRST_PAUSE;
                    // What is left of a cluster goes on answering.
                    if !replaces_itself {
                        state.send_replace(State::Connecting);
                    }
                    continue;
                }
                if !replaces_itself {
                    state.send_replace(State::Away(Arc::new(unavailable())));
                    tracing::warn!("redis broke a new connection off");
                }
            }
            failed => {
                let error = failed.ok().and_then(Result::err).unwrap_or_else(|| silent(2 * CONNECT));
                let why = Arc::new(error);
                let known = state.send_replace(State::Away(Arc::clone(&why)));
                if !matches!(known, State::Away(known) if known.code() == why.code()) {
                    tracing::warn!(error = %why.report(), "redis is away");
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
