use crate::support::{Trust, in_the_end, refused};
use medianest_core::{Error, Result};
use medianest_storage::{Redis, RedisOptions};
use medianest_testkit::{
    authority::Authority,
    redis::{Server, free_port},
};
use std::process::Command;

/// Set for a process that trusts the server of its parent, at this URL.
const TRUSTED: &str = "MEDIANEST_TEST_TRUSTED_REDIS";

struct Guarded {
    server: Server,
    port: u16,
}

impl Guarded {
    fn start(trust: &Trust) -> Self {
        let port = free_port();
        let [certificate, key] =
            [&trust.server.certificate, &trust.server.key].map(|file| file.display().to_string());
        let tls = ["--tls-port", &port.to_string(), "--tls-cert-file", &certificate, "--tls-key-file", &key];
        Self { server: Server::start(&[&tls[..], &["--tls-auth-clients", "no"]].concat()), port }
    }

    fn url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.port)
    }

    /// Takes up what is in its files, and loses all connections.
    fn renew(&self, trust: &Trust) {
        let file = trust.server.certificate.display().to_string();
        self.server.cli(&["CONFIG", "SET", "tls-cert-file", &file]);
        self.server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
}

fn connect(url: &str, trust: &Trust) -> Redis {
    let mut options = RedisOptions::default();
    options.ca_file = Some(trust.ca_file());
    Redis::open_with(url, &options).unwrap()
}

#[tokio::test]
async fn d11_a_certificate_that_expired_is_refused_until_it_is_renewed() {
    let trust = Trust::new();
    let redis_server = Guarded::start(&trust);
    let redis = connect(&redis_server.url(), &trust);
    in_the_end(|| redis.check()).await;

    trust.server.replace_by(&trust.authority.issue(-1));
    redis_server.renew(&trust);
    refused("redis_untrusted", || redis.check()).await;
    trust.server.replace_by(&trust.authority.issue(30));
    redis_server.renew(&trust);
    in_the_end(|| redis.check()).await;
}

#[tokio::test]
async fn d11_another_authority_is_trusted_when_it_is_in_the_file() {
    let (trust, other) = (Trust::new(), Authority::new());
    let redis_server = Guarded::start(&trust);
    let redis = connect(&redis_server.url(), &trust);
    in_the_end(|| redis.check()).await;

    trust.server.replace_by(&other.issue(30));
    redis_server.renew(&trust);
    refused("redis_untrusted", || redis.check()).await;
    trust.is_in(&other);
    in_the_end(|| redis.check()).await;
    // Nothing that could be read is nobody who is trusted.
    std::fs::write(trust.ca_file(), "nonsense").unwrap();
    redis_server.renew(&trust);
    let is_away = || async {
        match redis.check().await {
            Ok(()) => Err(Error::internal("it was trusted")),
            Err(_) => Ok(()),
        }
    };
    in_the_end(is_away).await;
    trust.is_in(&other);
    in_the_end(|| redis.check()).await;
}

/// Without a file of ours, by what the system trusts.
#[tokio::test]
async fn d11_only_a_server_with_a_trusted_certificate_is_spoken_with() -> Result<()> {
    if let Ok(url) = std::env::var(TRUSTED) {
        return Redis::open(&url)?.check().await;
    }
    let trust = Trust::new();
    let redis_server = Guarded::start(&trust);
    let redis = Redis::open(&redis_server.url())?;
    refused("redis_untrusted", || redis.check()).await;
    let trusting = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "redis::d11_only_a_server_with_a_trusted_certificate_is_spoken_with"])
        .env(TRUSTED, redis_server.url())
        .env("SSL_CERT_FILE", trust.ca_file())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&trusting.stdout);
    assert!(trusting.status.success() && said.contains("1 passed"), "{said}");
    Ok(())
}
