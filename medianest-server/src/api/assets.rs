use super::{
    Group,
    answer::Found,
    headers::IfMatch,
    model::{AssetBody, AssetChangeBody, Limit, LinksBody, PageBody, PageCursor, RenditionsBody, Text},
    page,
    written::Written,
};
use crate::{State, caller::Caller, problem::problems};
use medianest_core::{
    Action, Asset, AssetId, AssetState, ErrorKind, LibraryId, MediaKind, Rendition, RenditionState, Resource,
    Result as CoreResult, SessionId, Timestamp, Variant,
    catalog::{AssetOrder, AssetQuery},
    engine::Media,
};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
    payload::Json,
};
use std::{collections::HashMap, time::Duration};

/// How long a signed URL is good: a page may stay open for a working day.
const LINK_LIFETIME: Duration = Duration::from_secs(12 * 3600);

pub(crate) struct AssetsApi(pub(super) State);

#[derive(ApiResponse)]
enum Deleted {
    /// In the trash, or gone for good.
    #[oai(status = 204)]
    Done,
}

impl From<Asset> for Found<AssetBody> {
    fn from(asset: Asset) -> Self {
        let version = asset.version;
        Self::new(asset, version)
    }
}

problems! {
    ListProblem: 401 403;
    GetProblem: 401 403 404;
    UpdateProblem: 401 403 404 408 412 413 415;
    DeleteProblem: 401 403 404 409;
    ReprocessProblem: 401 403 404 409;
}

#[OpenApi(tag = "Group::Assets")]
impl AssetsApi {
    /// Visible assets
    #[oai(path = "/assets", method = "get", operation_id = "listAssets")]
    #[expect(clippy::too_many_arguments, reason = "they are the parameters of the operation")]
    async fn list(
        &self,
        caller: Caller,
        /// Only of this library.
        library_id: Query<Option<Text<LibraryId>>>,
        /// Only of this kind.
        kind: Query<Option<Text<MediaKind>>>,
        /// Only in this state.
        state: Query<Option<Text<AssetState>>>,
        /// Only what this subject put in.
        owner: Query<Option<String>>,
        /// What is in the trash, instead of what is not.
        #[oai(default)]
        trashed: Query<bool>,
        /// Taken at or after.
        taken_from: Query<Option<Text<Timestamp>>>,
        /// Taken before.
        taken_before: Query<Option<Text<Timestamp>>>,
        /// The order; `-taken_at` (newest first) when absent.
        sort: Query<Option<Text<AssetOrder>>>,
        /// Whether to add signed URLs.
        #[oai(default)]
        links: Query<bool>,
        /// Rows at most; 50 when absent.
        limit: Query<Option<Limit>>,
        /// Where the page starts, as a previous page said.
        cursor: Query<Option<PageCursor>>,
    ) -> Result<Written<PageBody<AssetBody>>, ListProblem> {
        let query = AssetQuery {
            library: library_id.0.map(|library| library.0),
            kind: kind.0.map(|kind| kind.0),
            state: state.0.map(|state| state.0),
            owner: owner.0,
            trashed: trashed.0,
            taken_from: taken_from.0.map(|time| time.0),
            taken_before: taken_before.0.map(|time| time.0),
            order: sort.0.map(|order| order.0).unwrap_or_default(),
        };
        let media = caller.media(&self.0);
        let mut found = PageBody::of(media.list(&query, &page(limit.0, cursor.0)?).await?);
        if links.0 {
            with_links(&media, caller.session(), &mut found.items).await?;
        }
        Ok(Written(found))
    }

