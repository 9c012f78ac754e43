use super::address::{Deployment, Kind};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, ProtocolVersion, PushInfo,
    RedisError, RedisResult, aio::MultiplexedConnection, cluster::ClusterClient,
    cluster_async::ClusterConnection, sentinel::Sentinel,
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
    pub(super) async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::Node(node) => command.query_async(node).await,
            Self::Cluster(cluster) => command.query_async(cluster).await,
        }
    }
}

impl Deployment {
    pub(super) async fn connect(&self, unasked: Unasked) -> RedisResult<Link> {
        if !matches!(self.kind, Kind::Cluster) {
            return self.connect_to_one(unasked).await.map(Link::Node);
        }
        ClusterClient::builder(self.hosts.iter().map(|host| self.at(host.clone())))
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
            .map(Link::Cluster)
    }

    /// A connection to one server: the primary, or any node of a cluster.
    pub(super) async fn connect_to_one(&self, unasked: Unasked) -> RedisResult<MultiplexedConnection> {
        if let Kind::Sentinel(name) = &self.kind {
            let sentinels = self.hosts.iter().map(|host| self.at_sentinel(host.clone())).collect();
            let mut sentinels = Sentinel::build(sentinels)?;
            let primary = sentinels.async_master_for(name, Some(&self.behind_sentinel())).await?;
            return connect(&primary, unasked).await;
        }
        let mut failed = RedisError::from((ErrorKind::InvalidClientConfig, "no host is named"));
        for host in &self.hosts {
            match connect_to(self.at(host.clone()), Arc::clone(&unasked)).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

pub(super) async fn connect_to(node: ConnectionInfo, unasked: Unasked) -> RedisResult<MultiplexedConnection> {
    connect(&Client::open(node)?, unasked).await
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
