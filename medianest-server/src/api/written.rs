use http::header;
use poem::{IntoResponse, Response};
use poem_openapi::{
    ApiResponse,
    payload::{Json, Payload},
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry},
    types::Type,
};
use serde::Serialize;

/// JSON of what is answered most often: written by serde at once, where [`Json`] first builds a tree of
/// values. What is written is the same.
pub(super) struct Written<T>(pub(super) T);

impl<T: Type + Serialize> Payload for Written<T> {
    const CONTENT_TYPE: &'static str = Json::<T>::CONTENT_TYPE;

    fn check_content_type(content_type: &str) -> bool {
        Json::<T>::check_content_type(content_type)
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Serialize + Send> IntoResponse for Written<T> {
    fn into_response(self) -> Response {
        // An asset fits into it, and a page of them does not grow often.
        let mut json = Vec::with_capacity(4096);
        match serde_json::to_writer(&mut json, &self.0) {
            Ok(()) => {
                Response::builder().header(header::CONTENT_TYPE, "application/json; charset=utf-8").body(json)
            }
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written as JSON");
                http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

impl<T: Type + Serialize> ApiResponse for Written<T> {
    fn meta() -> MetaResponses {
        let content = MetaMediaType { content_type: Self::CONTENT_TYPE, schema: Self::schema_ref() };
        let found = MetaResponse {
            description: "",
            status: Some(200),
            status_range: None,
            content: vec![content],
            headers: vec![],
        };
        MetaResponses { responses: vec![found] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{AssetBody, LinksBody, PageBody};
    use medianest_core::{
        Asset, AssetId, AssetState, Blob, BlobId, BlobKey, Captured, Failure, LibraryId, MediaKind, Sha256,
        StoredFacts, Stream, StreamKind, TenantId, Timestamp,
    };
    use poem_openapi::types::ToJSON;

    fn asset(full: bool) -> AssetBody {
        let (tenant, blob, at) = (TenantId::DEFAULT, BlobId::new(), Timestamp::from_secs(1));
        let key = BlobKey::original(tenant, blob);
        let mut facts = medianest_core::Facts::new(MediaKind::Video, "video/mp4", "mp4");
        if full {
            facts.captured = Some(Captured { at, offset_minutes: Some(-90), is_utc: false });
            facts.camera.make = Some(String::from("Ä \"quoted\""));
            facts.tags.keywords = vec![String::from("sea")];
            facts.streams = vec![Stream::new(StreamKind::Video, "h264")];
        }
        let mut body = AssetBody::from(Asset {
            id: AssetId::new(),
            tenant,
            library_id: LibraryId::new(),
            owner: String::from("ann"),
            state: AssetState::Ready,
            failure: full.then(|| Failure::new("truncated", "the file ends early")),
            kind: full.then_some(MediaKind::Video),
            name: String::from("a.mp4"),
            blob: Blob { id: blob, key, size: 7, sha256: Sha256([9; 32]), ..Blob::default() },
            facts: full.then(|| StoredFacts::of(&facts).unwrap()),
            taken_at: at,
            attached_to: full.then(|| String::from("products/1")),
            expires_at: full.then_some(at),
            trashed_at: full.then_some(at),
            version: 3,
            created_at: at,
            updated_at: at,
        });
        body.links = full.then(|| LinksBody {
            original: String::from("/o"),
            renditions: [(String::from("small"), String::from("/s"))].into(),
            hls: None,
        });
        body
    }

    /// The document describes what poem would write.
    #[test]
    fn what_is_written_is_what_the_document_describes() {
        for (items, next_cursor) in
            [(vec![asset(true), asset(false)], None), (vec![], Some(String::from("next")))]
        {
            let page = PageBody { items, next_cursor };
            assert_eq!(Some(serde_json::to_value(&page).unwrap()), page.to_json());
        }
    }
}
