//! The routes of `/api/v1`, one file per group. A handler extracts, calls the engine or the accounts
//! once, and maps the answer.

mod assets;
mod auth;
mod bytes;
mod content;
mod events;
mod jobs;
mod libraries;
mod me;
mod members;
mod model;
mod recipes;
mod search;
mod sessions;
mod upload;
mod users;

use crate::State;
use medianest_core::{Error, ErrorKind, PageRequest, Result, auth::Accounts};
use poem::{endpoint::BoxEndpoint, http::Method};
use poem_openapi::{
    OpenApi, OpenApiService, Tags,
    registry::{MetaApi, MetaPath, Registry},
};
use std::{collections::HashMap, sync::Arc};

#[derive(Tags)]
enum Group {
    /// Sign in and out.
    Auth,
    /// Oneself, and the users of the server.
    People,
    /// Libraries and their members.
    Libraries,
    /// What people put in.
    Assets,
    /// Originals, renditions and HLS.
    Content,
    /// Finding assets by words.
    Search,
    /// Jobs and queues.
    Work,
    /// What happens, as it happens.
    Events,
}

pub(crate) type Api = (
    (auth::AuthApi, sessions::SessionsApi, me::MeApi, users::UsersApi),
    (libraries::LibrariesApi, members::MembersApi, recipes::RecipesApi),
    (assets::AssetsApi, upload::UploadApi, content::ContentApi, search::SearchApi),
    (jobs::JobsApi, events::EventsApi),
);

/// The service of `/api/v1`.
pub(crate) fn service(state: &State) -> OpenApiService<Api, ()> {
    let api = (
        (
            auth::AuthApi(state.clone()),
            sessions::SessionsApi(state.clone()),
            me::MeApi(state.clone()),
            users::UsersApi(state.clone()),
        ),
        (
            libraries::LibrariesApi(state.clone()),
            members::MembersApi(state.clone()),
            recipes::RecipesApi(state.clone()),
        ),
        (
            assets::AssetsApi(state.clone()),
            upload::UploadApi(state.clone()),
            content::ContentApi::new(state),
            search::SearchApi(state.clone()),
        ),
        (jobs::JobsApi(state.clone()), events::EventsApi::new(state)),
    );
    named(api)
}

/// The same service to be described, without state.
pub(crate) fn described() -> OpenApiService<Described, ()> {
    named(Described)
}

fn named<T>(api: T) -> OpenApiService<T, ()> {
    OpenApiService::new(api, "MediaNest", env!("CARGO_PKG_VERSION"))
        .description("Media management: ingest, understand, render, find, deliver.")
        .server("/api/v1")
}

/// The shape of the API without anything behind it.
pub(crate) struct Described;

impl OpenApi for Described {
    /// With each path once, though several groups have operations at it.
    fn meta() -> Vec<MetaApi> {
        let mut paths: Vec<MetaPath> = Vec::new();
        for path in Api::meta().into_iter().flat_map(|api| api.paths) {
            match paths.iter_mut().find(|known| known.path == path.path) {
                Some(known) => known.operations.extend(path.operations),
                None => paths.push(path),
            }
        }
        vec![MetaApi { paths }]
    }

    fn register(registry: &mut Registry) {
        Api::register(registry);
    }

    fn add_routes(self, _: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {}
}

/// The accounts, where users are ours.
fn accounts(state: &State) -> Result<&Arc<Accounts>> {
    state.accounts.as_ref().ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            "no_accounts",
            "users are kept elsewhere; this server signs nobody in",
        )
    })
}

fn page(limit: Option<u32>, cursor: Option<String>) -> Result<PageRequest> {
    PageRequest::new(limit, cursor)
}

/// The version that `If-Match` names; None without the header, or with `*`.
fn expected_version(if_match: Option<&str>) -> Result<Option<i64>> {
    let Some(tag) = if_match.map(str::trim).filter(|tag| *tag != "*") else { return Ok(None) };
    let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')?.parse().ok());
    // A tag that we never gave out is one that no longer matches.
    version.map(Some).ok_or_else(|| {
        Error::new(ErrorKind::PreconditionFailed, "version_mismatch", "this is not the present entity tag")
    })
}

#[cfg(test)]
mod tests {
    use super::expected_version;

    #[test]
    fn if_match_names_a_version() {
        assert_eq!(expected_version(None).unwrap(), None);
        assert_eq!(expected_version(Some("*")).unwrap(), None);
        assert_eq!(expected_version(Some("\"7\"")).unwrap(), Some(7));
        for stale in ["7", "\"x\"", "W/\"7\"", "\"1\", \"2\""] {
            assert_eq!(expected_version(Some(stale)).unwrap_err().code(), "version_mismatch");
        }
    }
}
