use super::{Caller, MediaBody};
use crate::{Cursor, Error, Event, Result, engine::EventFeed};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Response, header};
use std::{fmt::Write, sync::Arc, time::Duration};

/// A stream that is silent for longer is taken for broken by proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Where a reader wants to go on: `Last-Event-ID`, or `?after=` for the first time.
pub(super) fn cursor(headers: &HeaderMap, after: Option<&str>) -> Result<Option<Cursor>> {
    let last = match headers.get("last-event-id") {
        Some(value) => {
            Some(value.to_str().map_err(|_| Error::invalid("invalid_cursor", "Last-Event-ID is not text"))?)
        }
        None => after,
    };
    last.filter(|last| !last.is_empty()).map(str::parse).transpose()
}

/// [Server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html): the id of each
/// is its cursor. The caller is asked for anew with each batch: when they are gone, the stream ends; when
/// they are another, with other roles, the batch is read again.
pub(super) fn respond(
    feed: EventFeed,
    first: Vec<Event>,
    caller: Arc<dyn Caller>,
) -> Result<Response<MediaBody>> {
    let begin = format!("retry: 2000\nid: {}\n\n{}", feed.cursor(), text(&first)?);
    let rest = stream::unfold((feed, caller), |(mut feed, caller)| async move {
        let chunk = loop {
            let before = feed.cursor();
            let next = tokio::time::timeout(KEEP_ALIVE, feed.next()).await;
            let principal = caller.principal().await.ok()?;
            if principal != *feed.principal() {
                // What was read is not theirs to see any more: read again.
                feed.resume_as(principal, before);
                continue;
            }
            match next {
                Ok(Ok(events)) => break text(&events).ok()?,
                Ok(Err(error)) if error.kind() == crate::ErrorKind::Unavailable => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Ok(Err(_)) => return None,
                Err(_) => break format!(": alive\nid: {}\n\n", feed.cursor()),
            }
        };
        Some((Ok(Bytes::from(chunk)), (feed, caller)))
    });
    let begin = stream::once(async { Ok(Bytes::from(begin)) });
    let mut response = Response::new(MediaBody::stream(begin.chain(rest).boxed(), None));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Asks nginx not to collect the stream.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn text(events: &[Event]) -> Result<String> {
    let mut text = String::new();
    for event in events {
        let data = serde_json::to_string(event)
            .map_err(|source| Error::internal("cannot write an event").caused_by(source))?;
        write!(text, "id: {}\nevent: {}\ndata: {data}\n\n", event.cursor, event.kind)
            .map_err(|source| Error::internal("cannot write an event").caused_by(source))?;
    }
    Ok(text)
}
