//! What the process tells of itself, and what it does beside requests and jobs.

use medianest_core::{
    BlobKey, Engine, NewEvent, Result, TenantId, Topic, catalog::IdentityCatalog, event_kinds,
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
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
pub(crate) async fn watch_health(engine: Engine, stop: CancellationToken) {
    let mut away: [bool; 2] = [false; 2];
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        let looks =
            [("catalog", engine.catalog().check().await.map(drop)), ("blobs", look_at_blobs(&engine).await)];
        for ((name, look), was_away) in looks.into_iter().zip(&mut away) {
            let is_away = look.is_err();
            if let Err(error) = &look
                && !*was_away
            {
                tracing::error!(dependency = name, error = %error.report(), "a dependency went away");
            }
            if is_away != *was_away {
                *was_away = is_away;
                tell(&engine, event_kinds::SYSTEM_HEALTH, json!({ "dependency": name, "healthy": !is_away }))
                    .await;
            }
            metrics::gauge!("medianest_dependency_up", "dependency" => name).set(if is_away {
                0.0
            } else {
                1.0
            });
        }
    }
}

/// A look at a key that is never there: the store answers, or it does not.
async fn look_at_blobs(engine: &Engine) -> Result<()> {
    engine.blobs().head(&BlobKey::new("health")?).await.map(drop)
}

/// Clears away the rows of sessions that ended.
pub(crate) async fn trim_sessions(identity: Arc<dyn IdentityCatalog>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(TRIM)).await.is_some() {
        if let Err(error) = identity.trim_sessions(SESSION_AGE, 1000).await {
            tracing::warn!(error = %error.report(), "cannot clear away sessions");
        }
    }
}
