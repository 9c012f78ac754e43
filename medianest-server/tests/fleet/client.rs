//! A sane client: it asks again, elsewhere, with the same `Idempotency-Key`, and honours `Retry-After`.

use crate::common::PASSWORD;
use reqwest::{Client as Http, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Whoever has no answer by then has been refused for good.
const PATIENCE: Duration = Duration::from_secs(300);
/// A process that is silent for longer is given up for another.
const SILENCE: Duration = Duration::from_secs(25);

/// What clients were told that they should not have been.
#[derive(Default)]
pub(crate) struct Complaints(Mutex<Vec<String>>);

impl Complaints {
    fn note(&self, complaint: String) {
        self.0.lock().unwrap().push(complaint);
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Somebody with an account, who knows several addresses of the same service.
pub(crate) struct Client {
    login: String,
    urls: Vec<String>,
    next: AtomicUsize,
    http: Http,
    token: Mutex<String>,
    complaints: Arc<Complaints>,
}

impl Client {
    pub(crate) async fn sign_in(login: &str, urls: &[String], complaints: &Arc<Complaints>) -> Self {
        let client = Self {
            login: login.to_owned(),
            urls: urls.to_owned(),
            next: AtomicUsize::new(0),
            http: Http::builder().connect_timeout(Duration::from_secs(5)).build().unwrap(),
            token: Mutex::default(),
            complaints: Arc::clone(complaints),
        };
        client.sign_in_again().await;
        client
    }

    async fn sign_in_again(&self) {
        let body = json!({ "login": self.login, "password": PASSWORD });
        let (status, signed_in) =
            self.until_answered(Method::POST, "/auth/login", &|request| request.json(&body)).await;
        assert_eq!(status, 200, "{} cannot sign in: {signed_in}", self.login);
        *self.token.lock().unwrap() = signed_in["access_token"].as_str().unwrap().to_owned();
    }

    /// Another address than the last time.
    pub(crate) fn url(&self) -> &str {
        &self.urls[self.next.fetch_add(1, Ordering::Relaxed) % self.urls.len()]
    }

    /// A request at this address, which is not tried again.
    pub(crate) fn once(&self, url: &str, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{url}/api/v1{path}"))
            .bearer_auth(self.token.lock().unwrap().clone())
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, &|request| request).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(method, path, &|request| request.json(&body)).await
    }

    /// Asks until somebody answers who is able to.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        with: &(dyn Fn(RequestBuilder) -> RequestBuilder + Sync),
    ) -> (StatusCode, Value) {
        loop {
            let (status, body) = self.until_answered(method.clone(), path, with).await;
            if status != StatusCode::UNAUTHORIZED {
                return (status, body);
            }
            // The token was good for some minutes.
            self.sign_in_again().await;
        }
    }

    async fn until_answered(
        &self,
        method: Method,
        path: &str,
        with: &(dyn Fn(RequestBuilder) -> RequestBuilder + Sync),
    ) -> (StatusCode, Value) {
        let began = Instant::now();
        let mut last = String::from("nobody was asked");
        while began.elapsed() < PATIENCE {
            let request = with(self.once(self.url(), method.clone(), path)).timeout(SILENCE);
            match self.answer(request).await {
                Ok((status, body)) if !is_passing(status) => return (status, body),
                Ok((status, body)) => last = format!("{status} {body}"),
                Err(error) => last = format!("{error:?}"),
            }
            // `Retry-After` is in seconds; this one is in a hurry, but does not press.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        panic!("{method} {path} was refused for {PATIENCE:?}, at last with: {last}");
    }

    async fn answer(&self, request: RequestBuilder) -> reqwest::Result<(StatusCode, Value)> {
        let answer = request.send().await?;
        let (status, path) = (answer.status(), answer.url().path().to_owned());
        let advised = answer.headers().contains_key("retry-after");
        let text = answer.text().await?;
        if status.is_server_error() {
            if let Some(why) = shows_the_inside(&text) {
                self.complaints.note(format!("{status} of {path} shows {why}: {text}"));
            }
            match status {
                StatusCode::SERVICE_UNAVAILABLE if advised => {}
                StatusCode::SERVICE_UNAVAILABLE => {
                    self.complaints.note(format!("{status} of {path} has no Retry-After: {text}"))
                }
                _ => self.complaints.note(format!("{status} of {path}: {text}")),
            }
        }
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// The bytes behind a path.
    pub(crate) async fn bytes(&self, path: &str) -> (StatusCode, Vec<u8>) {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Ok(answer) = self.once(self.url(), Method::GET, path).timeout(SILENCE).send().await
                && !is_passing(answer.status())
            {
                let status = answer.status();
                match answer.bytes().await {
                    Ok(_) if status == StatusCode::UNAUTHORIZED => self.sign_in_again().await,
                    Ok(bytes) => return (status, bytes.into()),
                    Err(_) => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        panic!("{path} was refused for {PATIENCE:?}");
    }
}

/// Whether it is worth to ask again.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 429)
}

/// What of our inside a text shows to the outside.
fn shows_the_inside(text: &str) -> Option<&'static str> {
    const INSIDE: &[(&str, &str)] = &[
        ("/tmp", "a path"),
        ("/home", "a path"),
        ("/usr", "a path"),
        (".rs:", "a source file"),
        ("panicked", "a panic"),
        ("stack backtrace", "a stack"),
        ("SELECT ", "SQL"),
        ("INSERT ", "SQL"),
        ("UPDATE ", "SQL"),
        ("DELETE FROM", "SQL"),
        ("medianest_", "a table"),
        ("sqlx", "a library"),
        ("127.0.0.1", "an address"),
    ];
    INSIDE.iter().find(|(part, _)| text.contains(part)).map(|(_, what)| *what)
}
