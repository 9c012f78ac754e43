//! `rediss`: over TLS, and only to servers that the system trusts.

use crate::support::connect;
use medianest_testkit::redis::{Server, free_port};
use std::process::Command;

/// Set for a process that trusts the server of its parent, at this URL.
const TRUSTED: &str = "MEDIANEST_TEST_TRUSTED_REDIS";

#[tokio::test]
async fn d11_only_a_server_with_a_trusted_certificate_is_spoken_with() {
    if let Ok(url) = std::env::var(TRUSTED) {
        connect(&url).check().await.unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [key, certificate] =
        ["key", "certificate"].map(|name| folder.path().join(name).display().to_string());
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=medianest"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .expect("tests need openssl: run script/setup --test");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let port = free_port().to_string();
    let tls = ["--tls-port", &port, "--tls-cert-file", &certificate, "--tls-key-file", &key];
    let _server = Server::start(&[&tls[..], &["--tls-auth-clients", "no"]].concat());

    let url = format!("rediss://127.0.0.1:{port}");
    connect(&url).check().await.unwrap_err();
    let trusting = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tls::d11_only_a_server_with_a_trusted_certificate_is_spoken_with"])
        .env(TRUSTED, &url)
        .env("SSL_CERT_FILE", &certificate)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&trusting.stdout);
    assert!(trusting.status.success() && said.contains("1 passed"), "{said}");
}
