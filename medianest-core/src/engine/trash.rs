use super::{Content, Media, MediaPath};
use crate::{Action, AssetId, Error, ErrorKind, Resource, Result};

impl Media {
    /// As [`content`](Self::content), and of an asset in the trash its pictures, for who may restore it.
    ///
    /// Not for signed URLs: those that were given out before end with the move to the trash.
    ///
    /// # Errors
    /// As [`content`](Self::content).
    pub async fn content_or_trashed(&self, id: AssetId, path: &MediaPath) -> Result<Content> {
        let asset = self.require(id).await?;
        if asset.trashed_at.is_none() {
            return self.content_of(&asset, path).await;
        }
        match self.authorize(Action::Edit, Resource::Library(asset.library_id)).await {
            Err(error) if error.kind() == ErrorKind::Forbidden => return Err(in_trash(id)),
            allowed => allowed?,
        }
        let content = self.content_of(&asset, path).await?;
        let is_picture = *path != MediaPath::Original && content.content_type.starts_with("image/");
        if is_picture { Ok(content) } else { Err(in_trash(id)) }
    }
}

/// The error for what is not delivered from the trash.
pub(super) fn in_trash(id: AssetId) -> Error {
    Error::new(ErrorKind::Gone, "asset_trashed", "the asset is in the trash").with("id", id)
}
