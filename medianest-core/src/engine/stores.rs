use super::{Delivery, Engine};
use crate::{BlobStore, Error, Presign, Result, StoreName};
use std::{collections::BTreeMap, sync::Arc};

/// A store of media by its name, and how bytes get from it to who asked for them.
#[derive(Clone, Debug)]
pub struct Store {
    name: StoreName,
    blobs: Arc<dyn BlobStore>,
    delivery: Delivery,
}

impl Store {
    pub(super) fn new(name: StoreName, blobs: Arc<dyn BlobStore>, delivery: Delivery) -> Self {
        Self { name, blobs, delivery }
    }

    /// What rows know it by.
    pub fn name(&self) -> &StoreName {
        &self.name
    }

    /// The bytes.
    pub fn blobs(&self) -> &Arc<dyn BlobStore> {
        &self.blobs
    }

    /// How bytes get from it to who asked for them.
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// What gives out the URLs that people are sent to.
    pub(super) fn redirects(&self) -> Option<&dyn Presign> {
        self.blobs.capabilities().presign.filter(|_| self.delivery == Delivery::Redirect)
    }
}

/// The stores that a process knows.
pub(super) type Stores = BTreeMap<StoreName, Store>;

impl Engine {
    /// The stores that this process knows, by name; there is always the default one.
    pub fn stores(&self) -> impl Iterator<Item = &Store> {
        self.0.stores.values()
    }

    /// The store that a row names.
    ///
    /// # Errors
    /// `store_unknown` (Unavailable) when this process does not know it: the bytes may be there all the same.
    pub fn store(&self, name: &StoreName) -> Result<&Store> {
        self.0.stores.get(name).ok_or_else(|| {
            let message = "media is in a store that this process does not know; configure it under this name";
            Error::unavailable("store_unknown", message).with("store", name)
        })
    }

    /// The origins that content is delivered from beside ours: pages that show it have to allow them.
    pub fn delivery_origins(&self) -> Vec<String> {
        let mut origins: Vec<_> =
            self.stores().filter_map(|store| Some(store.redirects()?.origin().to_owned())).collect();
        origins.sort_unstable();
        origins.dedup();
        origins
    }
}
