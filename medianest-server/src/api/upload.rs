mod multipart;

use super::{
    Group,
    answer::Created,
    described::no_other_fields,
    headers::IdempotencyKey,
    model::{AssetBody, Text},
};
use crate::{State, body, caller::Caller, problem::problems};
use http::header;
use medianest_core::{
    ByteStream, Error, ErrorKind, LibraryId, Result as CoreResult, Timestamp, Upload, engine::gather,
};
use poem::{Body, Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions, OpenApi,
    param::Query,
    registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};

/// Chunks that are worth a write.
const CHUNK: usize = 1 << 20;

pub(crate) struct UploadApi(pub(super) State);

problems! {
    UploadProblem: 401 403 404 408 409 413 415 507;
}

/// What is said of an upload beside its bytes.
#[derive(Default)]
struct About {
    name: Option<String>,
    library: Option<LibraryId>,
    taken_at: Option<Timestamp>,
    staged: bool,
}

#[OpenApi(tag = "Group::Assets")]
impl UploadApi {
    /// Put something in
    ///
    /// The body is the file itself, of any type but `multipart/form-data`; or a form whose part `file`
    /// is the file and whose parts before it say the same as the parameters. The bytes are streamed:
    /// there is no limit but that of the server, and when this answers they are durable.
    #[oai(path = "/assets", method = "post", operation_id = "uploadAsset")]
    #[expect(clippy::too_many_arguments, reason = "they are the parameters of the operation")]
    async fn upload(
        &self,
        request: &Request,
        caller: Caller,
        /// Shown name; made harmless.
        name: Query<Option<String>>,
        /// Into this library; the caller's own when absent.
        library_id: Query<Option<Text<LibraryId>>>,
        /// When it was taken, for media that does not say so itself.
        taken_at: Query<Option<Text<Timestamp>>>,
        /// Wait to be attached to a row of the host's; expires otherwise.
        #[oai(default)]
        staged: Query<bool>,
        /// Makes a repeated request give the same asset.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: UploadBody,
    ) -> Result<Created<AssetBody>, UploadProblem> {
        let about = About {
            name: name.0,
            library: library_id.0.map(|id| id.0),
            taken_at: taken_at.0.map(|time| time.0),
            staged: staged.0,
        };
        let media = caller.media(&self.0);
        check_declared_size(request, media.engine().options().max_upload_bytes)?;
        let bytes = body::bytes(body.0, self.0.settings.body_timeout);
        let mut upload = match multipart::boundary(request)? {
            Some(boundary) => {
                let (about, bytes) = multipart::open(bytes, boundary, about).await?;
                about.upload(bytes)
            }
            None => about.upload(bytes),
        };
        if let Some(key) = key.0 {
            upload = upload.idempotency_key(key);
        }
        let (asset, created) = media.ingest_once(upload).await?;
        let (version, location) = (asset.version, format!("/api/v1/assets/{}", asset.id));
        Ok(Created::new(asset, version, location, created))
    }
}

impl About {
    fn upload(self, bytes: ByteStream) -> Upload {
        let mut upload = Upload::from_stream(&self.name.unwrap_or_default(), gather(bytes, CHUNK));
        if let Some(library) = self.library {
            upload = upload.into_library(library);
        }
        if let Some(at) = self.taken_at {
            upload = upload.taken_at(at);
        }
        if self.staged {
            upload = upload.staged();
        }
        upload
    }
}

/// Refuses what is too large before its first byte.
fn check_declared_size(request: &Request, limit: u64) -> CoreResult<()> {
    let declared = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    // A form is a little larger than its file.
    if declared.is_some_and(|size| size > limit.saturating_add(CHUNK as u64)) {
        let message = format!("an upload has at most {limit} bytes");
        return Err(Error::new(ErrorKind::TooLarge, "upload_too_large", message));
    }
    Ok(())
}

/// The body of an upload, unread: poem's own `Upload` would collect it in a temporary file.
struct UploadBody(Body);

impl<'a> ApiExtractor<'a> for UploadBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    const PARAM_IS_REQUIRED: bool = true;
    type ParamType = ();
    type ParamRawType = ();

    fn register(_: &mut Registry) {}

    fn request_meta() -> Option<MetaRequest> {
        let inline = |schema| MetaSchemaRef::Inline(Box::new(schema));
        let some_bytes =
            || inline(MetaSchema { min_length: Some(1), ..MetaSchema::new_with_format("string", "binary") });
        let name = MetaSchema { max_length: Some(multipart::SMALL_PART), ..MetaSchema::new("string") };
        let form = inline(MetaSchema {
            required: vec!["file"],
            properties: vec![
                ("name", inline(name)),
                ("library_id", Text::<LibraryId>::schema_ref()),
                ("taken_at", Text::<Timestamp>::schema_ref()),
                ("staged", bool::schema_ref()),
                ("file", some_bytes()),
            ],
            additional_properties: no_other_fields(),
            ..MetaSchema::new("object")
        });
        Some(MetaRequest {
            description: None,
            content: vec![
                MetaMediaType { content_type: "application/octet-stream", schema: some_bytes() },
                MetaMediaType { content_type: "multipart/form-data", schema: form },
            ],
            required: true,
        })
    }

    async fn from_request(
        _: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self(body.take()?))
    }
}
