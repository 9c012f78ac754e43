use super::{
    Group,
    answer::{Created, Found},
    headers::{IdempotencyKey, IfMatch, once},
    model::{AssetBody, LibraryBody, LibraryChangeBody, Limit, PageBody, PageCursor, Text},
    page,
};
use crate::{State, caller::Caller, problem::problems};
use medianest_core::{Error, Library, LibraryId, Sha256};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
    payload::Json,
};

pub(crate) struct LibrariesApi(pub(super) State);

#[derive(ApiResponse)]
enum Deleted {
    /// The library is gone.
    #[oai(status = 204)]
    Done,
}

impl From<Library> for Found<LibraryBody> {
    fn from(library: Library) -> Self {
        let version = library.version;
        Self::new(library, version)
    }
}

problems! {
    ListProblem: 401 403;
    CreateProblem: 401 403 408 409 413 415;
    GetProblem: 401 403 404;
    RenameProblem: 401 403 404 408 412 413 415;
    DeleteProblem: 401 403 404 409;
}

#[OpenApi(tag = "Group::Libraries")]
impl LibrariesApi {
    /// Visible libraries by name
    #[oai(path = "/libraries", method = "get", operation_id = "listLibraries")]
    async fn list(
        &self,
        caller: Caller,
        /// Rows at most; 50 when absent.
        limit: Query<Option<Limit>>,
        /// Where the page starts, as a previous page said.
        cursor: Query<Option<PageCursor>>,
    ) -> Result<Json<PageBody<LibraryBody>>, ListProblem> {
        let libraries = caller.media(&self.0).libraries(&page(limit.0, cursor.0)?).await?;
        Ok(Json(PageBody::of(libraries)))
    }

    /// Add a library, owned by the caller
    #[oai(path = "/libraries", method = "post", operation_id = "createLibrary")]
    async fn create(
        &self,
        caller: Caller,
        /// Makes a repeated request give the same library.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: Json<LibraryChangeBody>,
    ) -> Result<Created<LibraryBody>, CreateProblem> {
        let media = caller.media(&self.0);
        let name = body.0.name.0;
        let (library, created) = match key.id_for(media.principal()) {
            None => (media.create_library(&name).await?, true),
            Some(id) => {
                let id = LibraryId::from_uuid(id);
                let made = media.create_library_with_id(id, &name).await;
                let same = |library: &Library| library.name == name.trim();
                once(made, "library_exists", media.library(id), same).await?
            }
        };
        let (version, location) = (library.version, format!("/api/v1/libraries/{}", library.id));
        Ok(Created::new(library, version, location, created))
    }

    /// A library
    #[oai(path = "/libraries/:id", method = "get", operation_id = "getLibrary")]
    async fn get(&self, caller: Caller, id: Path<Text<LibraryId>>) -> Result<Found<LibraryBody>, GetProblem> {
        Ok(caller.media(&self.0).library(id.0.0).await?.into())
    }

    /// Rename a library
    #[oai(path = "/libraries/:id", method = "patch", operation_id = "renameLibrary")]
    async fn rename(
        &self,
        caller: Caller,
        id: Path<Text<LibraryId>>,
        /// Only when this is the present `ETag`.
        #[oai(name = "If-Match")]
        if_match: IfMatch,
        body: Json<LibraryChangeBody>,
    ) -> Result<Found<LibraryBody>, RenameProblem> {
        Ok(caller.media(&self.0).rename_library(id.0.0, &body.0.name.0, if_match.0).await?.into())
    }

    /// Delete an empty library
    #[oai(path = "/libraries/:id", method = "delete", operation_id = "deleteLibrary")]
    async fn delete(&self, caller: Caller, id: Path<Text<LibraryId>>) -> Result<Deleted, DeleteProblem> {
        caller.media(&self.0).delete_library(id.0.0).await?;
        Ok(Deleted::Done)
    }

    /// An asset of a library that has exactly these bytes
    ///
    /// To find out before an upload whether it is needed. What is in the trash does not count.
    #[oai(path = "/libraries/:id/originals/:sha256", method = "get", operation_id = "findOriginal")]
    async fn find_original(
        &self,
        caller: Caller,
        id: Path<Text<LibraryId>>,
        /// SHA-256 of the bytes, in hexadecimal digits.
        sha256: Path<Text<Sha256>>,
        /// How many bytes they are.
        #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
        size: Query<u64>,
    ) -> Result<Json<AssetBody>, GetProblem> {
        let found = caller.media(&self.0).find_original(id.0.0, &sha256.0.0, size.0).await?;
        let asset = found.ok_or_else(|| Error::not_found("asset", sha256.0.0))?;
        Ok(Json(asset.into()))
    }
}