    /// An asset, also from the trash
    #[oai(path = "/assets/:id", method = "get", operation_id = "getAsset")]
    async fn get(
        &self,
        caller: Caller,
        id: Path<Text<AssetId>>,
        /// Whether to add signed URLs.
        #[oai(default)]
        links: Query<bool>,
    ) -> Result<Found<AssetBody>, GetProblem> {
        let media = caller.media(&self.0);
        let asset = media.require(id.0.0).await?;
        let version = asset.version;
        let is_worked_on = asset.state == AssetState::Processing;
        let mut found = [AssetBody::from(asset)];
        if is_worked_on {
            found[0].progress = media.progress(id.0.0).await?;
        }
        if links.0 {
            with_links(&media, caller.session(), &mut found).await?;
        }
        let [asset] = found;
        Ok(Found::new(asset, version))
    }

    /// Change the shown name, or when it was taken
    #[oai(path = "/assets/:id", method = "patch", operation_id = "updateAsset")]
    async fn update(
        &self,
        caller: Caller,
        id: Path<Text<AssetId>>,
        /// Only when this is the present `ETag`.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        body: Json<AssetChangeBody>,
    ) -> Result<Found<AssetBody>, UpdateProblem> {
        let AssetChangeBody { name, taken_at } = body.0;
        let (name, taken_at) = (name.map(|name| name.0), taken_at.map(|time| time.0));
        Ok(caller.media(&self.0).update(id.0.0, name.as_deref(), taken_at, if_match.0).await?.into())
    }

    /// Put an asset into the trash, or delete what is in it for good
    #[oai(path = "/assets/:id", method = "delete", operation_id = "deleteAsset")]
    async fn delete(
        &self,
        caller: Caller,
        id: Path<Text<AssetId>>,
        /// Delete for good; only what is in the trash.
        #[oai(default)]
        permanent: Query<bool>,
    ) -> Result<Deleted, DeleteProblem> {
        let media = caller.media(&self.0);
        if permanent.0 {
            media.delete(id.0.0).await?;
        } else {
            media.trash(id.0.0).await?;
        }
        Ok(Deleted::Done)
    }

    /// Take an asset out of the trash
    #[oai(path = "/assets/:id/restore", method = "post", operation_id = "restoreAsset")]
    async fn restore(&self, caller: Caller, id: Path<Text<AssetId>>) -> Result<Found<AssetBody>, GetProblem> {
        Ok(caller.media(&self.0).restore(id.0.0).await?.into())
    }

    /// Read the facts of an asset anew and make all of its renditions again
    ///
    /// The present ones are served until their successors are there.
    #[oai(path = "/assets/:id/reprocess", method = "post", operation_id = "reprocessAsset")]
    async fn reprocess(
        &self,
        caller: Caller,
        id: Path<Text<AssetId>>,
    ) -> Result<Found<AssetBody>, ReprocessProblem> {
        Ok(caller.media(&self.0).reprocess(id.0.0).await?.into())
    }

    /// The renditions of an asset
    #[oai(path = "/assets/:id/renditions", method = "get", operation_id = "listRenditions")]
    async fn renditions(
        &self,
        caller: Caller,
        id: Path<Text<AssetId>>,
    ) -> Result<Json<RenditionsBody>, GetProblem> {
        let renditions = caller.media(&self.0).renditions(id.0.0).await?;
        Ok(Json(RenditionsBody { items: renditions.into_iter().map(Into::into).collect() }))
    }
}

