//! Connections: HTTP/1.1 over TCP and over a local socket, with limits on all that a client can make
//! the server hold, and an orderly end.
//!
//! poem's own server gives no time limit for the head of a request, nor for who does not read the
//! answer, so that a handful of slow clients could hold all connections.

mod write_timeout;

use crate::config::Http;
use http::{HeaderValue, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use medianest_core::{Error, Result};
use poem::{
    Addr, Endpoint, Response,
    web::{LocalAddr, RemoteAddr},
};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use write_timeout::WriteTimeout;

/// Bytes of the head of a request; larger ones are answered with 431.
const MAX_HEAD: usize = 32 << 10;
/// Bytes that are read at once.
const BUFFER: usize = 256 << 10;
/// Connections that are accepted at most after the end.
const LAST_CONNECTIONS: usize = 1024;
/// Connections on the local socket, which has its own: whoever fills the server from outside does not
/// keep out who looks after it.
#[cfg(unix)]
const LOCAL_CONNECTIONS: usize = 64;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A listener at the address of this key of the configuration; with `shared`, on Linux, beside other processes
/// at the same address.
///
/// # Errors
/// `cannot_listen`.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "the configuration refuses it there"))]
pub(crate) fn bind(key: &'static str, address: SocketAddr, shared: bool) -> Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // After a restart, connections of before may still be ending.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        #[cfg(target_os = "linux")]
        socket.set_reuseport(shared)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| {
        Error::invalid("cannot_listen", "cannot listen there; choose another address")
            .with("key", key)
            .with("address", address)
            .caused_by(source)
    })
}

/// Serves connections until told to stop, then lets requests end within the grace time.
#[derive(Clone)]
pub(crate) struct Serving {
    builder: http1::Builder,
    connections: usize,
    write_timeout: Duration,
    tasks: TaskTracker,
    draining: CancellationToken,
    stop: CancellationToken,
    grace: Duration,
}

impl Serving {
    /// From `draining` on no connection is kept for another request; with `stop` no new one is accepted.
    pub(crate) fn new(limits: &Http, draining: CancellationToken, stop: CancellationToken) -> Self {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(limits.head_seconds.into()))
            .max_headers(100)
            .max_header_size(MAX_HEAD)
            .max_buf_size(BUFFER);
        Self {
            builder,
            connections: limits.max_connections.min(Semaphore::MAX_PERMITS),
            write_timeout: Duration::from_secs(limits.write_seconds.into()),
            tasks: TaskTracker::new(),
            draining,
            stop,
            grace: Duration::from_secs(limits.grace_seconds.into()),
        }
    }

    /// Accepts connections until told to stop.
    pub(crate) async fn tcp<E>(&self, listener: TcpListener, endpoint: Arc<E>)
    where
        E: Endpoint<Output = Response> + 'static,
    {
        let connections = Arc::new(Semaphore::new(self.connections));
        let mut last = LAST_CONNECTIONS;
        while last > 0 {
            last -= usize::from(self.stop.is_cancelled());
            let Some(permit) = self.permit(&connections).await else { return };
            // After the end, those that the system has accepted already: it would reset them.
            let accepted = tokio::select! {
                biased;
                accepted = listener.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, remote)) => {
                    stream.set_nodelay(true).ok();
                    #[cfg(target_os = "linux")]
                    self.forget_dead_peers(&stream);
                    let local = stream.local_addr().map(Addr::from).unwrap_or_default();
                    self.connection(stream, local, remote.into(), Arc::clone(&endpoint), permit);
                }
                Err(error) => self.pause(&error).await,
            }
        }
    }

    /// As [`tcp`](Self::tcp), on a local socket.
    #[cfg(unix)]
    pub(crate) async fn local<E>(&self, listener: tokio::net::UnixListener, endpoint: Arc<E>)
    where
        E: Endpoint<Output = Response> + 'static,
    {
        let connections = Arc::new(Semaphore::new(LOCAL_CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            let Some(permit) = self.permit(&connections).await else { return };
            match accepted {
                Ok((stream, remote)) => {
                    let remote = Addr::from(remote);
                    self.connection(stream, remote.clone(), remote, Arc::clone(&endpoint), permit);
                }
                Err(error) => self.pause(&error).await,
            }
        }
    }

    /// Waits for the requests that are under way, at most for the grace time.
    pub(crate) async fn drained(&self) {
        self.tasks.close();
        if tokio::time::timeout(self.grace, self.tasks.wait()).await.is_err() {
            tracing::warn!(connections = self.tasks.len(), "cut off requests that did not end");
        }
    }

    async fn permit(&self, connections: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            permit = Arc::clone(connections).acquire_owned() => permit.ok(),
            () = self.stop.cancelled() => None,
        }
    }

    /// What was handed to the system and that nobody acknowledges is given up after the same time.
    #[cfg(target_os = "linux")]
    fn forget_dead_peers(&self, stream: &tokio::net::TcpStream) {
        let timeout = u32::try_from(self.write_timeout.as_millis()).unwrap_or(u32::MAX);
        rustix::net::sockopt::set_tcp_user_timeout(stream, timeout).ok();
    }

    /// Out of file descriptors, mostly: going on at once would only heat the processor.
    async fn pause(&self, error: &std::io::Error) {
        tracing::warn!(%error, "cannot accept a connection");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    fn connection<E, S>(
        &self,
        stream: S,
        local: Addr,
        remote: Addr,
        endpoint: Arc<E>,
        permit: OwnedSemaphorePermit,
    ) where
        E: Endpoint<Output = Response> + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let draining = self.draining.clone();
        let service = service_fn(move |request: http::Request<Incoming>| {
            let (endpoint, local, remote) = (Arc::clone(&endpoint), local.clone(), remote.clone());
            let draining = draining.clone();
            async move {
                let request = (request, LocalAddr(local), RemoteAddr(remote), http::uri::Scheme::HTTP).into();
                let mut response = endpoint.get_response(request).await;
                if draining.is_cancelled() {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<http::Response<_>, Infallible>(response.into())
            }
        });
        let stream = TokioIo::new(WriteTimeout::new(stream, self.write_timeout));
        let connection = self.builder.serve_connection(stream, service);
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let _permit = permit;
            let mut connection = std::pin::pin!(connection);
            // A request that is there is answered, also when it came at the last moment.
            let ended = tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}
