//! A front before a server, which hands connections on: as they come, or what comes over TLS.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::JoinHandle,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// The front; it ends, with all its connections, when it is dropped.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    state: watch::Sender<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Since it was opened so often: connections of before are broken.
    Open(u32),
    Shut,
    Ended,
}

#[derive(Debug)]
struct Identity {
    certificate: PathBuf,
    key: PathBuf,
}

impl Front {
    /// Hands on what comes.
    ///
    /// # Panics
    /// When the system gives no port or no thread.
    pub fn plain(server: SocketAddr) -> Self {
        Self::start(server, None)
    }

    /// Hands on what comes over TLS. The files are read for each connection, so that others may be put in
    /// their place.
    ///
    /// # Panics
    /// As [`plain`](Self::plain).
    pub fn tls(server: SocketAddr, certificate: &Path, key: &Path) -> Self {
        Self::start(server, Some(Identity { certificate: certificate.to_owned(), key: key.to_owned() }))
    }

    fn start(server: SocketAddr, identity: Option<Identity>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the system gives a port");
        listener.set_nonblocking(true).expect("a socket can be made so");
        let address = listener.local_addr().expect("it is bound");
        let (state, seen) = watch::channel(State::Open(0));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be started").block_on(async {
                let mut end = seen.clone();
                tokio::select! {
                    () = accept(listener, server, identity.map(Arc::new), seen) => {}
                    _ = end.wait_for(|state| *state == State::Ended) => {}
                }
            });
        });
        Self { address, state, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections; new ones are broken too, until there is a [new beginning](Self::begin_again).
    pub fn shut(&self) {
        self.state.send_replace(State::Shut);
    }

    /// Breaks all connections, and hands on new ones.
    pub fn begin_again(&self) {
        static TIMES: AtomicU32 = AtomicU32::new(1);
        self.state.send_replace(State::Open(TIMES.fetch_add(1, Ordering::Relaxed)));
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.state.send_replace(State::Ended);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(
    listener: std::net::TcpListener,
    server: SocketAddr,
    identity: Option<Arc<Identity>>,
    state: watch::Receiver<State>,
) {
    let listener = TcpListener::from_std(listener).expect("within a runtime");
    while let Ok((client, _)) = listener.accept().await {
        let (identity, mut state) = (identity.clone(), state.clone());
        let began = *state.borrow();
        if !matches!(began, State::Open(_)) {
            continue;
        }
        tokio::spawn(async move {
            let handed_on = async {
                match identity {
                    None => hand_on(client, server).await,
                    Some(identity) => hand_on(identity.acceptor()?.accept(client).await?, server).await,
                }
            };
            tokio::select! {
                // Who is broken off knows why.
                _ = handed_on => {}
                _ = state.wait_for(|state| *state != began) => {}
            }
        });
    }
}

async fn hand_on(mut client: impl AsyncRead + AsyncWrite + Unpin, server: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

impl Identity {
    fn acceptor(&self) -> std::io::Result<TlsAcceptor> {
        let read = CertificateDer::pem_file_iter(&self.certificate).map_err(std::io::Error::other)?;
        let chain = read.collect::<Result<Vec<_>, _>>().map_err(std::io::Error::other)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(std::io::Error::other)?;
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
        Ok(TlsAcceptor::from(Arc::new(config.map_err(std::io::Error::other)?)))
    }
}
