use poem::{IntoResponse, Response};
use poem_openapi::{
    ApiResponse,
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};

/// Bytes, as a whole or a range of them.
pub(super) struct Bytes(pub(super) Response);

impl IntoResponse for Bytes {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Bytes {
    fn meta() -> MetaResponses {
        let header = |name: &str, description: &str| MetaHeader {
            name: name.into(),
            description: Some(description.into()),
            required: false,
            deprecated: false,
            schema: String::schema_ref(),
        };
        let response = |status, description, content| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content,
            headers: vec![
                header("ETag", "Changes with the bytes."),
                header("Accept-Ranges", "`bytes`."),
                header("Content-Range", "Which bytes these are, of how many."),
                header("Content-Disposition", "What to call it when it is saved."),
            ],
        };
        let bytes = || {
            let schema = MetaSchema::new_with_format("string", "binary");
            vec![MetaMediaType { content_type: "*/*", schema: MetaSchemaRef::Inline(Box::new(schema)) }]
        };
        MetaResponses {
            responses: vec![
                response(200, "All of it.", bytes()),
                response(206, "The range that was asked for.", bytes()),
                response(304, "The caller has it already.", Vec::new()),
                MetaResponse {
                    headers: vec![header("Location", "A URL of the store, good for 15 minutes at most.")],
                    ..response(307, "The store itself has it there, where it is set to be asked.", Vec::new())
                },
                response(416, "The range is beyond the end.", Vec::new()),
            ],
        }
    }

    fn register(_: &mut Registry) {}
}
