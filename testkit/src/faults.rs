//! A proxy that stands before an HTTP server and fails as it is told: each request takes the first
//! [`Fault`] that was scripted for it; the others pass unchanged.

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Frame, Incoming},
    client, server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    error::Error as StdError,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
};

type Error = Box<dyn StdError + Send + Sync>;
type Answer = Response<UnsyncBoxBody<Bytes, Error>>;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The proxy answers with this status and error code of S3; the server never hears of it.
    Answer(u16, &'static str),
    /// It takes so long before the server hears of it.
    Delay(Duration),
    /// It waits before the server hears of it, until [`FaultProxy::let_go`].
    Hold,
    /// Nobody answers, until the client gives up.
    Silence,
    /// The connection breaks after so many bytes of the request's body.
    CutRequest(usize),
    /// The connection breaks after so many bytes of the answer's body, which announced more.
    CutAnswer(usize),
    /// The server does what it was asked to, but the connection breaks before its answer.
    LoseAnswer,
    /// A bit of the request's body is turned over on the way.
    Corrupt,
    /// A bit of the answer's body is.
    CorruptAnswer,
}

/// The proxy; it stops when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    script: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<String>>,
    answered: Arc<AtomicU64>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    held: AtomicUsize,
    let_go: watch::Sender<()>,
}

#[derive(Debug)]
struct Rule {
    method: &'static str,
    part: String,
    fault: Fault,
    /// None: for ever.
    times: Option<usize>,
}

