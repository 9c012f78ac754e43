//! How the program is told to end.

use medianest_core::{Error, Result};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The two steps of an orderly end.
pub(super) struct Stop {
    /// It was told to end: readiness says so, and no new job is begun.
    pub(super) draining: CancellationToken,
    /// Who sends requests here has had time to notice: no new ones are taken.
    pub(super) closed: CancellationToken,
}

impl Stop {
    /// Begins to end with the first signal, and takes requests for the time of `drain` after it. The second
    /// signal ends the process at once.
    ///
    /// # Errors
    /// `internal` when the system gives no signals.
    pub(super) fn on_signal(drain: Duration) -> Result<Self> {
        let (draining, closed) = (CancellationToken::new(), CancellationToken::new());
        let mut signals =
            Signals::new().map_err(|source| Error::internal("cannot wait for signals").caused_by(source))?;
        tokio::spawn({
            let (draining, closed) = (draining.clone(), closed.clone());
            async move {
                signals.next().await;
                draining.cancel();
                tokio::select! {
                    () = signals.next() => at_once(),
                    () = tokio::time::sleep(drain) => {}
                }
                closed.cancel();
                signals.next().await;
                at_once();
            }
        });
        Ok(Self { draining, closed })
    }
}

fn at_once() -> ! {
    tracing::warn!("stopping at once");
    std::process::exit(130)
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        tokio::signal::ctrl_c().await.ok();
    }
}
