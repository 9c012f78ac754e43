use super::{Media, MediaPath, playlist, trash::in_trash};
use crate::{
    Asset, AssetId, BlobKey, ByteStream, Error, ErrorKind, Part, PresignedHeaders, Rendition, RenditionId,
    RenditionState, Result, Sha256, StoreName, Variant, VariantName,
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use std::{ops::Range, sync::Arc, time::Duration};

/// How bytes get from a store to who asked for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Through us.
    #[default]
    Proxy,
    /// From the store itself, by a URL that we send them to after we have seen that they may; through us
    /// where the store gives out none, and what consists of several blobs.
    Redirect,
}

/// A URL of a store is good for so long at most: it is not asked for anew whether its reader still may.
pub(crate) const REDIRECT_FOR: Duration = Duration::from_secs(15 * 60);

/// Something to deliver: first what it is, then its bytes, as a whole or a range of them.
#[derive(Clone, Debug)]
pub struct Content {
    /// Size in bytes.
    pub size: u64,
    /// The media type to serve it as, always with `nosniff`.
    pub content_type: String,
    /// Changes with the bytes; without quotes.
    pub etag: String,
    /// The SHA-256 of the whole, where it is known; who reads the whole is told when it is another.
    pub sha256: Option<Sha256>,
    /// What to call it when it is saved.
    pub file_name: String,
    /// Where the bytes are.
    pub body: ContentBody,
}

/// Where the bytes of [`Content`] are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ContentBody {
    /// In memory: a playlist.
    Memory(Bytes),
    /// In blobs of a store, one after the other, with their sizes.
    Blobs(StoreName, Vec<(BlobKey, u64)>),
}

impl Media {
    /// What is at a path of a visible asset; nothing when that is in the trash. What a playlist or a URL
    /// names exactly is there until [`delete_retention`](super::EngineOptions::delete_retention) after it
    /// was replaced, so that who plays goes on.
    ///
    /// # Errors
    /// `asset_not_found`; `rendition_not_found`; `asset_trashed` (Gone).
    pub async fn content(&self, id: AssetId, path: &MediaPath) -> Result<Content> {
        let asset = self.require(id).await?;
        if asset.trashed_at.is_some() {
            return Err(in_trash(id));
        }
        self.content_of(&asset, path).await
    }

    /// What is at a path of an asset, be it in the trash or not.
    pub(super) async fn content_of(&self, asset: &Asset, path: &MediaPath) -> Result<Content> {
        match path {
            MediaPath::Original => Ok(original(asset)),
            MediaPath::Rendition(variant) => self.whole(asset, self.present(asset, variant).await?).await,
            MediaPath::ExactRendition(variant, id) => {
                self.whole(asset, self.exact(asset, variant, *id).await?).await
            }
            MediaPath::HlsIndex => self.hls_index(asset).await,
            MediaPath::HlsPlaylist(variant) => {
                let rendition = self.present(asset, variant).await?;
                let parts = self.engine().parts_of(&rendition).await?;
                Ok(playlist_content(asset, playlist::media(rendition.id, &parts)))
            }
            MediaPath::HlsPart(variant, id, ordinal) => {
                let rendition = self.exact(asset, variant, *id).await?;
                let part = self.engine().part_of(&rendition, *ordinal).await?;
                part.map(|part| part_content(&rendition, part)).ok_or_else(|| no_rendition(variant))
            }
        }
    }

