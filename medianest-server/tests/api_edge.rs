//! What is around the API: connections, documentation, health, metrics.

mod common;

use common::{GIF, PASSWORD, Server, answer, assert_problem, medianest};
use reqwest::{Method, StatusCode};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Longer than anything here takes; without an end a test that fails would go on for ever.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn u11_who_never_reads_the_answer_is_given_up() {
    let server = Server::start_with("[http]\nmax_connections = 3\nwrite_seconds = 1\nhead_seconds = 3600");
    let admin = server.admin().await;
    // More than the system takes for a client that does not read.
    let (status, asset) = admin.upload("large.gif", [GIF, &vec![0; 32 << 20]].concat()).await;
    assert_eq!(status, 201, "{asset}");
    let request = format!(
        "GET /api/v1/assets/{}/content HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
        asset["id"].as_str().unwrap(),
        admin.token
    );
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut deaf = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
        deaf.write_all(request.as_bytes()).await.unwrap();
        held.push(deaf);
    }
    // On a connection of its own: that of before may be there still.
    let live = reqwest::Client::new().get(format!("{}/health/live", server.url)).send();
    let live = tokio::time::timeout(PATIENCE, live).await.expect("the connections become free again");
    assert_eq!(live.unwrap().status(), 200);
}

#[cfg(unix)]
#[tokio::test]
async fn who_fills_the_server_does_not_keep_out_who_looks_after_it() {
    let server = Server::start_with("[http]\nmax_connections = 1\nhead_seconds = 3600");
    let _held = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    let mut list = tokio::process::Command::from(medianest(server.dir.path()));
    let listed =
        tokio::time::timeout(PATIENCE, list.args(["user", "list"]).kill_on_drop(true).output()).await;
    let listed = listed.expect("the local socket has connections of its own").unwrap();
    assert!(listed.status.success() && String::from_utf8_lossy(&listed.stdout).contains("admin"));
}

#[tokio::test]
async fn what_is_the_same_for_everybody_is_sent_once() {
    let server = Server::start();
    for (path, content_type, policy) in [
        ("/docs", "text/html; charset=utf-8", true),
        ("/", "text/html; charset=utf-8", true),
        ("/modules/api.js", "text/javascript; charset=utf-8", true),
        ("/openapi.json", "application/json", false),
        ("/.well-known/jwks.json", "application/json", false),
    ] {
        let plain = server.request(Method::GET, path).send().await.unwrap();
        assert_eq!(plain.headers()["content-type"], content_type, "{path}");
        assert_eq!(plain.headers()["content-security-policy"].to_str().unwrap().contains("'self'"), policy);
        let size = plain.bytes().await.unwrap().len();
        let packed =
            server.request(Method::GET, path).header("accept-encoding", "br, gzip").send().await.unwrap();
        assert_eq!(packed.headers()["vary"], "Accept-Encoding", "{path}");
        let tag = packed.headers()["etag"].clone();
        if size > 1000 {
            assert_eq!(packed.headers()["content-encoding"], "gzip", "{path}");
            assert!(packed.bytes().await.unwrap().len() < size / 2, "{path}");
        }
        let known = server.request(Method::GET, path).header("if-none-match", tag).send().await.unwrap();
        assert_eq!(known.status(), 304, "{path}");
        let head = server.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(head.headers()["content-length"].to_str().unwrap(), size.to_string(), "{path}");
    }
}

