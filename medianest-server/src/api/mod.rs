//! The routes of `/api/v1`, one file per group. A handler extracts, calls the engine or the accounts
//! once, and maps the answer.

mod answer;
mod assets;
mod audit;
mod auth;
mod bytes;
mod content;
mod described;
mod direct;
mod events;
mod headers;
mod jobs;
mod libraries;
mod me;
mod members;
mod model;
mod recipes;
mod repeated;
mod search;
mod sessions;
mod stores;
mod upload;
mod users;
mod written;

pub(crate) use described::{document, page as document_page};

use crate::{State, caller::Caller};
use medianest_core::{Error, ErrorKind, PageRequest, Result, auth::Accounts};
use model::{Limit, PageCursor};
use poem::{Endpoint, EndpointExt, IntoEndpoint, Response};
use poem_openapi::{OpenApiService, Tags};
use std::sync::Arc;

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
    /// Who did what.
    Audit,
}

const DESCRIPTION: &str = "Media management: ingest, understand, render, find, deliver.

What a request says is taken strictly: unknown fields of a body are refused, and so is a parameter that \
comes twice. A field that may be absent may also be null, which means the same. Unknown parameters are ignored.";

pub(crate) type Api = (
    (auth::AuthApi, sessions::SessionsApi, me::MeApi, users::UsersApi),
    (libraries::LibrariesApi, members::MembersApi, recipes::RecipesApi, stores::StoresApi),
    (assets::AssetsApi, upload::UploadApi, direct::DirectApi, content::ContentApi, search::SearchApi),
    (jobs::JobsApi, events::EventsApi, audit::AuditApi),
);

/// The service of `/api/v1`.
pub(crate) fn service(state: &State) -> impl Endpoint<Output = Response> + use<> {
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
            stores::StoresApi(state.clone()),
        ),
        (
            assets::AssetsApi(state.clone()),
            upload::UploadApi(state.clone()),
            direct::DirectApi(state.clone()),
            content::ContentApi::new(state),
            search::SearchApi(state.clone()),
        ),
        (jobs::JobsApi(state.clone()), events::EventsApi::new(state), audit::AuditApi(state.clone())),
    );
    named(api).into_endpoint().before(repeated::refuse_repeated)
}

fn named<T>(api: T) -> OpenApiService<T, ()> {
    OpenApiService::new(api, "MediaNest", env!("CARGO_PKG_VERSION"))
        .description(DESCRIPTION)
        .server("/api/v1")
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

/// The accounts, for a caller who changes something: the audit trail tells from where.
fn accounts_for(state: &State, caller: &Caller) -> Result<Accounts> {
    Ok(accounts(state)?.coming_from(caller.origin().clone()))
}

fn page(limit: Option<Limit>, cursor: Option<PageCursor>) -> Result<PageRequest> {
    PageRequest::new(limit.map(|limit| limit.0), cursor.map(|cursor| cursor.0))
}
