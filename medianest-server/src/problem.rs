//! Errors as the public sees them: problem details ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).
//! What is inside stays in the log, under the same request id.

use http::{HeaderValue, StatusCode, header};
use medianest_core::{Error, ErrorKind, Retry};
use poem::{IntoResponse, Response};
use poem_openapi::{
    Object,
    error::{ContentTypeError, ParseParamError, ParsePathError, ParseRequestPayloadError},
    types::ToJSON,
};
use std::fmt;

/// A problem: what went wrong with a request.
#[derive(Clone, Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Problem {
    /// A URI of this type of problem: `urn:medianest:problem:` and the code.
    #[oai(rename = "type")]
    pub problem_type: String,
    /// What the status means.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do about it, for people.
    pub detail: String,
    /// The path of the request.
    pub instance: String,
    /// What happened, for programs: stable.
    pub code: String,
    /// Names the request in our log.
    pub request_id: String,
    /// Which parameters or fields were wrong.
    pub errors: Vec<FieldError>,
}

/// What is wrong with one parameter or field.
#[derive(Clone, Debug, Object)]
pub struct FieldError {
    /// The name of the parameter, or `body`.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Our error on its way through poem.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Error);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl poem::error::ResponseError for Failure {
    fn status(&self) -> StatusCode {
        status_of(&self.0)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

pub(crate) fn status_of(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::InvalidInput => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict | ErrorKind::Fenced | ErrorKind::Cancelled => StatusCode::CONFLICT,
        ErrorKind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ErrorKind::Gone => StatusCode::GONE,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Media => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        // Our own patience with a client, not that of somebody behind us.
        ErrorKind::TimedOut if error.code() == "request_timeout" => StatusCode::REQUEST_TIMEOUT,
        ErrorKind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What identifies a request in a problem.
pub(crate) struct Asked<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) path: &'a str,
}

/// The response for an error of ours, or of poem.
pub(crate) fn respond(error: poem::Error, asked: &Asked<'_>) -> Response {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return respond_to(&failure.0, asked);
    }
    let status = error.status();
    let code = code_of(status);
    let mut errors = Vec::new();
    if let Some(ParseParamError { name, reason }) = error.downcast_ref() {
        errors.push(FieldError { name: (*name).into(), reason: reason.clone() });
    } else if let Some(ParsePathError { name, reason }) = error.downcast_ref() {
        errors.push(FieldError { name: (*name).into(), reason: reason.clone() });
    } else if let Some(ParseRequestPayloadError { reason }) = error.downcast_ref() {
        errors.push(FieldError { name: "body".into(), reason: reason.clone() });
    }
    let detail = match status {
        StatusCode::NOT_FOUND => "there is nothing at this path".to_owned(),
        StatusCode::METHOD_NOT_ALLOWED => "this path does not know this method".to_owned(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => match error.downcast_ref::<ContentTypeError>() {
            Some(error) => error.to_string(),
            None => "the body is of a type that this path does not take".to_owned(),
        },
        status if status.is_server_error() => {
            tracing::error!(request_id = asked.request_id, %error, "request failed");
            INTERNAL_DETAIL.to_owned()
        }
        _ => "the request breaks a rule of its documentation; see errors".to_owned(),
    };
    render(status, code, detail, errors, None, asked)
}

/// The response for an error of ours.
pub(crate) fn respond_to(error: &Error, asked: &Asked<'_>) -> Response {
    let status = status_of(error);
    let internal = status == StatusCode::INTERNAL_SERVER_ERROR;
    if status.is_server_error() {
        tracing::error!(request_id = asked.request_id, error = %error.report(), "request failed");
    } else {
        tracing::debug!(request_id = asked.request_id, code = error.code(), error = %error.report(), "request refused");
    }
    let (code, detail) = match internal {
        true => ("internal", INTERNAL_DETAIL),
        false => (error.code(), error.message()),
    };
    let retry_after = match error.retry_advice() {
        Retry::After(delay) => Some(delay.as_millis().div_ceil(1000).max(1) as u64),
        Retry::Now | Retry::Never => None,
    };
    render(status, code, detail.to_owned(), Vec::new(), retry_after, asked)
}

const INTERNAL_DETAIL: &str = "something went wrong on our side; the log tells more under the request id";

fn render(
    status: StatusCode,
    code: &str,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<u64>,
    asked: &Asked<'_>,
) -> Response {
    let problem = Problem {
        problem_type: format!("urn:medianest:problem:{code}"),
        title: status.canonical_reason().unwrap_or("Error").to_owned(),
        status: status.as_u16(),
        detail,
        instance: asked.path.to_owned(),
        code: code.to_owned(),
        request_id: asked.request_id.to_owned(),
        errors,
    };
    let mut response = problem.to_json_string().into_response();
    response.set_status(status);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="medianest""#));
    }
    let waits = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    if let Some(seconds) = retry_after.filter(|_| waits) {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The code of what poem refuses before we see it.
fn code_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "invalid_request",
        StatusCode::UNAUTHORIZED => "unauthenticated",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "path_not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::REQUEST_TIMEOUT => "request_timeout",
        StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::TOO_MANY_REQUESTS => "too_many_requests",
        status if status.is_server_error() => "internal",
        _ => "refused",
    }
}

