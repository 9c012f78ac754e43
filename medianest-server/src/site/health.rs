use crate::{
    State,
    caller::Caller,
    health::{Dependency, Need},
    problem::Failure,
};
use medianest_core::{Error, ErrorKind};
use poem::{Addr, IntoResponse, Request, Response, handler, web::Data};

/// Whether the process answers at all.
#[handler]
pub(crate) fn live() -> Response {
    "ok\n".with_content_type("text/plain").into_response()
}

/// Whether the process can do its work, and what it stands on: `ready`, or `degraded` while something is
/// away without which it goes on, with the codes of the reasons. It answers 503 when something vital is away, and
/// names it; and when the process is about to end.
#[handler]
pub(crate) async fn ready(Data(state): Data<&State>) -> poem::Result<Response> {
    if state.draining.is_cancelled() {
        return Err(Failure(Error::unavailable("draining", "the process is about to end")).into());
    }
    let seen = state.health.look().await;
    let vital = seen.iter().filter(|dependency| dependency.need == Need::Vital);
    let away = vital.filter_map(|Dependency { name, error, .. }| {
        error.as_ref().map(|error| format!("{name} is away: {}", error.code()))
    });
    let away = away.collect::<Vec<_>>().join("; ");
    if !away.is_empty() {
        return Err(Failure(Error::unavailable("not_ready", away)).into());
    }
    let status = if seen.iter().all(Dependency::is_up) { "ready" } else { "degraded" };
    let each = |dependency: &Dependency| {
        let state = if dependency.is_up() { "up" } else { "down" };
        (dependency.name.to_string(), state.into())
    };
    let dependencies: serde_json::Map<_, _> = seen.iter().map(each).collect();
    let mut body = serde_json::json!({ "status": status, "dependencies": dependencies });
    let why = |dependency: &Dependency| {
        dependency.error.as_ref().map(|error| (dependency.name.to_string(), error.code().into()))
    };
    let reasons: serde_json::Map<_, _> = seen.iter().filter_map(why).collect();
    if !reasons.is_empty() {
        body["reasons"] = reasons.into();
    }
    Ok(body.to_string().with_content_type("application/json").into_response())
}

/// Metrics for Prometheus: for administrators, for whoever may open the local socket, and, where that is
/// configured, for whoever connects from this machine.
#[handler]
pub(crate) async fn metrics(request: &Request, Data(state): Data<&State>) -> poem::Result<Response> {
    if !is_local(request, state.settings.local_metrics) {
        let caller = Caller::of(request).await.map_err(Failure)?;
        if !caller.principal().is_admin() {
            let message = "metrics are for administrators";
            return Err(Failure(Error::new(ErrorKind::Forbidden, "forbidden", message)).into());
        }
    }
    shown(state).await
}

/// Metrics for whoever reaches an address that is there for nothing else.
#[cfg(feature = "standalone")]
#[handler]
pub(crate) async fn open_metrics(Data(state): Data<&State>) -> poem::Result<Response> {
    shown(state).await
}

async fn shown(state: &State) -> poem::Result<Response> {
    let Some(kept) = &state.metrics else { return Err(poem::error::NotFoundError.into()) };
    Ok(kept.render().await.with_content_type("text/plain; version=0.0.4").into_response())
}

fn is_local(request: &Request, local_metrics: bool) -> bool {
    match &request.remote_addr().0 {
        Addr::SocketAddr(address) => {
            local_metrics && address.ip().to_canonical().is_loopback() && !is_for_another(request)
        }
        #[cfg(unix)]
        Addr::Unix(_) => true,
        Addr::Custom(..) => false,
    }
}

/// Whether a proxy, or a browser for a page, asks for somebody who may be elsewhere. Not every proxy says
/// so.
fn is_for_another(request: &Request) -> bool {
    let told = ["forwarded", "x-forwarded-for", "x-real-ip", "via", "origin", "sec-fetch-site"];
    told.iter().any(|name| request.headers().contains_key(*name))
}
