use crate::{State, caller::Caller, problem::Failure};
use http::header;
use medianest_core::{Error, ErrorKind};
use poem::{Addr, IntoResponse, Request, Response, handler, web::Data};

/// Whether the process answers at all.
#[handler]
pub(crate) fn live() -> Response {
    "ok\n".with_content_type("text/plain").into_response()
}

/// Whether the process can do its work: the catalog answers.
#[handler]
pub(crate) async fn ready(Data(state): Data<&State>) -> poem::Result<Response> {
    state.engine.catalog().check().await.map_err(Failure)?;
    Ok("ready\n".with_content_type("text/plain").into_response())
}

/// Metrics for Prometheus: for administrators, and for whoever asks from this machine without a proxy.
#[handler]
pub(crate) async fn metrics(request: &Request, Data(state): Data<&State>) -> poem::Result<Response> {
    let Some(metrics) = &state.metrics else { return Err(poem::error::NotFoundError.into()) };
    if !is_local(request) {
        let caller = Caller::of(request).await.map_err(Failure)?;
        if !caller.principal().is_admin() {
            let message = "metrics are for administrators";
            return Err(Failure(Error::new(ErrorKind::Forbidden, "forbidden", message)).into());
        }
    }
    Ok(metrics.render().with_content_type("text/plain; version=0.0.4").into_response())
}

fn is_local(request: &Request) -> bool {
    let proxied = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    let direct = !proxied.iter().any(|name| request.headers().contains_key(*name));
    // A page in a browser on this machine is not somebody on this machine.
    let page =
        request.headers().contains_key(header::ORIGIN) || request.headers().contains_key("sec-fetch-site");
    direct
        && !page
        && match &request.remote_addr().0 {
            Addr::SocketAddr(address) => address.ip().to_canonical().is_loopback(),
            #[cfg(unix)]
            Addr::Unix(_) => true,
            Addr::Custom(..) => false,
        }
}