#[tokio::test]
async fn what_is_only_read_says_so() {
    let server = Server::start();
    let paths = [
        "/",
        "/style.css",
        "/docs",
        "/openapi.json",
        "/.well-known/jwks.json",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/media/x/y/content",
    ];
    for path in paths {
        for method in [Method::POST, Method::DELETE] {
            let refused = server.request(method, path).send().await.unwrap();
            assert_eq!(refused.status(), 405, "{path}");
            assert_eq!(refused.headers()["allow"], "GET, HEAD", "{path}");
            assert_eq!(refused.headers()["content-type"], "application/problem+json", "{path}");
        }
    }
    assert_eq!(server.request(Method::POST, "/nothing").send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn i7_readiness_tells_when_the_store_is_away() {
    let server = Server::start();
    assert_eq!(server.request(Method::GET, "/health/ready").send().await.unwrap().status(), 200);
    // As when a disk is gone from under it.
    std::fs::rename(server.dir.path().join("media"), server.dir.path().join("elsewhere")).unwrap();
    assert_not_ready(&server, "directory of store default").await;
    assert_eq!(server.request(Method::GET, "/health/live").send().await.unwrap().status(), 200);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn i7_readiness_tells_when_nothing_can_be_decoded_any_more() {
    let server = Server::start();
    assert_eq!(server.request(Method::GET, "/health/ready").send().await.unwrap().status(), 200);
    let killed = std::process::Command::new("kill").args(["-9", &zygote_of(server.pid())]).status().unwrap();
    assert!(killed.success());
    assert_not_ready(&server, "sandbox").await;
}

/// Asks until what was seen a moment ago is no longer told.
async fn assert_not_ready(server: &Server, dependency: &str) {
    let told = async {
        loop {
            let told = answer(server.request(Method::GET, "/health/ready")).await;
            if told.0 != StatusCode::OK {
                return told;
            }
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await.expect("it is told");
    assert!(told.1["detail"].as_str().unwrap().contains(dependency), "{}", told.1);
    assert_problem(told, 503, "not_ready");
}

/// The process that makes the children that decode media.
#[cfg(target_os = "linux")]
fn zygote_of(server: u32) -> String {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = processes.filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok());
    let is_ours = |stat: &String| {
        let (_, rest) = stat.split_once(" (media-zygote) ")?;
        (rest.split(' ').nth(1)? == server.to_string()).then_some(())
    };
    let stat = stats.into_iter().find(|stat| is_ours(stat).is_some()).expect("there is a zygote");
    stat.split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn metrics_are_for_administrators() {
    let server = Server::start();
    // A proxy on this machine connects from it, whoever asks.
    assert_problem(answer(server.request(Method::GET, "/metrics")).await, 401, "not_signed_in");
    let ada = server.user("ada").await;
    let asked = |token: &str| server.request(Method::GET, "/metrics").bearer_auth(token);
    assert_problem(answer(asked(&ada.token)).await, 403, "forbidden");
    let told = answer(asked(&server.admin().await.token)).await;
    assert_eq!(told.0, 200);
    assert!(told.1.as_str().unwrap().contains("medianest_http_request_seconds"));

    #[cfg(unix)]
    {
        let socket = server.dir.path().join("medianest.sock");
        let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    }
}

#[tokio::test]
async fn metrics_are_for_this_machine_where_that_is_configured() {
    let server = Server::start_with("[http]\nlocal_metrics = true");
    let ask = || server.request(Method::GET, "/metrics");
    assert_eq!(answer(ask()).await.0, 200);
    assert_problem(answer(ask().header("x-forwarded-for", "192.0.2.1")).await, 401, "not_signed_in");
    assert_problem(answer(ask().header("sec-fetch-site", "cross-site")).await, 401, "not_signed_in");
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_written_is_for_the_owner_alone() {
    use std::{fs, os::unix::fs::PermissionsExt};

    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut open = std::process::Command::new("sh");
    let program = medianest(dir.path());
    open.args(["-c", "umask 022; exec \"$@\"", "sh"]).arg(program.get_program()).args(program.get_args());
    open.env("MEDIANEST_ACCOUNTS__FIRST_ADMIN_PASSWORD_FILE", password_file(dir.path()));
    let server = Server::start_by(open, dir);
    let (status, _) = server.admin().await.upload("a.gif", GIF).await;
    assert_eq!(status, 201);
    let mut folders = vec![server.dir.path().to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let found = entry.metadata().unwrap();
            if found.is_dir() {
                folders.push(entry.path());
            }
            if entry.file_name() != "admin.password" {
                assert_eq!(found.permissions().mode() & 0o077, 0, "{}", entry.path().display());
                seen += 1;
            }
        }
    }
    assert!(seen > 8, "{seen}");
}

#[cfg(unix)]
fn password_file(dir: &std::path::Path) -> std::path::PathBuf {
    let file = dir.join("admin.password");
    std::fs::write(&file, PASSWORD).unwrap();
    file
}
