use super::{
    Group, expected_version,
    model::{AssetBody, LibraryBody, LibraryChangeBody, PageBody, Text, version_tag},
    page,
};
use crate::{State, caller::Caller, problem::problems};
use medianest_core::{Error, Library, LibraryId, Principal, Result as CoreResult, Sha256, engine::Media};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
    payload::Json,
};
use sha2::{Digest, Sha256 as Sha256Hasher};

pub(crate) struct LibrariesApi(pub(super) State);

#[derive(ApiResponse)]
enum Created {
    /// The library was added.
    #[oai(status = 201)]
    Created(
        Json<LibraryBody>,
        /// Names this version of the library.
        #[oai(header = "ETag")]
        String,
        /// Where the library is.
        #[oai(header = "Location")]
        String,
    ),
    /// An earlier request with the same idempotency key added it.
    #[oai(status = 200)]
    Repeated(
        Json<LibraryBody>,
        /// Names this version of the library.
        #[oai(header = "ETag")]
        String,
        /// Where the library is.
        #[oai(header = "Location")]
        String,
    ),
}

#[derive(ApiResponse)]
enum Found {
    /// The library.
    #[oai(status = 200)]
    Ok(
        Json<LibraryBody>,
        /// Names this version of the library.
        #[oai(header = "ETag")]
        String,
    ),
}

#[derive(ApiResponse)]
enum Deleted {
    /// The library is gone.
    #[oai(status = 204)]
    Done,
}

impl From<Library> for Found {
    fn from(library: Library) -> Self {
        let tag = version_tag(library.version);
        Self::Ok(Json(library.into()), tag)
    }
}

problems! {
    ListProblem: 401 403;
    CreateProblem: 401 403 409 415;
    GetProblem: 401 403 404;
    RenameProblem: 401 403 404 412 415;
    DeleteProblem: 401 403 404 409;
}

#[OpenApi(tag = "Group::Libraries")]
impl LibrariesApi {
    /// Visible libraries by name
    #[oai(path = "/libraries", method = "get", operation_id = "listLibraries")]
    async fn list(
        &self,
        caller: Caller,
        /// Rows at most, 1 to 200.
        limit: Query<Option<u32>>,
        /// Where the page starts, as a previous page said.
        cursor: Query<Option<String>>,
    ) -> Result<Json<PageBody<LibraryBody>>, ListProblem> {
        let libraries = caller.media(&self.0).libraries(&page(limit.0, cursor.0)?).await?;
        Ok(Json(PageBody::of(libraries)))
    }

    /// Add a library, owned by the caller
    #[oai(path = "/libraries", method = "post", operation_id = "createLibrary")]
    async fn create(
        &self,
        caller: Caller,
        /// Makes a repeated request give the same library; 1 to 255 characters.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<String>>,
        body: Json<LibraryChangeBody>,
    ) -> Result<Created, CreateProblem> {
        let media = caller.media(&self.0);
        let (library, created) = match idempotency_key.0 {
            None => (media.create_library(&body.0.name).await?, true),
            Some(key) => create_once(&media, &key, &body.0.name).await?,
        };
        let (tag, location) = (version_tag(library.version), format!("/api/v1/libraries/{}", library.id));
        let library = Json(library.into());
        Ok(match created {
            true => Created::Created(library, tag, location),
            false => Created::Repeated(library, tag, location),
        })
    }

    /// A library
    #[oai(path = "/libraries/:id", method = "get", operation_id = "getLibrary")]
    async fn get(&self, caller: Caller, id: Path<Text<LibraryId>>) -> Result<Found, GetProblem> {
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
        if_match: Header<Option<String>>,
        body: Json<LibraryChangeBody>,
    ) -> Result<Found, RenameProblem> {
        let expected = expected_version(if_match.0.as_deref())?;
        Ok(caller.media(&self.0).rename_library(id.0.0, &body.0.name, expected).await?.into())
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
        size: Query<u64>,
    ) -> Result<Json<AssetBody>, GetProblem> {
        let found = caller.media(&self.0).find_original(id.0.0, &sha256.0.0, size.0).await?;
        let asset = found.ok_or_else(|| Error::not_found("asset", sha256.0.0))?;
        Ok(Json(asset.into()))
    }
}

/// Adds a library under an id that follows from the caller and the key, so that a repetition meets it.
async fn create_once(media: &Media, key: &str, name: &str) -> CoreResult<(Library, bool)> {
    if key.is_empty() || key.len() > 255 {
        return Err(Error::invalid("invalid_idempotency_key", "an idempotency key has 1 to 255 bytes"));
    }
    let Principal { tenant, subject, .. } = media.principal();
    let digest = Sha256Hasher::new()
        .chain_update(tenant.as_uuid().as_bytes())
        .chain_update(subject.len().to_be_bytes())
        .chain_update(subject)
        .chain_update(key)
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    let id = LibraryId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid());
    match media.create_library_with_id(id, name).await {
        Ok(library) => Ok((library, true)),
        Err(error) if error.code() == "library_exists" => {
            let library = media.library(id).await?;
            if library.name != name.trim() {
                let message = "this idempotency key came with another name";
                return Err(Error::conflict("idempotency_key_reused", message));
            }
            Ok((library, false))
        }
        Err(error) => Err(error),
    }
}
