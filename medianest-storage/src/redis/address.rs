use medianest_core::{Error, Result};
use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo, RedisError,
    TlsMode, sentinel::SentinelNodeConnectionInfo,
};

/// Which servers a URL names, and how to speak with them.
pub(super) struct Deployment {
    pub(super) kind: Kind,
    /// The hosts of the URL, at least one.
    pub(super) hosts: Vec<ConnectionAddr>,
    /// One of them, with credentials and database: all are connected to in the same way.
    node: ConnectionInfo,
}

pub(super) enum Kind {
    Node,
    /// The hosts are sentinels, which know the primary by this name.
    Sentinel(String),
    Cluster,
}

impl Deployment {
    /// Understands `redis://user:password@host:port/database`, and with several hosts
    /// `redis-cluster://host:port,host:port` and `redis-sentinel://host:port,host:port/name/database`;
    /// with `rediss` over TLS.
    ///
    /// # Errors
    /// `invalid_redis_url`, which does not show the URL.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
        let (scheme, kind) = scheme.split_once('-').unwrap_or((scheme, ""));
        if scheme != "redis" && scheme != "rediss" {
            return Err(invalid());
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let (kind, database, port) = match kind {
            "" if !hosts.contains(',') => (Kind::Node, path, 6379),
            "cluster" if path.is_empty() => (Kind::Cluster, "", 6379),
            "sentinel" => match path.split_once('/').unwrap_or((path, "")) {
                ("", _) => return Err(invalid()),
                (name, database) => (Kind::Sentinel(name.to_owned()), database, 26379),
            },
            _ => return Err(invalid()),
        };
        let nodes = hosts.split(',').map(|host| match host.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => host.to_owned(),
            _ => format!("{host}:{port}"),
        });
        let nodes = nodes.map(|host| node(&format!("{scheme}://{user}{host}/{database}")));
        let nodes = nodes.collect::<Result<Vec<_>>>()?;
        let hosts = nodes.iter().map(|node| node.addr().clone()).collect();
        let node = nodes.into_iter().next().ok_or_else(invalid)?;
        Ok(Self { kind, hosts, node })
    }

    /// How to connect to a server of the deployment.
    pub(super) fn at(&self, address: ConnectionAddr) -> ConnectionInfo {
        self.node.clone().set_addr(address)
    }

    /// How to connect to a server that another one names.
    pub(super) fn at_host(&self, host: &str, port: u16) -> ConnectionInfo {
        self.at(match self.node.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
                host: host.to_owned(),
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host.to_owned(), port),
        })
    }

    /// How to connect to a sentinel: as to the others, but that sentinels have no databases and are asked
    /// without credentials.
    pub(super) fn at_sentinel(&self, address: ConnectionAddr) -> ConnectionInfo {
        self.at(address).set_redis_settings(RedisConnectionInfo::default())
    }

    /// How to connect to what a sentinel names.
    pub(super) fn behind_sentinel(&self) -> SentinelNodeConnectionInfo {
        let settings = self.node.redis_settings().clone();
        let info = SentinelNodeConnectionInfo::default().set_redis_connection_info(settings);
        match self.node.addr() {
            ConnectionAddr::TcpTls { insecure: true, .. } => info.set_tls_mode(TlsMode::Insecure),
            ConnectionAddr::TcpTls { .. } => info.set_tls_mode(TlsMode::Secure),
            _ => info,
        }
    }
}

/// Connections speak RESP3, in which the loss of a connection and messages come unasked.
fn node(url: &str) -> Result<ConnectionInfo> {
    let info = url.into_connection_info().map_err(|source: RedisError| invalid().caused_by(source))?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(settings))
}

fn invalid() -> Error {
    Error::invalid(
        "invalid_redis_url",
        "not the URL of a Redis: redis://host:6379, redis-cluster://host:6379,host:6379 or \
         redis-sentinel://host:26379,host:26379/name",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_deployments() {
        let parse = |url| Deployment::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        let tcp = |host: &str, port| ConnectionAddr::Tcp(host.to_owned(), port);

        let single = parse("redis://ada:p%40ss@db/3");
        assert!(matches!(single.kind, Kind::Node));
        assert_eq!(single.hosts, [tcp("db", 6379)]);
        let settings = single.node.redis_settings();
        assert_eq!((settings.username(), settings.password(), settings.db()), (Some("ada"), Some("p@ss"), 3));

        let cluster = parse("rediss-cluster://:secret@a:1,b,[::1]:3");
        assert!(matches!(cluster.kind, Kind::Cluster));
        let wanted = [("a", 1), ("b", 6379), ("::1", 3)];
        for (address, (name, number)) in cluster.hosts.iter().zip(wanted) {
            assert!(
                matches!(address, ConnectionAddr::TcpTls { host, port, .. } if (host.as_str(), *port) == (name, number))
            );
        }
        assert_eq!(cluster.at_host("c", 4).redis_settings().password(), Some("secret"));

        let watched = parse("redis-sentinel://:secret@a,b:2/nest/1");
        assert!(matches!(&watched.kind, Kind::Sentinel(name) if name == "nest"));
        assert_eq!(watched.hosts, [tcp("a", 26379), tcp("b", 2)]);
        assert_eq!(watched.node.redis_settings().db(), 1);
        assert_eq!(watched.at_sentinel(tcp("a", 1)).redis_settings().password(), None);
    }

    #[test]
    fn other_urls_are_refused_without_showing_them() {
        for url in [
            "",
            "redis",
            "http://secret@a",
            "redis://",
            "redis://a,b",
            "redis://a/secret",
            "redis-ring://secret@a",
            "redis-cluster://a/secret",
            "redis-cluster://",
            "redis-sentinel://secret@a",
            "redis-sentinel:///secret",
        ] {
            let Err(error) = Deployment::parse(url) else { panic!("{url} was taken") };
            assert_eq!(error.code(), "invalid_redis_url");
            assert!(!error.report().contains("secret"), "{url}: {}", error.report());
        }
    }
}
