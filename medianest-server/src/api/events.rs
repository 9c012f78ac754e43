use super::{
    Group,
    model::{EventBody, EventCursor},
};
use crate::{State, caller::Caller, forward, problem::problems};
use futures::StreamExt;
use medianest_core::http::MediaService;
use poem::{Body, IntoResponse, Request, Response};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Query},
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use tokio_util::sync::CancellationToken;

pub(crate) struct EventsApi {
    service: MediaService,
    stop: CancellationToken,
}

impl EventsApi {
    pub(super) fn new(state: &State) -> Self {
        Self { service: forward::service(state), stop: state.stop.clone() }
    }
}

/// Server-sent events.
struct Stream(Response);

impl IntoResponse for Stream {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Stream {
    fn meta() -> MetaResponses {
        let response = MetaResponse {
            description: "Events as they happen: `id` is the cursor, `event` the kind, `data` an Event.",
            status: Some(200),
            status_range: None,
            content: vec![MetaMediaType {
                content_type: "text/event-stream",
                schema: EventBody::schema_ref(),
            }],
            headers: Vec::new(),
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(registry: &mut Registry) {
        EventBody::register(registry);
    }
}

problems! {
    WatchProblem: 401 403 410;
}

#[OpenApi(tag = "Group::Events")]
impl EventsApi {
    /// What happens, as it happens
    ///
    /// Server-sent events that the caller sees, after a cursor or from now on. The stream ends with the
    /// caller's session. A cursor that is too old is answered with 410 (`cursor_expired`): read the
    /// present state and begin again without one.
    #[oai(path = "/events", method = "get", operation_id = "watchEvents")]
    async fn watch(
        &self,
        request: &Request,
        caller: Caller,
        /// The cursor of the last event seen, as browsers send it by themselves.
        #[oai(name = "Last-Event-ID")]
        _last_event_id: Header<Option<EventCursor>>,
        /// The same for the first time.
        #[oai(name = "after")]
        _after: Query<Option<EventCursor>>,
    ) -> Result<Stream, WatchProblem> {
        let mut response = forward::read(&self.service, request, "/events", Some(caller)).await?;
        let events = response.take_body().into_bytes_stream();
        let stopped = self.stop.clone().cancelled_owned();
        response.set_body(Body::from_bytes_stream(events.take_until(stopped)));
        Ok(Stream(response))
    }
}
