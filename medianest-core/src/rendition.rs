//! What a variant made of an asset.

use crate::{
    AssetId, BlobKey, Failure, Fingerprint, RenditionId, StoreName, TenantId, Timestamp, Variant, VariantName,
};
use serde::{Deserialize, Serialize};

/// Where a rendition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RenditionState {
    /// Declared; a job is going to make it.
    Pending,
    /// All parts are there.
    Ready,
    /// Could not be made.
    Failed,
    /// Replaced or deleted; its bytes go when the retention has passed. Never shown.
    Tombstoned,
}

impl RenditionState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Ready, Self::Failed, Self::Tombstoned];

    /// The word for it, as in JSON and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Tombstoned => "tombstoned",
        }
    }

    /// The state of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What a variant made of an asset: a row with its own state, and ordered immutable parts.
///
/// Its content is the concatenation of its parts: one for a picture, an init part and fragments for
/// a rung of an HLS ladder, which together are a fragmented MP4 file.
///
/// An asset has at most one `Ready` and one `Pending` or `Failed` rendition per variant; when the
/// new one becomes `Ready`, the old one is tombstoned in the same command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rendition {
    /// Its id; a new rendering has a new one.
    pub id: RenditionId,
    /// The world it is in.
    #[serde(skip, default = "default_tenant")]
    pub tenant: TenantId,
    /// What it was made of.
    pub asset_id: AssetId,
    /// The variant's name.
    pub variant: VariantName,
    /// The variant as it was when this was declared.
    #[serde(skip_serializing)]
    pub definition: Variant,
    /// Of definition and renderer; decides whether it is stale.
    pub fingerprint: Fingerprint,
    /// Whether the asset is not `ready` without it.
    pub required: bool,
    /// Where it stands.
    pub state: RenditionState,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What came out; None until it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<RenditionInfo>,
    /// Sum of the parts in bytes.
    pub size: u64,
    /// The store that its parts are in: that of its library when it was declared.
    #[serde(skip, default)]
    pub store: StoreName,
    /// When it was declared.
    pub created_at: Timestamp,
}

fn default_tenant() -> TenantId {
    TenantId::DEFAULT
}

/// What came out of a rendering.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RenditionInfo {
    /// The media type it is served as.
    pub content_type: String,
    /// Width in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Playing time in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The codecs as in [RFC 6381](https://www.rfc-editor.org/rfc/rfc6381) (`avc1.640028`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codecs: Option<String>,
    /// Bits per second of the heaviest segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_bit_rate: Option<u64>,
    /// Bits per second over all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_bit_rate: Option<u64>,
    /// Frames per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<f64>,
    /// What is wrong with it though it can be used (`truncated`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// One immutable piece of a rendition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Place in the rendition, from 0.
    pub ordinal: u32,
    /// Where the bytes are.
    pub key: BlobKey,
    /// Size in bytes.
    pub size: u64,
    /// Playing time of a media segment in microseconds; 0 for an init part, a picture and the like.
    pub duration_us: u64,
}
