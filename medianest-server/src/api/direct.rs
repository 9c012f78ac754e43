use super::{
    Group,
    answer::Created,
    headers::IdempotencyKey,
    model::{
        AssetBody, DirectPartRequestBody, DirectPartUrlBody, DirectPartsBody, DirectUploadBody,
        NewDirectUploadBody, SentPartsBody,
    },
};
use crate::{State, caller::Caller, problem::problems};
use medianest_core::{Error, ErrorKind};
use poem_openapi::{ApiResponse, OpenApi, param::Path, payload::Json};

pub(crate) struct DirectApi(pub(super) State);

#[derive(ApiResponse)]
enum Begun {
    /// It waits for its parts.
    #[oai(status = 201)]
    Done(Json<DirectUploadBody>),
}

#[derive(ApiResponse)]
enum Aborted {
    /// It has ended.
    #[oai(status = 204)]
    Done,
}

problems! {
    BeginProblem: 401 403 404 408 409 413 415;
    PartProblem: 401 403 404 408 409 410 413 415;
    ListProblem: 401 403 404 409 410;
    CompleteProblem: 401 403 404 408 409 410 413 415 507;
    AbortProblem: 401 403 404 409;
}

#[OpenApi(tag = "Group::Assets")]
impl DirectApi {
    /// Begin an upload whose bytes go to the store itself
    ///
    /// The file is cut into parts, each is sent by `PUT` to a URL of the store, and the store's answers are
    /// told at the end. Where the store takes none, the answer is 409 with `presign_unsupported`: the bytes
    /// then come through `POST /assets`.
    #[oai(path = "/direct-uploads", method = "post", operation_id = "beginDirectUpload")]
    async fn begin(
        &self,
        caller: Caller,
        /// Makes the completion of a repeated upload give the same asset.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: Json<NewDirectUploadBody>,
    ) -> Result<Begun, BeginProblem> {
        let begun = caller.media(&self.0).begin_direct(body.0.with(key.0)).await.map_err(through_us)?;
        Ok(Begun::Done(Json(begun.into())))
    }

    /// Where a part is sent to
    ///
    /// The URL is good for 15 minutes at most, and for exactly this part. A part that is sent again replaces
    /// the earlier one.
    #[oai(path = "/direct-uploads/:upload/parts", method = "post", operation_id = "presignDirectPart")]
    async fn presign(
        &self,
        caller: Caller,
        upload: Path<String>,
        body: Json<DirectPartRequestBody>,
    ) -> Result<Json<DirectPartUrlBody>, PartProblem> {
        let sha256 = body.0.sha256.map(|digest| digest.0);
        let part = caller.media(&self.0).direct_part(&upload.0, body.0.number, sha256).await;
        Ok(Json(part.map_err(through_us)?.into()))
    }

    /// The parts that the store has
    #[oai(path = "/direct-uploads/:upload/parts", method = "get", operation_id = "listDirectParts")]
    async fn list(&self, caller: Caller, upload: Path<String>) -> Result<Json<DirectPartsBody>, ListProblem> {
        let parts = caller.media(&self.0).direct_parts(&upload.0).await.map_err(through_us)?;
        Ok(Json(DirectPartsBody { items: parts.into_iter().map(Into::into).collect() }))
    }

    /// Make an asset of the parts that were sent
    ///
    /// The bytes are read once, to learn what they are: that takes its time. Asked again, it answers the same.
    #[oai(path = "/direct-uploads/:upload/complete", method = "post", operation_id = "completeDirectUpload")]
    async fn complete(
        &self,
        caller: Caller,
        upload: Path<String>,
        body: Json<SentPartsBody>,
    ) -> Result<Created<AssetBody>, CompleteProblem> {
        let parts: Vec<_> = body.0.parts.into_iter().map(Into::into).collect();
        let completed = caller.media(&self.0).complete_direct(&upload.0, &parts).await;
        let (asset, created) = completed.map_err(through_us)?;
        let (version, location) = (asset.version, format!("/api/v1/assets/{}", asset.id));
        Ok(Created::new(asset, version, location, created))
    }

    /// End an upload that is not to be completed
    #[oai(path = "/direct-uploads/:upload", method = "delete", operation_id = "abortDirectUpload")]
    async fn abort(&self, caller: Caller, upload: Path<String>) -> Result<Aborted, AbortProblem> {
        caller.media(&self.0).abort_direct(&upload.0).await.map_err(through_us)?;
        Ok(Aborted::Done)
    }
}

/// What the store cannot is no fault of the server, which can do it another way.
fn through_us(error: Error) -> Error {
    if error.kind() != ErrorKind::Unsupported {
        return error;
    }
    let message = "the store takes no bytes from elsewhere; send them through the server";
    Error::conflict("presign_unsupported", message).caused_by(error)
}
