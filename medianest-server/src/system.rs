//! What the process tells of itself, and what it does beside requests and jobs.

use crate::health::{Dependency, Health};
use medianest_core::{Engine, NewEvent, TenantId, Topic, catalog::IdentityCatalog, event_kinds};
use serde_json::json;
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often dependencies are looked at.
const LOOK: Duration = Duration::from_secs(15);
/// How often ended sessions are cleared away.
const TRIM: Duration = Duration::from_secs(3600);
/// For how long an ended session is still kept: its refresh token shown again is a replay until then.
const SESSION_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Tells those who operate the deployment.
pub(crate) async fn tell(engine: &Engine, kind: &'static str, data: serde_json::Value) {
    let event = NewEvent::for_operators(TenantId::DEFAULT, kind, engine.now(), data);
    match engine.catalog().emit(&[event]).await {
        Ok(()) => engine.bus().wake(Topic::Committed),
        Err(error) => tracing::warn!(kind, error = %error.report(), "cannot tell of it"),
    }
}

/// Looks at the dependencies now and then, and tells when one went away or came back.
pub(crate) async fn watch_health(engine: Engine, health: Health, stop: CancellationToken) {
    let mut away: HashSet<Arc<str>> = HashSet::new();
    loop {
        for Dependency { name, error, .. } in &*health.look().await {
            let changed = match error {
                Some(error) => {
                    let went = away.insert(Arc::clone(name));
                    if went {
                        tracing::error!(dependency = %name, error = %error.report(), "a dependency went away");
                    }
                    went
                }
                None => away.remove(name),
            };
            if changed {
                let data = json!({ "dependency": **name, "healthy": error.is_none() });
                tell(&engine, event_kinds::SYSTEM_HEALTH, data).await;
            }
        }
        if stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none() {
            return;
        }
    }
}

/// Clears away the rows of sessions that ended.
pub(crate) async fn trim_sessions(identity: Arc<dyn IdentityCatalog>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(TRIM)).await.is_some() {
        if let Err(error) = identity.trim_sessions(SESSION_AGE, 1000).await {
            tracing::warn!(error = %error.report(), "cannot clear away sessions");
        }
    }
}
