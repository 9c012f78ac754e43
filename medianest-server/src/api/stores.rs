use super::{
    Group,
    model::{LibraryStoreBody, LibraryStoreChangeBody, Text},
};
use crate::{State, caller::Caller, problem::problems};
use medianest_core::LibraryId;
use poem_openapi::{OpenApi, param::Path, payload::Json};

pub(crate) struct StoresApi(pub(super) State);

problems! {
    GetProblem: 401 403 404;
    SetProblem: 401 403 404 408 409 413 415;
}

/// For administrators.
#[OpenApi(tag = "Group::Libraries")]
impl StoresApi {
    /// Where the media of a library is kept
    ///
    /// And how far it has come there, after the library was given another store.
    #[oai(path = "/libraries/:id/store", method = "get", operation_id = "getLibraryStore")]
    async fn get(
        &self,
        caller: Caller,
        id: Path<Text<LibraryId>>,
    ) -> Result<Json<LibraryStoreBody>, GetProblem> {
        Ok(Json(caller.media(&self.0).library_store(id.0.0).await?.into()))
    }

    /// Give a library another store
    ///
    /// What comes in goes there at once; a job moves what is there already, which can be used all the time.
    /// Repeated, a job looks again for what could not be moved.
    #[oai(path = "/libraries/:id/store", method = "put", operation_id = "setLibraryStore")]
    async fn set(
        &self,
        caller: Caller,
        id: Path<Text<LibraryId>>,
        body: Json<LibraryStoreChangeBody>,
    ) -> Result<Json<LibraryStoreBody>, SetProblem> {
        Ok(Json(caller.media(&self.0).move_library(id.0.0, &body.0.store.0).await?.into()))
    }
}
