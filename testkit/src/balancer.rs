//! A load balancer before several HTTP servers, as operators have one: it asks each for its health, takes turns
//! among those that are ready, keeps connections, and tries a request again elsewhere only where that is safe.

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::{Body, Incoming},
    server,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{net::TcpListener, sync::oneshot};

/// How often a server is asked for its health, and how long it may take.
const PROBE_EVERY: Duration = Duration::from_millis(100);
const PROBE_PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a body that are kept to be sent again.
const KEPT: usize = 1 << 20;

type Answer = Response<Either<Incoming, Full<Bytes>>>;
type Sender = Client<HttpConnector, Full<Bytes>>;

/// The balancer; it stops when it is dropped.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    servers: Mutex<Vec<Server>>,
    turn: AtomicUsize,
    sender: Sender,
}

#[derive(Clone, Debug)]
struct Server {
    /// `http://host:port`.
    url: String,
    ready: bool,
}

impl Balancer {
    /// Before these servers, `http://host:port` each.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(urls: &[String]) -> Self {
        let servers = urls.iter().map(|url| Server { url: url.clone(), ready: false }).collect();
        let sender = Client::builder(TokioExecutor::new()).build_http();
        let shared = Arc::new(Shared { servers: Mutex::new(servers), turn: AtomicUsize::new(0), sender });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("a socket can be set up");
        let address = listener.local_addr().expect("a socket has an address");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime can be made").block_on(async {
                    tokio::select! {
                        () = accept(listener, Arc::clone(&shared)) => {}
                        () = probe(&shared) => {}
                        _ = stopped => {}
                    }
                });
            }
        });
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Where clients send their requests.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Another server stands in the place of one: it gets requests once it is ready.
    pub fn replace(&self, index: usize, url: &str) {
        self.shared.servers()[index] = Server { url: url.to_owned(), ready: false };
    }

    /// How many servers are ready, as far as is known here.
    pub fn ready(&self) -> usize {
        self.shared.servers().iter().filter(|server| server.ready).count()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn servers(&self) -> MutexGuard<'_, Vec<Server>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are ready, beginning with the one whose turn it is.
    fn ready(&self) -> Vec<String> {
        let mut urls: Vec<_> =
            self.servers().iter().filter(|server| server.ready).map(|server| server.url.clone()).collect();
        if !urls.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % urls.len();
            urls.rotate_left(turn);
        }
        urls
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("within a runtime");
    while let Ok((connection, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(forward(request, &shared).await) }
        });
        tokio::spawn(server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service));
    }
}

async fn probe(shared: &Shared) {
    loop {
        let urls: Vec<_> = shared.servers().iter().map(|server| server.url.clone()).collect();
        for (index, url) in urls.iter().enumerate() {
            let ready = is_ready(shared, url).await;
            if let Some(server) = shared.servers().get_mut(index).filter(|server| server.url == *url) {
                server.ready = ready;
            }
        }
        tokio::time::sleep(PROBE_EVERY).await;
    }
}

async fn is_ready(shared: &Shared, url: &str) -> bool {
    let Ok(request) = Request::get(format!("{url}/health/ready")).body(Full::default()) else { return false };
    let answer = tokio::time::timeout(PROBE_PATIENCE, shared.sender.request(request)).await;
    matches!(answer, Ok(Ok(answer)) if answer.status() == StatusCode::OK)
}

/// Sends a request to the servers that are ready, until one answers: also after the connection broke, where the
/// method says that doing it twice is doing it once; else only while nothing was sent.
async fn forward(request: Request<Incoming>, shared: &Shared) -> Answer {
    let (head, body) = request.into_parts();
    if body.size_hint().lower() > KEPT as u64 {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "larger than what is kept to be sent again");
    }
    let Ok(body) = body.collect().await else {
        return refuse(StatusCode::BAD_REQUEST, "the client broke off");
    };
    let body = body.to_bytes();
    let again = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE].contains(&head.method);
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut failed = String::from("no server is ready");
    for url in shared.ready() {
        let mut sent = Request::from_parts(head.clone(), Full::new(body.clone()));
        match format!("{url}{target}").parse::<Uri>() {
            Ok(uri) => *sent.uri_mut() = uri,
            Err(_) => return refuse(StatusCode::BAD_REQUEST, "no such target"),
        }
        match shared.sender.request(sent).await {
            Ok(answer) => return answer.map(Either::Left),
            Err(error) => {
                failed = format!("{error:?}");
                if !again && !error.is_connect() {
                    break;
                }
            }
        }
    }
    refuse(StatusCode::BAD_GATEWAY, &failed)
}

fn refuse(status: StatusCode, why: &str) -> Answer {
    let mut answer = Response::new(Either::Right(Full::new(Bytes::from(why.to_owned()))));
    *answer.status_mut() = status;
    answer
}