    /// The bytes of content; of a range that lies within its size, or all.
    ///
    /// # Errors
    /// `Unavailable`; the stream ends with an error when bytes are missing, and with `blob_damaged` before
    /// its last chunk when the whole is not what was put in.
    pub async fn read(&self, content: &Content, range: Option<Range<u64>>) -> Result<ByteStream> {
        let range = range.unwrap_or(0..content.size);
        let range = range.start.min(content.size)..range.end.min(content.size);
        match &content.body {
            ContentBody::Memory(bytes) => {
                let bytes = bytes.slice(range.start as usize..range.end.max(range.start) as usize);
                Ok(stream::once(async { Ok(bytes) }).boxed())
            }
            ContentBody::Blobs(store, blobs) => {
                let mut wanted = pieces(blobs, &range).into_iter();
                let Some((key, piece)) = wanted.next() else { return Ok(stream::empty().boxed()) };
                // The first one is opened here, so that what is missing is an error and not a broken body.
                let store = Arc::clone(self.engine().store(store)?.blobs());
                let first = store.get(&key, Some(piece)).await?;
                let rest = stream::iter(wanted.map(Ok))
                    .and_then(move |(key, piece)| {
                        let store = Arc::clone(&store);
                        async move { store.get(&key, Some(piece)).await }
                    })
                    .try_flatten();
                let bytes = first.chain(rest).boxed();
                match content.sha256.filter(|_| range == (0..content.size)) {
                    Some(sha256) => Ok(intact(bytes, sha256, key)),
                    None => Ok(bytes),
                }
            }
        }
    }

    /// As [`read`](Self::read), into memory; for small content.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_all(&self, content: &Content) -> Result<Bytes> {
        match &content.body {
            ContentBody::Memory(bytes) => Ok(bytes.clone()),
            ContentBody::Blobs(..) => {
                let chunks: Vec<Bytes> = self.read(content, None).await?.try_collect().await?;
                Ok(chunks.concat().into())
            }
        }
    }

    /// A URL of the store itself for content, good for `valid` and at most 15 minutes: where the store is
    /// set to [`Delivery::Redirect`], gives out URLs, and has the content in one piece.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn presigned(
        &self,
        content: &Content,
        headers: &PresignedHeaders,
        valid: Duration,
    ) -> Result<Option<String>> {
        let ContentBody::Blobs(store, blobs) = &content.body else { return Ok(None) };
        match (&blobs[..], self.engine().store(store)?.redirects()) {
            ([(key, _)], Some(store)) => {
                store.presign_get(key, headers, valid.min(REDIRECT_FOR)).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn present(&self, asset: &Asset, variant: &VariantName) -> Result<Rendition> {
        let rendition = self.engine().catalog().ready_rendition(asset.id, variant).await?;
        rendition.ok_or_else(|| no_rendition(variant))
    }

    async fn exact(&self, asset: &Asset, variant: &VariantName, id: RenditionId) -> Result<Rendition> {
        let rendition = self.engine().catalog().served_rendition(asset.id, id).await?;
        rendition.filter(|rendition| rendition.variant == *variant).ok_or_else(|| no_rendition(variant))
    }

    async fn whole(&self, asset: &Asset, rendition: Rendition) -> Result<Content> {
        let parts = self.engine().parts_of(&rendition).await?;
        let content_type = content_type(&rendition);
        let stem = asset.name.rsplit_once('.').map_or(asset.name.as_str(), |(stem, _)| stem);
        Ok(Content {
            size: parts.iter().map(|part| part.size).sum(),
            etag: rendition.id.to_string(),
            sha256: None,
            file_name: format!("{stem}-{}.{}", rendition.variant, extension(&content_type)),
            content_type,
            body: ContentBody::Blobs(
                rendition.store,
                parts.into_iter().map(|part| (part.key, part.size)).collect(),
            ),
        })
    }

    async fn hls_index(&self, asset: &Asset) -> Result<Content> {
        let renditions = self.engine().catalog().list_renditions(asset.id).await?;
        let playable: Vec<_> = renditions
            .into_iter()
            .filter(|rendition| rendition.state == RenditionState::Ready)
            .filter(|rendition| matches!(rendition.definition, Variant::Video(_) | Variant::Audio(_)))
            .collect();
        let text = playlist::index(&playable).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "rendition_not_found", "there is nothing to play yet")
        })?;
        Ok(playlist_content(asset, text))
    }
}

fn no_rendition(variant: &VariantName) -> Error {
    Error::new(ErrorKind::NotFound, "rendition_not_found", "the asset has no such rendition, or not yet")
        .with("variant", variant)
}

