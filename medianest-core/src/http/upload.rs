use super::{MediaBody, service::Query};
use crate::{ByteStream, Error, LibraryId, Result, Upload, engine::Media};
use bytes::{Buf, Bytes};
use futures::TryStreamExt;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyDataStream;

/// Chunks that go to the store: large enough that each is worth a write.
const CHUNK: usize = 1 << 20;

/// The bytes of a request in chunks that are worth a write.
pub(super) fn bytes<B>(body: B) -> ByteStream
where
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let chunks =
        BodyDataStream::new(body).map_ok(|mut data| data.copy_to_bytes(data.remaining())).map_err(|source| {
            Error::invalid("upload_interrupted", "the upload ended before its last byte").caused_by(source)
        });
    crate::engine::gather(Box::pin(chunks), CHUNK)
}

/// Stores the body as an asset: `201`, or `200` for a repeated request.
pub(super) async fn respond(
    media: &Media,
    body: ByteStream,
    headers: &HeaderMap,
    query: &Query,
) -> Result<Response<MediaBody>> {
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|size| size > media.engine().options().max_upload_bytes) {
        return Err(Error::new(
            crate::ErrorKind::TooLarge,
            "upload_too_large",
            "the upload is larger than allowed",
        ));
    }
    let name = query
        .get("name")
        .ok_or_else(|| Error::invalid("name_missing", "say what the upload is called: ?name="))?;
    let mut upload = Upload::from_stream(name, body);
    if let Some(library) = query.get("library") {
        upload = upload.into_library(library.parse::<LibraryId>()?);
    }
    if query.get("staged") == Some("true") {
        upload = upload.staged();
    }
    if let Some(key) = headers.get("idempotency-key") {
        let key = key.to_str().map_err(|_| Error::invalid("invalid_idempotency_key", "not text"))?;
        upload = upload.idempotency_key(key);
    }
    let (asset, created) = media.ingest_once(upload).await?;
    let text = serde_json::to_string(&asset)
        .map_err(|source| Error::internal("cannot write an asset").caused_by(source))?;
    let mut response = Response::new(MediaBody::full(Bytes::from(text)));
    *response.status_mut() = if created { StatusCode::CREATED } else { StatusCode::OK };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
