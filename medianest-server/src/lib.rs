//! The MediaNest server: an OpenAPI contract over the [engine](medianest_core::Engine).
//!
//! The program `medianest` puts it together with every backend and codec. To mount the routes in a
//! poem application of your own, with users of your own, leave the default features off:
//!
//! ```
//! use medianest_core::{Engine, Principal, Result, auth::{Authenticator, Identity}};
//! use medianest_server::{State, api_routes};
//! use std::sync::Arc;
//!
//! #[derive(Debug)]
//! struct OurUsers;
//!
//! #[async_trait::async_trait]
//! impl Authenticator for OurUsers {
//!     async fn bearer(&self, token: &str) -> Result<Identity> {
//!         // Look the token up where your users are.
//!         Ok(Principal::user(token).into())
//!     }
//! }
//!
//! fn mount(engine: Engine) -> poem::Route {
//!     poem::Route::new().nest_no_strip("/", api_routes(State::new(engine, Arc::new(OurUsers))))
//! }
//! ```
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | (none) | the routes, over an engine that you compose |
//! | `standalone` (default) | the program: commands, configuration, every backend and codec |

mod api;
mod body;
mod caller;
#[cfg(feature = "standalone")]
mod cli;
#[cfg(feature = "standalone")]
mod composition;
#[cfg(feature = "standalone")]
pub mod config;
mod csrf;
#[cfg(feature = "standalone")]
mod data_dir;
mod edge;
mod forward;
mod health;
#[cfg(feature = "standalone")]
mod metrics;
mod problem;
mod rates;
mod routes;
#[cfg(feature = "standalone")]
mod serving;
mod site;
mod state;
#[cfg(feature = "standalone")]
mod system;

#[cfg(feature = "standalone")]
pub use cli::run;
pub use problem::{FieldError, Problem};
pub use rates::{Network, Rates};
pub use routes::{api_routes, openapi_document, routes};
pub use state::{Settings, State};
