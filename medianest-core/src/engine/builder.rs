use super::{
    Delivery, Engine, EngineOptions, Inner, MembershipAuthorizer, Store, UrlKey, UrlKeys, endings::Endings,
    stores::Stores, turns::Turns,
};
use crate::{
    Authorizer, BlobStore, Cache, CatalogDispatcher, Clock, Dispatcher, Error, EventBus, MediaProcessor,
    MemoryBus, MemoryCache, Recipe, Result, StoreName, SystemClock, catalog::Catalog,
};
use std::sync::Arc;

/// A part of the engine, by value or already shared in an [`Arc`].
pub trait IntoShared<T: ?Sized> {
    /// The part, shared.
    fn into_shared(self) -> Arc<T>;
}

macro_rules! shared {
    ($($part:ident),+) => {$(
        impl<T: $part> IntoShared<dyn $part> for T {
            fn into_shared(self) -> Arc<dyn $part> {
                Arc::new(self)
            }
        }

        impl IntoShared<dyn $part> for Arc<dyn $part> {
            fn into_shared(self) -> Arc<dyn $part> {
                self
            }
        }
    )+};
}

shared!(Catalog, BlobStore, MediaProcessor, Authorizer, EventBus, Dispatcher, Cache, Clock);

/// Bytes that the cache of an engine takes at most when nothing else is said.
const CACHED: usize = 16 << 20;

/// Puts an engine together; see [`Engine::builder`]. Catalog, blobs and processor are required.
#[derive(Debug, Default)]
#[must_use]
pub struct EngineBuilder {
    catalog: Option<Arc<dyn Catalog>>,
    blobs: Option<Arc<dyn BlobStore>>,
    delivery: Delivery,
    stores: Stores,
    processor: Option<Arc<dyn MediaProcessor>>,
    authorizer: Option<Arc<dyn Authorizer>>,
    bus: Option<Arc<dyn EventBus>>,
    dispatcher: Option<Arc<dyn Dispatcher>>,
    cache: Option<Arc<dyn Cache>>,
    clock: Option<Arc<dyn Clock>>,
    url_keys: Vec<UrlKey>,
    recipe: Option<Recipe>,
    options: EngineOptions,
}

impl EngineBuilder {
    /// Where rows live. Required; the engine never migrates it.
    pub fn catalog(mut self, catalog: impl IntoShared<dyn Catalog>) -> Self {
        self.catalog = Some(catalog.into_shared());
        self
    }

    /// Where bytes live: the store called `default`. Required.
    pub fn blobs(mut self, blobs: impl IntoShared<dyn BlobStore>) -> Self {
        self.blobs = Some(blobs.into_shared());
        self
    }

    /// How bytes get from that store to who asked for them; by default through us.
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Another store, that libraries may name. Two may be two folders of one bucket, of which one redirects
    /// and the other does not. All processes on a catalog need the same; under the name `default` it is as
    /// [`blobs`](Self::blobs) and [`delivery`](Self::delivery).
    pub fn store(
        mut self,
        name: StoreName,
        blobs: impl IntoShared<dyn BlobStore>,
        delivery: Delivery,
    ) -> Self {
        if name == StoreName::DEFAULT {
            return self.blobs(blobs).delivery(delivery);
        }
        let store = Store::new(name.clone(), blobs.into_shared(), delivery);
        self.stores.insert(name, store);
        self
    }

    /// What understands and renders. Required.
    pub fn processor(mut self, processor: impl IntoShared<dyn MediaProcessor>) -> Self {
        self.processor = Some(processor.into_shared());
        self
    }

    /// Who may do and see what; by default [`MembershipAuthorizer`].
    pub fn authorizer(mut self, authorizer: impl IntoShared<dyn Authorizer>) -> Self {
        self.authorizer = Some(authorizer.into_shared());
        self
    }

    /// What wakes up those who wait; by default only within this process.
    pub fn bus(mut self, bus: impl IntoShared<dyn EventBus>) -> Self {
        self.bus = Some(bus.into_shared());
        self
    }

    /// What hands out jobs to workers; by default the catalog.
    pub fn dispatcher(mut self, dispatcher: impl IntoShared<dyn Dispatcher>) -> Self {
        self.dispatcher = Some(dispatcher.into_shared());
        self
    }

    /// What keeps near at hand what never changes; by default 16 MiB of this process's memory.
    pub fn cache(mut self, cache: impl IntoShared<dyn Cache>) -> Self {
        self.cache = Some(cache.into_shared());
        self
    }

    /// Where domain time comes from; by default the system's clock.
    pub fn clock(mut self, clock: impl IntoShared<dyn Clock>) -> Self {
        self.clock = Some(clock.into_shared());
        self
    }

    /// A key that signs URLs. The first one signs; all verify. Without any, a random one is made, and
    /// signed URLs end with the process.
    pub fn url_key(mut self, key: UrlKey) -> Self {
        self.url_keys.push(key);
        self
    }

    /// The recipe that new libraries begin with; by default [`Recipe::standard`].
    pub fn recipe(mut self, recipe: Recipe) -> Self {
        self.recipe = Some(recipe);
        self
    }

    /// Retention, leases, limits.
    pub fn options(mut self, options: EngineOptions) -> Self {
        self.options = options;
        self
    }

    /// The engine.
    ///
    /// # Errors
    /// `engine_incomplete` when a required part is missing; `invalid_option`; `invalid_variant`.
    pub fn build(self) -> Result<Engine> {
        let missing = |part: &'static str| {
            Error::invalid("engine_incomplete", "a required part of the engine is missing").with("part", part)
        };
        self.options.check()?;
        let recipe = self.recipe.unwrap_or_else(Recipe::standard);
        recipe.check()?;
        let catalog = self.catalog.ok_or_else(|| missing("catalog"))?;
        let blobs = self.blobs.ok_or_else(|| missing("blobs"))?;
        let mut stores = self.stores;
        stores.insert(StoreName::DEFAULT, Store::new(StoreName::DEFAULT, blobs, self.delivery));
        let authorizer =
            self.authorizer.unwrap_or_else(|| Arc::new(MembershipAuthorizer::new(Arc::clone(&catalog))));
        Ok(Engine(Arc::new(Inner {
            authorizer,
            catalog,
            stores,
            processor: self.processor.ok_or_else(|| missing("processor"))?,
            bus: self.bus.unwrap_or_else(|| Arc::new(MemoryBus::new())),
            dispatcher: self.dispatcher.unwrap_or_else(|| Arc::new(CatalogDispatcher)),
            cache: self.cache.unwrap_or_else(|| Arc::new(MemoryCache::new(CACHED))),
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock)),
            urls: UrlKeys::new(self.url_keys),
            recipe,
            options: self.options,
            endings: Endings::default(),
            turns: Turns::default(),
        })))
    }
}
