use super::{Anything, Text};
use medianest_core::{
    LibraryId, PartUrl, SentPart, Sha256, StoredPart, Timestamp,
    engine::{DirectUpload, NewDirectUpload},
};
use poem_openapi::Object;
use std::collections::BTreeMap;

/// What is about to be sent to the store.
#[derive(Debug, Object)]
#[oai(rename = "NewDirectUpload", deny_unknown_fields)]
pub(crate) struct NewDirectUploadBody {
    /// Shown name; made harmless.
    name: Option<Anything>,
    /// Bytes, exactly.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    size: u64,
    /// Into this library; the caller's own when absent.
    library_id: Option<Text<LibraryId>>,
    /// When it was taken, for media that does not say so itself.
    taken_at: Option<Text<Timestamp>>,
    /// Wait to be attached to a row of the host's; expires otherwise.
    #[oai(default)]
    staged: bool,
}

/// An upload that was begun, and how its parts are sent.
#[derive(Debug, Object)]
#[oai(rename = "DirectUpload")]
pub(crate) struct DirectUploadBody {
    /// Its name, for the caller alone.
    id: String,
    /// Bytes of each part but the last.
    part_size: u64,
    /// How many parts there are; they are numbered from 1 on.
    parts: u32,
    /// Whether the SHA-256 of a part has to be told before it is sent, and again at the end.
    sha256: bool,
    /// When it is over.
    expires_at: Text<Timestamp>,
}

/// A part that is about to be sent.
#[derive(Debug, Object)]
#[oai(rename = "DirectPartRequest", deny_unknown_fields)]
pub(crate) struct DirectPartRequestBody {
    /// Its place, from 1 on.
    #[oai(validator(minimum(value = "1"), maximum(value = "10000")))]
    pub(crate) number: u32,
    /// SHA-256 of its bytes, in hexadecimal digits; see the upload.
    pub(crate) sha256: Option<Text<Sha256>>,
}

/// Where a part is sent to, by `PUT`.
#[derive(Debug, Object)]
#[oai(rename = "DirectPartUrl")]
pub(crate) struct DirectPartUrlBody {
    /// The URL, of the store.
    url: String,
    /// Headers that are sent with exactly these values, beside the `Content-Length`.
    headers: BTreeMap<String, String>,
    /// Seconds that it is good for.
    expires_in: u64,
}

/// A part that the store has.
#[derive(Debug, Object)]
#[oai(rename = "DirectPart", skip_serializing_if_is_none)]
pub(crate) struct DirectPartBody {
    /// Its place, from 1 on.
    number: u32,
    /// Its bytes.
    size: u64,
    /// What the store answered to it, if it tells again.
    etag: Option<String>,
}

/// The parts that the store has.
#[derive(Debug, Object)]
#[oai(rename = "DirectParts")]
pub(crate) struct DirectPartsBody {
    /// By their numbers.
    pub(crate) items: Vec<DirectPartBody>,
}

/// A part that was sent.
#[derive(Debug, Object)]
#[oai(rename = "SentPart", deny_unknown_fields)]
pub(crate) struct SentPartBody {
    /// Its place, from 1 on.
    #[oai(validator(minimum(value = "1"), maximum(value = "10000")))]
    number: u32,
    /// The `ETag` that the store answered.
    etag: Anything,
    /// SHA-256 of its bytes, as it was told before.
    sha256: Option<Text<Sha256>>,
}

/// The parts that were sent: all, in the order of their numbers.
#[derive(Debug, Object)]
#[oai(rename = "SentParts", deny_unknown_fields)]
pub(crate) struct SentPartsBody {
    /// One for each part.
    #[oai(validator(max_items = 10000))]
    pub(crate) parts: Vec<SentPartBody>,
}

impl NewDirectUploadBody {
    pub(crate) fn with(self, idempotency_key: Option<String>) -> NewDirectUpload {
        NewDirectUpload {
            name: self.name.map(|name| name.0).unwrap_or_default(),
            size: self.size,
            library: self.library_id.map(|id| id.0),
            staged: self.staged,
            taken_at: self.taken_at.map(|time| time.0),
            idempotency_key,
        }
    }
}

impl From<DirectUpload> for DirectUploadBody {
    fn from(upload: DirectUpload) -> Self {
        let DirectUpload { id, part_size, parts, sha256, expires_at } = upload;
        Self { id, part_size, parts, sha256, expires_at: expires_at.into() }
    }
}

impl From<PartUrl> for DirectPartUrlBody {
    fn from(part: PartUrl) -> Self {
        Self { url: part.url, headers: part.headers.into_iter().collect(), expires_in: part.valid.as_secs() }
    }
}

impl From<StoredPart> for DirectPartBody {
    fn from(part: StoredPart) -> Self {
        Self { number: part.number, size: part.size, etag: part.etag }
    }
}

impl From<SentPartBody> for SentPart {
    fn from(part: SentPartBody) -> Self {
        Self { number: part.number, etag: part.etag.0, sha256: part.sha256.map(|digest| digest.0) }
    }
}
