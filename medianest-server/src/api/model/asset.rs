use super::{Anything, FactsJson, Text};
use medianest_core::{Asset, AssetId, AssetState, Failure, LibraryId, MediaKind, Sha256, Timestamp};
use poem_openapi::Object;
use serde::Serialize;
use serde_with::skip_serializing_none;
use std::collections::HashMap;

/// One thing that a user put in.
#[skip_serializing_none]
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Asset", skip_serializing_if_is_none)]
pub(crate) struct AssetBody {
    /// Its id.
    pub(crate) id: Text<AssetId>,
    /// The library it is in.
    pub(crate) library_id: Text<LibraryId>,
    /// The subject of who put it in.
    pub(crate) owner: String,
    /// Where it stands: `staged`, `processing`, `ready`, `failed` or `quarantined`.
    pub(crate) state: Text<AssetState>,
    /// Why it is failed or quarantined.
    pub(crate) failure: Option<FailureBody>,
    /// Image, video or audio; absent while it is not known, or when it is none of them.
    pub(crate) kind: Option<Text<MediaKind>>,
    /// Shown name.
    pub(crate) name: String,
    /// Size of the original in bytes.
    pub(crate) size: u64,
    /// SHA-256 of the original, in hexadecimal digits.
    pub(crate) sha256: Text<Sha256>,
    /// The media type of the original, by content.
    pub(crate) content_type: String,
    /// What was read from it; absent until it is understood.
    pub(crate) facts: Option<FactsJson>,
    /// When the thing it shows was taken; else when it was put in.
    pub(crate) taken_at: Text<Timestamp>,
    /// How far its preparation has come, 0 to 1; of one asset that is asked for while it is worked on.
    pub(crate) progress: Option<f32>,
    /// The host's row that it belongs to.
    pub(crate) attached_to: Option<String>,
    /// When a staged asset goes away.
    pub(crate) expires_at: Option<Text<Timestamp>>,
    /// When it was put into the trash.
    pub(crate) trashed_at: Option<Text<Timestamp>>,
    /// Grows with each change; also the `ETag`.
    pub(crate) version: i64,
    /// When it was put in.
    pub(crate) created_at: Text<Timestamp>,
    /// When it last changed.
    pub(crate) updated_at: Text<Timestamp>,
    /// Signed URLs, which work without headers; with `links=true`.
    pub(crate) links: Option<LinksBody>,
}

/// Why something came to nothing.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Failure")]
pub(crate) struct FailureBody {
    /// What happened, for programs: stable.
    pub(crate) code: String,
    /// What happened, for people.
    pub(crate) message: String,
}

/// Signed URLs: whoever has one has access until it expires or the session of who asked for it ends.
#[skip_serializing_none]
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Links", skip_serializing_if_is_none)]
pub(crate) struct LinksBody {
    /// The original.
    pub(crate) original: String,
    /// The renditions that are ready, by variant; another URL when one was made again. Of what is in the
    /// trash, the pictures, for who may restore it: these are not signed, but read with the caller's own
    /// cookie or token.
    pub(crate) renditions: HashMap<String, String>,
    /// The HLS playlist, once what there is to play is there as a whole.
    pub(crate) hls: Option<String>,
}

/// What to change of an asset; what is absent stays.
#[derive(Debug, Object)]
#[oai(rename = "AssetChange", deny_unknown_fields)]
pub(crate) struct AssetChangeBody {
    /// Shown name; made harmless.
    pub(crate) name: Option<Anything>,
    /// When it was taken.
    pub(crate) taken_at: Option<Text<Timestamp>>,
}

impl From<Failure> for FailureBody {
    fn from(failure: Failure) -> Self {
        Self { code: failure.code, message: failure.message }
    }
}

impl From<Asset> for AssetBody {
    fn from(asset: Asset) -> Self {
        Self {
            id: asset.id.into(),
            library_id: asset.library_id.into(),
            owner: asset.owner,
            state: asset.state.into(),
            failure: asset.failure.map(Into::into),
            kind: asset.kind.map(Into::into),
            name: asset.name,
            size: asset.blob.size,
            sha256: asset.blob.sha256.into(),
            content_type: asset.blob.content_type,
            facts: asset.facts.map(Into::into),
            taken_at: asset.taken_at.into(),
            progress: None,
            attached_to: asset.attached_to,
            expires_at: asset.expires_at.map(Into::into),
            trashed_at: asset.trashed_at.map(Into::into),
            version: asset.version,
            created_at: asset.created_at.into(),
            updated_at: asset.updated_at.into(),
            links: None,
        }
    }
}
