//! A real server on a port of its own, in a data directory of its own.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A picture of one pixel.
pub(crate) const GIF: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    /// Where `monitoring.listen` is, when it is configured.
    pub(crate) monitoring: Option<String>,
    pub(crate) dir: TempDir,
    pub(crate) http: Client,
}

/// The program with nothing configured from around it.
pub(crate) fn medianest(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medianest"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MEDIANEST_") {
            command.env_remove(name);
        }
    }
    command.arg("--data-dir").arg(data_dir);
    command
}

/// A data directory with the password of the administrator `admin`, and these lines of configuration.
pub(crate) fn configured(configuration: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("admin.password"), PASSWORD).unwrap();
    let file = format!(
        "{configuration}\n[accounts]\nfirst_admin_password_file = {:?}\n",
        dir.path().join("admin.password")
    );
    std::fs::write(dir.path().join("medianest.toml"), file).unwrap();
    dir
}

impl Server {
    /// A server with the administrator `admin`, and these lines of configuration.
    pub(crate) fn start_with(configuration: &str) -> Self {
        Self::start_in(configured(configuration))
    }

    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    pub(crate) fn start_in(dir: TempDir) -> Self {
        Self::start_by(medianest(dir.path()), dir)
    }

    /// A server by this command, which may wrap that of [`medianest`].
    pub(crate) fn start_by(mut command: Command, dir: TempDir) -> Self {
        let mut child =
            command.args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut monitoring = None;
        let url = loop {
            let line = lines.next().expect("the server ended before it was ready").unwrap();
            if let Some(url) = line.strip_prefix("Monitoring:") {
                monitoring = Some(url.trim().to_owned());
            }
            if let Some(url) = line.strip_prefix("MediaNest is ready: ") {
                break url.to_owned();
            }
        };
        Self { child, url, monitoring, dir, http: Client::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the server and gives its data directory.
    pub(crate) fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }

    /// Asks the server to stop, and says whether it ended well.
    #[cfg(unix)]
    pub(crate) fn stop(&mut self) -> bool {
        self.signal("TERM");
        self.ended().success()
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        assert!(
            Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap().success()
        );
    }

    /// How the server ended, once it has.
    pub(crate) fn ended(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn login(&self, login: &str, password: &str) -> Value {
        let body = json!({ "login": login, "password": password });
        let answer = self.request(Method::POST, "/api/v1/auth/login").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// What is answered to these bytes, until the server hangs up.
    pub(crate) async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).await.unwrap();
        stream.write_all(request).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The administrator, signed in.
    pub(crate) async fn admin(&self) -> User<'_> {
        let signed_in = self.login("admin", PASSWORD).await;
        User::new(self, &signed_in)
    }

    /// A new ordinary user, signed in.
    pub(crate) async fn user(&self, login: &str) -> User<'_> {
        let body = json!({ "login": login, "password": PASSWORD, "must_change_password": false });
        let added = self.admin().await.call(Method::POST, "/users", Some(body)).await;
        assert_eq!(added.0, 201, "{}", added.1);
        let signed_in = self.login(login, PASSWORD).await;
        User::new(self, &signed_in)
    }
}

/// A data directory for one of several processes, which share media and keys in a folder.
pub(crate) fn shares(shared: &Path, configuration: &str) -> TempDir {
    let storage = format!("[storage]\nmedia_dir = {:?}\n", shared.join("media"));
    let dir = configured(&format!("{configuration}\n{storage}"));
    let mut file = std::fs::OpenOptions::new().append(true).open(dir.path().join("medianest.toml")).unwrap();
    writeln!(file, "keys_dir = {:?}", shared.join("keys")).unwrap();
    dir
}

/// A worker with `monitoring.listen` in its configuration.
pub(crate) struct Worker {
    child: Child,
    pub(crate) monitoring: String,
    _dir: TempDir,
}

impl Worker {
    pub(crate) fn start_in(dir: TempDir) -> Self {
        Self::start_by(medianest(dir.path()), dir)
    }

    /// A worker by this command, as of [`medianest`].
    pub(crate) fn start_by(mut command: Command, dir: TempDir) -> Self {
        let mut child = command.args(["worker", "--jobs", "2"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let monitoring = loop {
            let line = lines.next().expect("the worker ended before it was ready").unwrap();
            if let Some(url) = line.strip_prefix("Monitoring:") {
                break url.trim().to_owned();
            }
        };
        Self { child, monitoring, _dir: dir }
    }

    /// Asks the worker to stop, and says whether it ended well.
    #[cfg(unix)]
    pub(crate) fn stop(&mut self) -> bool {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) struct User<'a> {
    pub(crate) server: &'a Server,
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) refresh_token: String,
    pub(crate) session: String,
}

impl<'a> User<'a> {
    pub(crate) fn new(server: &'a Server, signed_in: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            server,
            id: text(&signed_in["user"]["id"]),
            token: text(&signed_in["access_token"]),
            refresh_token: text(&signed_in["refresh_token"]),
            session: text(&signed_in["session_id"]),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.server.request(method, &format!("/api/v1{path}")).bearer_auth(&self.token)
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, None).await
    }

    /// Whether the token is still good, once somebody can tell.
    pub(crate) async fn is_in(&self) -> bool {
        let asked = Instant::now();
        loop {
            match self.get("/me").await.0.as_u16() {
                200 => return true,
                401 => return false,
                503 if asked.elapsed() < Duration::from_secs(60) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                other => panic!("{other}"),
            }
        }
    }

    pub(crate) async fn upload(&self, name: &str, bytes: impl Into<reqwest::Body>) -> (StatusCode, Value) {
        let request = self.request(Method::POST, "/assets").query(&[("name", name)]).body(bytes);
        answer(request.header("content-type", "application/octet-stream")).await
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Checks that this is a problem of this status and code.
#[track_caller]
pub(crate) fn assert_problem((status, problem): (StatusCode, Value), expected: u16, code: &str) {
    assert_eq!((status.as_u16(), problem["code"].as_str()), (expected, Some(code)), "{problem}");
    assert_eq!(problem["status"], expected);
    assert!(problem["request_id"].is_string() && problem["instance"].is_string(), "{problem}");
}
