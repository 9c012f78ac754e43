use super::{
    address::{Deployment, Kind},
    error::{from_redis, tells},
};
use medianest_core::Result;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, ProtocolVersion, PushInfo,
    RedisError, RedisResult, ServerErrorKind, aio::MultiplexedConnection, cluster::ClusterClient,
    cluster_async::ClusterConnection, cmd,
};
use std::{convert::Infallible, sync::Arc, time::Duration};

/// How long a server may take to be connected to.
pub(super) const CONNECT: Duration = Duration::from_secs(2);
/// How long one server may take to answer.
pub(super) const ANSWER: Duration = Duration::from_secs(1);

/// Called with what comes unasked over a connection to one server, its loss among it. Must not block.
pub(super) type Unasked = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// A connection that many commands share.
#[derive(Clone)]
pub(super) enum Link {
    Node(MultiplexedConnection),
    /// Finds slots that moved, and primaries that were replaced, by itself.
    Cluster(ClusterConnection),
}

impl Link {
    /// Whether a cluster sends us from one node to the next: after a failover its client may hold on to what it
    /// knew, and has to begin anew.
    pub(super) fn is_astray(&self, error: &RedisError) -> bool {
        matches!(self, Self::Cluster(_))
            && matches!(error.kind(), ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask))
    }

    pub(super) async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::Node(node) => command.query_async(node).await,
            Self::Cluster(cluster) => command.query_async(cluster).await,
        }
    }
}

impl Deployment {
    /// Connects as to the whole of it.
    ///
    /// # Errors
    /// `redis_unavailable`, `redis_refused`, `redis_untrusted`.
    pub(super) async fn connect(&self, unasked: Unasked) -> Result<Link> {
        let connected = match self.kind {
            Kind::Cluster => self.connect_to_cluster().await.map(Link::Cluster),
            _ => self.connect_to_one(unasked).await.map(Link::Node),
        };
        match connected {
            Ok(link) => Ok(link),
            Err(failed) => Err(from_redis(self.reason().await.unwrap_or(failed))),
        }
    }

    async fn connect_to_cluster(&self) -> RedisResult<ClusterConnection> {
        let mut builder = ClusterClient::builder(self.hosts.iter().map(|host| self.at(host.clone())));
        if let Some(certificates) = self.certificates()? {
            builder = builder.certs(certificates);
        }
        builder
            .use_protocol(ProtocolVersion::RESP3)
            .connection_timeout(CONNECT)
            .response_timeout(ANSWER)
            .overall_response_timeout(None)
            .retries(4)
            .min_retry_wait(20)
            .max_retry_wait(200)
            .build()?
            .get_async_connection()
            .await
    }

    /// A connection to one server: the primary, or any node of a cluster.
    pub(super) async fn connect_to_one(&self, unasked: Unasked) -> RedisResult<MultiplexedConnection> {
        if let Kind::Sentinel(name) = &self.kind {
            let primary = self.behind_sentinels(name)?.async_get_client().await?;
            return connect(&primary, unasked).await;
        }
        let mut failed = RedisError::from((ErrorKind::InvalidClientConfig, "no host is named"));
        for (number, host) in self.in_turn() {
            match self.connect_to(self.at(host.clone()), Arc::clone(&unasked)).await {
                Ok(connection) => {
                    self.answers(number);
                    return Ok(connection);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    pub(super) async fn connect_to(
        &self,
        node: ConnectionInfo,
        unasked: Unasked,
    ) -> RedisResult<MultiplexedConnection> {
        connect(&self.client(node)?, unasked).await
    }

    /// Why nobody would have us, where the clients of clusters and sentinels do not tell: what one of the
    /// servers says itself.
    async fn reason(&self) -> Option<RedisError> {
        let node = match &self.kind {
            Kind::Node => return None,
            Kind::Cluster => self.at(self.in_turn().next()?.1.clone()),
            Kind::Sentinel(name) => {
                let sentinel = self.behind_sentinels(name).ok()?.async_get_sentinel_client().await;
                let mut sentinel = match sentinel {
                    Ok(client) => client.get_multiplexed_async_connection().await.ok()?,
                    Err(error) => return Some(error).filter(tells),
                };
                let ask = cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name).to_owned();
                let (host, port): (String, u16) = ask.query_async(&mut sentinel).await.ok()?;
                self.at_host(&host, port)
            }
        };
        self.connect_to(node, ignored()).await.err().filter(tells)
    }
}

fn ignored() -> Unasked {
    Arc::new(|_| {})
}

async fn connect(client: &Client, unasked: Unasked) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(ANSWER))
        .set_push_sender(move |info: PushInfo| {
            unasked(info);
            Ok::<_, Infallible>(())
        });
    client.get_multiplexed_async_connection_with_config(&config).await
}