impl FaultProxy {
    /// A proxy before this server, on a port of its own.
    ///
    /// # Panics
    /// When the system gives no port or no thread.
    pub fn start(server: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            server,
            script: Mutex::default(),
            seen: Mutex::default(),
            answered: Arc::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            let_go: watch::Sender::new(()),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the system gives a port");
        listener.set_nonblocking(true).expect("a socket can be made so");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be started").block_on(async {
                tokio::select! {
                    () = accept(listener, serving) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// The URL that it is reached by.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request of this method (any, when empty) whose path and query contain `part` fails so.
    pub fn next(&self, method: &'static str, part: impl Into<String>, fault: Fault) {
        self.rule(method, part.into(), fault, Some(1));
    }

    /// All such requests do, until [`heal`](Self::heal).
    pub fn always(&self, method: &'static str, part: impl Into<String>, fault: Fault) {
        self.rule(method, part.into(), fault, None);
    }

    /// From now on nothing fails.
    pub fn heal(&self) {
        lock(&self.shared.script).clear();
    }

    /// How many requests were [held](Fault::Hold) so far, be they held still or let go.
    pub fn held(&self) -> usize {
        self.shared.held.load(Ordering::SeqCst)
    }

    /// Lets all go that are [held](Fault::Hold). The rules stay.
    pub fn let_go(&self) {
        self.shared.let_go.send_replace(());
    }

    /// How many of the faults that were scripted once have yet to happen.
    pub fn to_come(&self) -> usize {
        lock(&self.shared.script).iter().filter(|rule| rule.times.is_some()).count()
    }

    /// The requests so far, as `METHOD /path?query`.
    pub fn seen(&self) -> Vec<String> {
        lock(&self.shared.seen).clone()
    }

    /// The bytes that the server answered so far.
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// The most requests with a body that were under way at one moment.
    pub fn most_under_way(&self) -> usize {
        self.shared.most_under_way.load(Ordering::SeqCst)
    }

    fn rule(&self, method: &'static str, part: String, fault: Fault, times: Option<usize>) {
        lock(&self.shared.script).push(Rule { method, part, fault, times });
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("within a runtime");
    while let Ok((connection, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
        // A service that fails breaks the connection, which is what is wanted of it.
        tokio::spawn(server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service));
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Answer, Error> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let line = format!("{} {target}", request.method());
    let fault = shared.fault(request.method().as_str(), target);
    lock(&shared.seen).push(line);
    let _under_way = (!request.body().is_end_stream()).then(|| UnderWay::begin(&shared));
    let (head, body) = request.into_parts();
    match fault {
        None => pass(&shared, head, whole(body)).await,
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            pass(&shared, head, whole(body)).await
        }
        Some(Fault::Answer(status, code)) => {
            // As servers do that mean the connection well: first all that was sent is read.
            body.collect().await?;
            error(status, code)
        }
        Some(Fault::Hold) => {
            let mut let_go = shared.let_go.subscribe();
            shared.held.fetch_add(1, Ordering::SeqCst);
            let_go.changed().await?;
            pass(&shared, head, whole(body)).await
        }
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::CutRequest(after)) => {
            let _ = pass(&shared, head, cut(body, after)).await;
            Err("the request was cut".into())
        }
        Some(Fault::CutAnswer(after)) => {
            let answer = pass(&shared, head, whole(body)).await?;
            Ok(answer.map(|body| cut(body, after)))
        }
        Some(Fault::LoseAnswer) => {
            pass(&shared, head, whole(body)).await?.into_body().collect().await?;
            Err("the answer was lost".into())
        }
        Some(Fault::Corrupt) => pass(&shared, head, corrupted(body)).await,
        Some(Fault::CorruptAnswer) => Ok(pass(&shared, head, whole(body)).await?.map(corrupted)),
    }
}

impl Shared {
    fn fault(&self, method: &str, target: &str) -> Option<Fault> {
        let mut script = lock(&self.script);
        let matches =
            |rule: &Rule| (rule.method.is_empty() || rule.method == method) && target.contains(&rule.part);
        let place = script.iter().position(matches)?;
        let fault = script[place].fault;
        if script[place].times.is_some() {
            script.remove(place);
        }
        Some(fault)
    }
}

/// A request with a body, for as long as it takes.
struct UnderWay(Arc<Shared>);

impl UnderWay {
    fn begin(shared: &Arc<Shared>) -> Self {
        let now = shared.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most_under_way.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What the server answers.
async fn pass(
    shared: &Shared,
    head: hyper::http::request::Parts,
    body: UnsyncBoxBody<Bytes, Error>,
) -> Result<Answer, Error> {
    let stream = TcpStream::connect(shared.server).await?;
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let answer = sender.send_request(Request::from_parts(head, body)).await?;
    let answered = Arc::clone(&shared.answered);
    Ok(answer.map(|body| {
        whole(body.map_frame(move |frame| {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            answered.fetch_add(bytes as u64, Ordering::SeqCst);
            frame
        }))
    }))
}

fn error(status: u16, code: &str) -> Result<Answer, Error> {
    let text =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as scripted</Message></Error>");
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    let mut answer = Response::new(UnsyncBoxBody::new(body));
    *answer.status_mut() = StatusCode::from_u16(status)?;
    Ok(answer)
}

fn whole<B>(body: B) -> UnsyncBoxBody<Bytes, Error>
where
    B: Body<Data = Bytes, Error: Into<Error>> + Send + 'static,
{
    UnsyncBoxBody::new(body.map_err(Into::into))
}

fn cut<B>(body: B, after: usize) -> UnsyncBoxBody<Bytes, Error>
where
    B: Body<Data = Bytes, Error: Into<Error>> + Send + Unpin + 'static,
{
    let frames = stream::try_unfold((body.into_data_stream(), after), |(mut body, left)| async move {
        if left == 0 {
            // What was sent so far reaches the other side before the connection breaks.
            tokio::time::sleep(Duration::from_millis(20)).await;
            return Err::<_, Error>("the body was cut".into());
        }
        let Some(mut chunk) = body.next().await.transpose().map_err(Into::into)? else { return Ok(None) };
        chunk.truncate(left);
        let left = left - chunk.len();
        Ok(Some((Frame::data(chunk), (body, left))))
    });
    UnsyncBoxBody::new(StreamBody::new(frames))
}

fn corrupted<B>(body: B) -> UnsyncBoxBody<Bytes, Error>
where
    B: Body<Data = Bytes, Error: Into<Error>> + Send + Unpin + 'static,
{
    let mut done = false;
    whole(body.map_frame(move |frame| {
        frame.map_data(|chunk| {
            let mut bytes = Vec::from(chunk);
            if let Some(first) = bytes.first_mut().filter(|_| !std::mem::replace(&mut done, true)) {
                *first ^= 1;
            }
            bytes.into()
        })
    }))
}