fn original(asset: &Asset) -> Content {
    Content {
        size: asset.blob.size,
        content_type: asset.blob.content_type.clone(),
        etag: asset.blob.sha256.to_string(),
        sha256: Some(asset.blob.sha256),
        file_name: asset.name.clone(),
        body: ContentBody::Blobs(asset.blob.store.clone(), vec![(asset.blob.key.clone(), asset.blob.size)]),
    }
}

fn part_content(rendition: &Rendition, part: Part) -> Content {
    Content {
        size: part.size,
        etag: format!("{}-{}", rendition.id, part.ordinal),
        sha256: None,
        file_name: format!("{}-{}.mp4", rendition.variant, part.ordinal),
        content_type: content_type(rendition),
        body: ContentBody::Blobs(rendition.store.clone(), vec![(part.key, part.size)]),
    }
}

fn playlist_content(asset: &Asset, text: String) -> Content {
    Content {
        size: text.len() as u64,
        content_type: String::from("application/vnd.apple.mpegurl"),
        // Of the text itself: a later version may write another one of the same rows.
        etag: Sha256(sha2::Sha256::digest(&text).into()).to_string(),
        sha256: None,
        file_name: format!("{}.m3u8", asset.id),
        body: ContentBody::Memory(text.into()),
    }
}

fn content_type(rendition: &Rendition) -> String {
    rendition
        .info
        .as_ref()
        .map_or_else(|| String::from("application/octet-stream"), |info| info.content_type.clone())
}

fn extension(content_type: &str) -> &'static str {
    match content_type {
        "image/webp" => "webp",
        "image/jpeg" => "jpg",
        "video/mp4" => "mp4",
        "audio/mp4" => "m4a",
        "application/json" => "json",
        _ => "bin",
    }
}

/// Bytes that end with an error before their last chunk when they are not those of this digest: so that
/// nobody takes them for whole.
fn intact(bytes: ByteStream, sha256: Sha256, key: BlobKey) -> ByteStream {
    let hasher = sha2::Sha256::new();
    stream::try_unfold((bytes, hasher, None, key), move |(mut bytes, mut hasher, mut held, key)| async move {
        loop {
            let Some(chunk) = bytes.try_next().await? else { break };
            hasher.update(&chunk);
            if let Some(before) = held.replace(chunk) {
                return Ok(Some((before, (bytes, hasher, held, key))));
            }
        }
        let Some(last) = held.take() else { return Ok(None) };
        if Sha256(hasher.clone().finalize().into()) != sha256 {
            tracing::error!(%key, "stored bytes are not those that were put in");
            metrics::counter!("medianest_damaged_blobs_total").increment(1);
            let message = "the stored bytes are not those that were put in";
            return Err(Error::new(ErrorKind::Internal, "blob_damaged", message).with("key", key));
        }
        Ok(Some((last, (bytes, hasher, None, key))))
    })
    .boxed()
}

/// The pieces of blobs, laid end to end, that a range covers.
fn pieces(blobs: &[(BlobKey, u64)], range: &Range<u64>) -> Vec<(BlobKey, Range<u64>)> {
    let mut offset = 0;
    let mut pieces = Vec::new();
    for (key, size) in blobs {
        let (start, end) = (range.start.max(offset), range.end.min(offset + size));
        if start < end {
            pieces.push((key.clone(), start - offset..end - offset));
        }
        offset += size;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_what_a_slice_is(sizes in proptest::collection::vec(0_u64..20, 0..8), a in 0_u64..120, b in 0_u64..120) {
            let range = a.min(b)..a.max(b);
            let blobs: Vec<_> = sizes
                .iter()
                .enumerate()
                .map(|(index, size)| (BlobKey::new(format!("k{index}")).unwrap(), *size))
                .collect();
            let all: Vec<_> = blobs.iter().flat_map(|(key, size)| (0..*size).map(move |at| (key.clone(), at))).collect();
            let end = (range.end as usize).min(all.len());
            let wanted = &all[(range.start as usize).min(end)..end];
            let got: Vec<_> = pieces(&blobs, &range)
                .into_iter()
                .flat_map(|(key, piece)| piece.map(move |at| (key.clone(), at)))
                .collect();
            prop_assert_eq!(got, wanted);
        }
    }
}
