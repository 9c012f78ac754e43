//! The engine: it takes media in, has it understood and rendered, finds it again, delivers it, and
//! tells everybody about it; over any [`Catalog`], [`BlobStore`](crate::BlobStore) and [`MediaProcessor`].
//!
//! What somebody does goes through [`Engine::acting_as`], which asks the [`Authorizer`] first. The
//! work is done by a [`Worker`], in this process or in another on the same catalog and blobs.

mod access;
mod actions;
mod attempt;
mod builder;
mod delivery;
mod direct;
mod endings;
mod events;
mod gather;
mod held;
mod housekeeping;
mod ingest;
mod media;
mod mover;
mod options;
mod parts;
mod perform;
mod plan;
mod playlist;
mod sink;
mod source;
mod stores;
mod trash;
mod turns;
mod url;
mod worker;

pub use access::MembershipAuthorizer;
pub use builder::{EngineBuilder, IntoShared};
#[cfg(feature = "http")]
pub(crate) use delivery::REDIRECT_FOR;
pub use delivery::{Content, ContentBody, Delivery};
pub use direct::{DirectUpload, NewDirectUpload};
pub use events::{Consumer, EngineEvents, EventFeed};
pub use gather::gather;
pub use housekeeping::{Housekeeping, Reclaimed};
pub use ingest::Upload;
pub use media::Media;
pub use options::EngineOptions;
pub use plan::Applied;
pub use stores::Store;
pub use url::{MediaPath, MediaUrl, UrlClaims, UrlKey, UrlKeys, UrlScope};
pub use worker::Worker;

use crate::{
    Authorizer, Cache, Clock, Dispatcher, EventBus, MediaProcessor, Principal, Recipe, TenantId, Timestamp,
    catalog::Catalog,
};
use std::sync::Arc;

/// The engine. Cheap to clone: all clones are the same engine.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    catalog: Arc<dyn Catalog>,
    stores: stores::Stores,
    processor: Arc<dyn MediaProcessor>,
    authorizer: Arc<dyn Authorizer>,
    bus: Arc<dyn EventBus>,
    dispatcher: Arc<dyn Dispatcher>,
    cache: Arc<dyn Cache>,
    clock: Arc<dyn Clock>,
    urls: UrlKeys,
    recipe: Recipe,
    options: EngineOptions,
    endings: endings::Endings,
    turns: turns::Turns,
}

impl Engine {
    /// Puts an engine together.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// What this principal may do and see.
    pub fn acting_as(&self, principal: Principal) -> Media {
        Media::new(self.clone(), principal)
    }

    /// Everything in the default tenant.
    pub fn as_system(&self) -> Media {
        self.acting_as(Principal::system(TenantId::DEFAULT))
    }

    /// Makes the renditions; runs until it is told to stop.
    pub fn worker(&self) -> Worker {
        Worker::new(self.clone())
    }

    /// What must be done now and then by some process: numbering events, taking jobs from workers that
    /// died, reclaiming what nobody needs. Every [`Worker`] does it; a process without one runs this.
    pub fn housekeeping(&self) -> Housekeeping {
        Housekeeping::new(self.clone())
    }

    /// The event log, of all tenants: for the program that embeds the engine.
    pub fn events(&self) -> EngineEvents {
        EngineEvents::new(self.clone())
    }

    /// The rows.
    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.0.catalog
    }

    /// What understands and renders.
    pub fn processor(&self) -> &Arc<dyn MediaProcessor> {
        &self.0.processor
    }

    /// What wakes up those who wait.
    pub fn bus(&self) -> &Arc<dyn EventBus> {
        &self.0.bus
    }

    /// What hands out jobs.
    pub fn dispatcher(&self) -> &Arc<dyn Dispatcher> {
        &self.0.dispatcher
    }

    /// What is near at hand.
    pub fn cache(&self) -> &Arc<dyn Cache> {
        &self.0.cache
    }

    /// The keys that sign URLs.
    pub fn url_keys(&self) -> &UrlKeys {
        &self.0.urls
    }

    /// Retention, leases, limits.
    pub fn options(&self) -> &EngineOptions {
        &self.0.options
    }

    /// The current moment by the engine's clock.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The recipe that new libraries begin with.
    pub fn recipe(&self) -> &Recipe {
        &self.0.recipe
    }

    fn authorizer(&self) -> &dyn Authorizer {
        &*self.0.authorizer
    }
}