/// Adds signed URLs to assets that the caller sees; they end with the caller's session, if there is one.
/// Nothing signed leads into the trash: there the pictures are, for who may restore them, read by whom one is.
pub(super) async fn with_links(
    media: &Media,
    session: Option<SessionId>,
    assets: &mut [AssetBody],
) -> CoreResult<()> {
    let ids: Vec<AssetId> = assets.iter().map(|asset| asset.id.0).collect();
    let mut renditions: HashMap<AssetId, Vec<_>> = HashMap::new();
    for rendition in media.engine().catalog().list_renditions_of(&ids).await? {
        renditions.entry(rendition.asset_id).or_default().push(rendition);
    }
    let mut restorable = HashMap::new();
    for asset in assets {
        let id = asset.id.0;
        let url = || {
            let url = media.url(id).expires_in(LINK_LIFETIME);
            match session {
                Some(session) => url.for_session(session),
                None => url,
            }
        };
        let renditions = renditions.remove(&id).unwrap_or_default();
        let plays = plays(asset.state.0, &renditions);
        let ready = renditions.into_iter().filter(|rendition| rendition.state == RenditionState::Ready);
        if asset.trashed_at.is_some() {
            let may_see = may_restore(media, asset.library_id.0, &mut restorable).await?;
            let pictures =
                ready.filter(|rendition| may_see && matches!(rendition.definition, Variant::Image(_)));
            let paths = pictures.map(|rendition| {
                let variant = rendition.variant;
                (variant.as_str().to_owned(), format!("/api/v1/assets/{id}/renditions/{variant}"))
            });
            asset.links = Some(LinksBody { original: url().sign(), renditions: paths.collect(), hls: None });
            continue;
        }
        asset.links = Some(LinksBody {
            original: url().sign(),
            renditions: ready
                .map(|rendition| {
                    let signed = url().exact_rendition(rendition.variant.clone(), rendition.id).sign();
                    (rendition.variant.as_str().to_owned(), signed)
                })
                .collect(),
            hls: plays.then(|| url().hls().sign()),
        });
    }
    Ok(())
}

/// Whether there is something to play, and as a whole: a film without the sound that is still being made
/// is none. What was settled once plays on while it is made again.
fn plays(asset: AssetState, renditions: &[Rendition]) -> bool {
    let any = |state| {
        renditions.iter().any(|rendition| {
            rendition.state == state && matches!(rendition.definition, Variant::Video(_) | Variant::Audio(_))
        })
    };
    any(RenditionState::Ready) && (asset.is_settled() || !any(RenditionState::Pending))
}

/// Whether the caller may take assets of a library out of the trash; what was asked once is remembered.
async fn may_restore(
    media: &Media,
    library: LibraryId,
    known: &mut HashMap<LibraryId, bool>,
) -> CoreResult<bool> {
    if let Some(may) = known.get(&library) {
        return Ok(*may);
    }
    let may = match media.authorize(Action::Edit, Resource::Library(library)).await {
        Ok(()) => true,
        Err(error) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound) => false,
        Err(error) => return Err(error),
    };
    known.insert(library, may);
    Ok(may)
}

#[cfg(test)]
mod tests {
    use super::*;
    use medianest_core::{
        AudioVariant, Fingerprint, RenditionId, StoreName, TenantId, VariantName, VideoVariant,
    };

    fn rendition(definition: Variant, state: RenditionState) -> Rendition {
        Rendition {
            id: RenditionId::new(),
            tenant: TenantId::DEFAULT,
            asset_id: AssetId::new(),
            variant: VariantName::new("x").unwrap(),
            definition,
            fingerprint: Fingerprint::from_stored("f"),
            required: true,
            state,
            failure: None,
            info: None,
            size: 1,
            store: StoreName::DEFAULT,
            created_at: Timestamp::from_secs(0),
        }
    }

    #[test]
    fn a_film_plays_once_its_sound_is_there() {
        use AssetState::{Processing, Ready as Settled};
        use RenditionState::{Failed, Pending, Ready};
        let film = |state| rendition(Variant::Video(VideoVariant::h264(720)), state);
        let sound = |state| rendition(Variant::Audio(AudioVariant::default()), state);
        assert!(!plays(Processing, &[film(Ready), sound(Pending)]), "silent");
        assert!(plays(Processing, &[film(Ready), sound(Ready)]));
        assert!(plays(Processing, &[film(Ready), sound(Failed)]));
        assert!(plays(Settled, &[film(Ready), sound(Ready), film(Pending), sound(Pending)]), "made again");
        assert!(!plays(Settled, &[film(Failed)]));
    }
}
