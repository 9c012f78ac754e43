use super::{FailureBody, Text};
use medianest_core::{Rendition, RenditionId, RenditionState, Timestamp, VariantName};
use poem_openapi::Object;

/// What a variant made of an asset.
#[derive(Debug, Object)]
#[oai(rename = "Rendition", skip_serializing_if_is_none)]
pub(crate) struct RenditionBody {
    /// Its id; a new rendering has a new one.
    id: Text<RenditionId>,
    /// The variant's name.
    variant: Text<VariantName>,
    /// Changes with the definition of the variant.
    fingerprint: String,
    /// Whether the asset is not ready without it.
    required: bool,
    /// Where it stands.
    state: Text<RenditionState>,
    /// Why it failed.
    failure: Option<FailureBody>,
    /// What came out; absent until it is ready.
    info: Option<RenditionInfoBody>,
    /// Size in bytes.
    size: u64,
    /// When it was declared.
    created_at: Text<Timestamp>,
}

/// What came out of a rendering.
#[derive(Debug, Object)]
#[oai(rename = "RenditionInfo", skip_serializing_if_is_none)]
pub(crate) struct RenditionInfoBody {
    /// The media type it is served as.
    content_type: String,
    /// Width in pixels.
    width: Option<u32>,
    /// Height in pixels.
    height: Option<u32>,
    /// Playing time in milliseconds.
    duration_ms: Option<u64>,
    /// The codecs as in RFC 6381.
    codecs: Option<String>,
    /// Bits per second of the heaviest segment.
    peak_bit_rate: Option<u64>,
    /// Bits per second over all.
    average_bit_rate: Option<u64>,
    /// Frames per second.
    frame_rate: Option<f64>,
    /// What is wrong with it though it can be used.
    warnings: Vec<String>,
}

/// The renditions of an asset.
#[derive(Debug, Object)]
#[oai(rename = "Renditions")]
pub(crate) struct RenditionsBody {
    /// By variant, then age.
    pub(crate) items: Vec<RenditionBody>,
}

impl From<Rendition> for RenditionBody {
    fn from(rendition: Rendition) -> Self {
        Self {
            id: rendition.id.into(),
            variant: rendition.variant.into(),
            fingerprint: rendition.fingerprint.as_str().to_owned(),
            required: rendition.required,
            state: rendition.state.into(),
            failure: rendition.failure.map(Into::into),
            info: rendition.info.map(|info| RenditionInfoBody {
                content_type: info.content_type,
                width: info.width,
                height: info.height,
                duration_ms: info.duration_ms,
                codecs: info.codecs,
                peak_bit_rate: info.peak_bit_rate,
                average_bit_rate: info.average_bit_rate,
                frame_rate: info.frame_rate,
                warnings: info.warnings,
            }),
            size: rendition.size,
            created_at: rendition.created_at.into(),
        }
    }
}
