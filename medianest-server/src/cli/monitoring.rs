use super::output;
use crate::{
    State,
    config::{Config, Http},
    routes::monitoring,
    serving::{Serving, bind},
};
use medianest_core::Result;
use std::sync::Arc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Connections at the same time: probes and scrapers are few.
const CONNECTIONS: usize = 64;

/// Health and metrics at an address of their own, until this is dropped: at the very end, so that who looks
/// learns also of that.
pub(super) struct Monitoring {
    _stop: DropGuard,
}

impl Monitoring {
    /// None where no address is configured.
    ///
    /// # Errors
    /// `cannot_listen`.
    pub(super) async fn start(config: &Config, state: State) -> Result<Option<Self>> {
        let Some(address) = config.monitoring.listen else { return Ok(None) };
        let listener = bind("monitoring.listen", address, false)?;
        output::notice(format_args!("Monitoring:     http://{}", listener.local_addr().unwrap_or(address)));
        let stop = CancellationToken::new();
        let limits = Http { max_connections: CONNECTIONS, ..config.http.clone() };
        let serving = Serving::new(&limits, stop.clone(), stop.clone());
        let endpoint = Arc::new(monitoring(state));
        tokio::spawn(async move { serving.tcp(listener, endpoint).await });
        Ok(Some(Self { _stop: stop.drop_guard() }))
    }
}
