use super::{
    Group,
    bytes::Bytes,
    model::{PartName, Text},
};
use crate::{State, caller::Caller, forward, problem::problems};
use medianest_core::{AssetId, RenditionId, VariantName, engine::MediaPath, http::MediaService};
use poem::Request;
use poem_openapi::{
    OpenApi,
    param::{Header, Path, Query},
};

pub(crate) struct ContentApi(MediaService);

impl ContentApi {
    pub(super) fn new(state: &State) -> Self {
        Self(forward::service(state))
    }
}

problems! {
    ReadProblem: 401 403 404 410;
}

/// The same is to be had without a header by signed URLs: see `links`.
#[OpenApi(tag = "Group::Content")]
impl ContentApi {
    /// The original, bit for bit
    #[oai(path = "/assets/:id/content", method = "get", operation_id = "getContent")]
    async fn original(
        &self,
        request: &Request,
        caller: Caller,
        id: Path<Text<AssetId>>,
        /// Which bytes, as in RFC 9110.
        #[oai(name = "Range")]
        _range: Header<Option<String>>,
        /// Save it instead of showing it.
        #[oai(name = "download", default)]
        _download: Query<bool>,
    ) -> Result<Bytes, ReadProblem> {
        self.read(request, caller, id.0.0, &MediaPath::Original).await
    }

    /// A rendition as a whole
    #[oai(path = "/assets/:id/renditions/:variant", method = "get", operation_id = "getRendition")]
    async fn rendition(
        &self,
        request: &Request,
        caller: Caller,
        id: Path<Text<AssetId>>,
        variant: Path<Text<VariantName>>,
        /// Which bytes, as in RFC 9110.
        #[oai(name = "Range")]
        _range: Header<Option<String>>,
        /// Save it instead of showing it.
        #[oai(name = "download", default)]
        _download: Query<bool>,
    ) -> Result<Bytes, ReadProblem> {
        self.read(request, caller, id.0.0, &MediaPath::Rendition(variant.0.0)).await
    }

    /// The HLS playlist of a video or a song
    #[oai(path = "/assets/:id/hls/index.m3u8", method = "get", operation_id = "getHlsIndex")]
    async fn hls_index(
        &self,
        request: &Request,
        caller: Caller,
        id: Path<Text<AssetId>>,
    ) -> Result<Bytes, ReadProblem> {
        self.read(request, caller, id.0.0, &MediaPath::HlsIndex).await
    }

    /// The HLS playlist of one rung, or of the sound
    #[oai(path = "/assets/:id/hls/:variant/index.m3u8", method = "get", operation_id = "getHlsPlaylist")]
    async fn hls_playlist(
        &self,
        request: &Request,
        caller: Caller,
        id: Path<Text<AssetId>>,
        variant: Path<Text<VariantName>>,
    ) -> Result<Bytes, ReadProblem> {
        self.read(request, caller, id.0.0, &MediaPath::HlsPlaylist(variant.0.0)).await
    }

    /// A part of an HLS rung, or of the sound
    ///
    /// Also for some days after its rendition was replaced, so that who plays goes on.
    #[oai(path = "/assets/:id/hls/:variant/:rendition/:part", method = "get", operation_id = "getHlsPart")]
    async fn hls_part(
        &self,
        request: &Request,
        caller: Caller,
        id: Path<Text<AssetId>>,
        variant: Path<Text<VariantName>>,
        /// The rendition that the playlist names.
        rendition: Path<Text<RenditionId>>,
        /// `{ordinal}.mp4`, as the playlist says.
        part: Path<PartName>,
    ) -> Result<Bytes, ReadProblem> {
        let path = format!("hls/{}/{}/{}", variant.0.0, rendition.0.0, part.0.0).parse()?;
        self.read(request, caller, id.0.0, &path).await
    }

    async fn read(
        &self,
        request: &Request,
        caller: Caller,
        id: AssetId,
        path: &MediaPath,
    ) -> Result<Bytes, ReadProblem> {
        Ok(Bytes(forward::read(&self.0, request, &format!("/assets/{id}/{path}"), Some(caller)).await?))
    }
}
