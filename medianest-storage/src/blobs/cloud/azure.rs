use super::{super::ObjectBlobs, Cloud, Patience, invalid};
use medianest_core::{BlobKey, Result};
use object_store::azure::MicrosoftAzureBuilder;
use std::fmt;

/// Where a container of Azure Blob Storage is, and how it is talked to.
#[derive(Clone)]
#[non_exhaustive]
pub struct AzureOptions {
    /// The storage account.
    pub account: String,
    /// The container; it has to be there.
    pub container: String,
    /// Names are below this folder of the container.
    pub prefix: Option<BlobKey>,
    /// The key of the account. Without one, what the process finds around it is used: `AZURE_…`
    /// variables, a workload identity, the identity of the machine.
    pub access_key: Option<String>,
    /// How long the store is waited for.
    pub patience: Patience,
}

impl AzureOptions {
    /// This container of an account, with what credentials the process finds.
    pub fn new(account: impl Into<String>, container: impl Into<String>) -> Self {
        Self {
            account: account.into(),
            container: container.into(),
            prefix: None,
            access_key: None,
            patience: Patience::default(),
        }
    }
}

impl fmt::Debug for AzureOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureOptions")
            .field("account", &self.account)
            .field("container", &self.container)
            .field("prefix", &self.prefix)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl ObjectBlobs {
    /// Blobs in a container of Azure Blob Storage. Nothing is asked of the store yet. It gives out no
    /// URLs: those it could sign do not say what to serve the bytes as.
    ///
    /// # Errors
    /// `invalid_store` when the options cannot be right.
    pub fn azure(options: AzureOptions) -> Result<Self> {
        let mut builder = match options.access_key {
            Some(key) => MicrosoftAzureBuilder::new().with_access_key(key),
            None => MicrosoftAzureBuilder::from_env(),
        };
        builder = builder
            .with_account(options.account)
            .with_container_name(options.container)
            .with_retry(options.patience.retry())
            .with_client_options(options.patience.client(false));
        let store = builder.build().map_err(invalid)?;
        // Blocks that no list names vanish by themselves after a week.
        Ok(Self::cloud(Cloud::below(store, options.prefix.as_ref(), options.patience)))
    }
}