/// Declares the problems that an endpoint can answer with: a type for its errors, that lists exactly
/// these statuses in the OpenAPI document.
macro_rules! problems {
    ($($name:ident: $($status:literal)+;)+) => {$(
        #[derive(Debug)]
        pub(crate) struct $name(medianest_core::Error);

        impl From<medianest_core::Error> for $name {
            fn from(error: medianest_core::Error) -> Self {
                Self(error)
            }
        }

        impl From<$name> for poem::Error {
            fn from(problem: $name) -> Self {
                $crate::problem::Failure(problem.0).into()
            }
        }

        impl poem_openapi::ApiResponse for $name {
            fn meta() -> poem_openapi::registry::MetaResponses {
                $crate::problem::responses(&[$($status),+])
            }

            fn register(registry: &mut poem_openapi::registry::Registry) {
                <$crate::problem::Problem as poem_openapi::types::Type>::register(registry);
            }
        }
    )+};
}
pub(crate) use problems;

/// The OpenAPI description of problems with these statuses, and with those that every route has.
pub(crate) fn responses(statuses: &[u16]) -> poem_openapi::registry::MetaResponses {
    use poem_openapi::{
        registry::{MetaMediaType, MetaResponse, MetaResponses},
        types::Type,
    };
    let mut statuses: Vec<u16> = [400, 429, 500, 503].iter().chain(statuses).copied().collect();
    statuses.sort_unstable();
    statuses.dedup();
    let response = |status| MetaResponse {
        description: description(status),
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType {
            content_type: "application/problem+json",
            schema: Problem::schema_ref(),
        }],
        headers: Vec::new(),
    };
    MetaResponses { responses: statuses.into_iter().map(response).collect() }
}

fn description(status: u16) -> &'static str {
    match status {
        400 => "The request breaks a rule of its documentation.",
        401 => "Nobody is signed in, or the proof is no longer valid.",
        403 => "The caller may not do this.",
        404 => "There is no such thing, or the caller may not know of it.",
        408 => "The body did not come in time.",
        409 => "The thing is in a state that does not allow this.",
        410 => "It was there and will not come back.",
        412 => "The thing changed since it was read (If-Match).",
        413 => "The body is larger than allowed.",
        415 => "The body is of a type that this path does not take.",
        416 => "The range is beyond the end.",
        422 => "The media cannot be processed.",
        429 => "The caller does this too often; see Retry-After.",
        500 => "Something went wrong on our side.",
        503 => "A dependency is away or overloaded; see Retry-After.",
        507 => "There is no room left to store bytes.",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'static> = Asked { request_id: "r1", path: "/api/v1/assets" };

    async fn body(response: Response) -> serde_json::Value {
        serde_json::from_slice(&response.into_body().into_bytes().await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn the_inside_of_an_internal_error_stays_inside() {
        let error = Error::internal("reading /var/lib/secret failed").with("path", "/var/lib/secret");
        let response = respond_to(&error, &ASKED);
        assert_eq!(response.status(), 500);
        let problem = body(response).await;
        assert_eq!(problem["code"], "internal");
        assert!(!problem.to_string().contains("secret"));
    }

    #[tokio::test]
    async fn a_problem_says_what_rfc_9457_asks_for() {
        let response = respond_to(&Error::unavailable("storage_away", "the storage is away"), &ASKED);
        assert_eq!(response.headers()["retry-after"], "5");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let problem = body(response).await;
        assert_eq!(problem["type"], "urn:medianest:problem:storage_away");
        assert_eq!(problem["status"], 503);
        assert_eq!(problem["instance"], "/api/v1/assets");
        assert_eq!(problem["request_id"], "r1");
        assert_eq!(problem["detail"], "the storage is away");
    }

    #[tokio::test]
    async fn what_poem_refuses_becomes_a_problem() {
        let refused = poem::Error::from(ParseParamError { name: "limit", reason: "not a number".into() });
        let problem = body(respond(refused, &ASKED)).await;
        assert_eq!(
            (problem["status"].as_u64(), problem["code"].as_str()),
            (Some(400), Some("invalid_request"))
        );
        assert_eq!(problem["errors"][0]["name"], "limit");
        let missing = respond(poem::error::NotFoundError.into(), &ASKED);
        assert_eq!(body(missing).await["code"], "path_not_found");
    }
}
