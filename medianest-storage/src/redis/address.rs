use super::RedisOptions;
use medianest_core::{Error, Result};
use redis::{
    Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, ProtocolVersion, RedisError,
    RedisResult, TlsCertificates, TlsMode,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};
use uuid::Uuid;

/// Which servers a URL names, and how to speak with them.
pub(super) struct Deployment {
    pub(super) kind: Kind,
    /// The hosts of the URL, at least one.
    pub(super) hosts: Vec<ConnectionAddr>,
    /// One of them, with credentials and database: all are connected to in the same way.
    node: ConnectionInfo,
    ca_file: Option<PathBuf>,
    /// The host that is tried first: the one that answered last or, after it did not, the next.
    turn: AtomicUsize,
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
    /// `invalid_redis_url`, which does not show the URL; `invalid_ca_file`.
    pub(super) fn parse(url: &str, options: &RedisOptions) -> Result<Self> {
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
        let nodes_count = nodes.len();
        let node = nodes.into_iter().next().ok_or_else(invalid)?;
        let turn = AtomicUsize::new(Uuid::new_v4().as_u64_pair().0 as usize % nodes_count);
        let deployment = Self { kind, hosts, node, ca_file: options.ca_file.clone(), turn };
        deployment.client(deployment.node.clone()).map_err(|source| {
            Error::invalid("invalid_ca_file", "cannot read the certificates that redis is to be trusted by")
                .caused_by(source)
        })?;
        Ok(deployment)
    }

    /// The hosts, each once, with their numbers.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = (usize, &ConnectionAddr)> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let numbers = (0..self.hosts.len()).map(move |number| first.wrapping_add(number) % self.hosts.len());
        numbers.map(|number| (number, &self.hosts[number]))
    }

    /// This one answers, and is tried first the next time.
    pub(super) fn answers(&self, number: usize) {
        self.turn.store(number, Ordering::Relaxed);
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

    /// A client of a server. The certificates are read anew for each connection, so that others are taken up
    /// while we run.
    pub(super) fn client(&self, node: ConnectionInfo) -> RedisResult<Client> {
        match self.certificates()? {
            Some(certificates) => Client::build_with_tls(node, certificates),
            None => Client::open(node),
        }
    }

    /// Whom to trust; None for those that the system does, and where nothing is encrypted.
    pub(super) fn certificates(&self) -> RedisResult<Option<TlsCertificates>> {
        let Some(file) = self.ca_file.as_ref().filter(|_| self.tls().is_some()) else { return Ok(None) };
        let pem = std::fs::read(file)?;
        if !pem.windows(PEM.len()).any(|part| part == PEM) {
            return Err((ErrorKind::InvalidClientConfig, "there is no certificate in the file").into());
        }
        Ok(Some(TlsCertificates { client_tls: None, root_cert: Some(pem) }))
    }

    /// A client of the primary that the sentinels call by this name. They are connected to as the others, but
    /// that sentinels have no databases and are asked without credentials.
    pub(super) fn behind_sentinels(&self, name: &str) -> RedisResult<SentinelClient> {
        let settings = self.node.redis_settings();
        let mut client =
            SentinelClientBuilder::new(self.hosts.iter().cloned(), name, SentinelServerType::Master)?
                .set_client_to_redis_db(settings.db())
                .set_client_to_redis_protocol(settings.protocol());
        if let Some(user) = settings.username() {
            client = client.set_client_to_redis_username(user);
        }
        if let Some(password) = settings.password() {
            client = client.set_client_to_redis_password(password);
        }
        if let Some(tls) = self.tls() {
            client = client.set_client_to_redis_tls_mode(tls).set_client_to_sentinel_tls_mode(tls);
        }
        if let Some(certificates) = self.certificates()? {
            client = client
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        client.build()
    }

    fn tls(&self) -> Option<TlsMode> {
        match self.node.addr() {
            ConnectionAddr::TcpTls { insecure: true, .. } => Some(TlsMode::Insecure),
            ConnectionAddr::TcpTls { .. } => Some(TlsMode::Secure),
            _ => None,
        }
    }
}

/// What each certificate in a PEM file begins with.
const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";

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
        let parse = |url| {
            Deployment::parse(url, &RedisOptions::default()).unwrap_or_else(|error| panic!("{url}: {error}"))
        };
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
    }

    #[test]
    fn the_host_that_answered_comes_first_and_one_that_did_not_last() {
        let cluster = Deployment::parse("redis-cluster://a,b,c", &RedisOptions::default()).unwrap();
        let order = || cluster.in_turn().map(|(number, _)| number).collect::<Vec<_>>();
        let first = order();
        assert_eq!(first.iter().sum::<usize>(), 3);
        assert_eq!(order()[0], first[1]);
        cluster.answers(2);
        assert_eq!(order(), [2, 0, 1]);
        assert_eq!(order(), [0, 1, 2]);
    }

    #[test]
    fn certificates_are_looked_at_at_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut options = RedisOptions { ca_file: Some(file.path().to_owned()) };
        let parse = |options: &RedisOptions| Deployment::parse("rediss://a", options);
        for wrong in ["", "nonsense"] {
            std::fs::write(file.path(), wrong).unwrap();
            assert_eq!(
                parse(&options).err().map(|error| error.code().to_owned()).as_deref(),
                Some("invalid_ca_file")
            );
        }
        options.ca_file = Some("/nowhere".into());
        assert!(parse(&options).is_err());
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
            let Err(error) = Deployment::parse(url, &RedisOptions::default()) else {
                panic!("{url} was taken")
            };
            assert_eq!(error.code(), "invalid_redis_url");
            assert!(!error.report().contains("secret"), "{url}: {}", error.report());
        }
    }
}
