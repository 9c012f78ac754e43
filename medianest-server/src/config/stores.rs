use super::{Secret, check::absolute, wrong};
use medianest_core::{BlobKey, Result, engine::Delivery};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A store of media. Which keys count depends on its kind.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `local`, `s3`, `gcs` or `azure`.
    pub kind: StoreKind,
    /// How bytes get to who asked for them: `proxy`, through this server, or `redirect`, from the store
    /// itself by a URL that is good for 15 minutes at most (`s3` and `gcs`).
    pub delivery: Delivery,
    /// `local`: the folder; for the store called `default` it may be left out: `storage.media_dir`.
    pub dir: Option<PathBuf>,
    /// The bucket; the container of `azure`. It has to be there.
    pub bucket: Option<String>,
    /// A folder in the bucket.
    pub prefix: Option<String>,
    /// `s3`: the address of the store; by default Amazon's.
    pub endpoint: Option<String>,
    /// `s3`: the region; by default `us-east-1`.
    pub region: Option<String>,
    /// `s3`: whether the bucket is in the path of requests instead of in their host; by default where an
    /// endpoint is given.
    pub path_style: Option<bool>,
    /// `s3`: whether the store keeps the SHA-256 of objects and parts; by default it does.
    pub checksums: Option<bool>,
    /// `s3`: a file with the certificates of those who may vouch for the store beside those whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// `s3`: the id of the key. Without one, what the process finds around it is used.
    pub access_key_id: Option<String>,
    /// `azure`: the storage account.
    pub account: Option<String>,
    /// `s3` and `azure`: the secret key.
    pub secret_key: Option<Secret>,
    /// A file that holds the secret key, instead.
    pub secret_key_file: Option<PathBuf>,
    /// `gcs`: the file with the key of the service account.
    pub service_account_file: Option<PathBuf>,
    /// A second store that keeps a copy of everything; see `medianest store heal`.
    pub mirror: Option<Box<Store>>,
}

/// What kind of store it is.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// Files in a folder.
    #[default]
    Local,
    /// A bucket of Amazon S3, or of anybody who speaks the same.
    S3,
    /// A bucket of Google Cloud Storage.
    Gcs,
    /// A container of Azure Blob Storage.
    Azure,
}

impl Store {
    /// The folders of this machine that it and its mirror are in.
    pub(crate) fn dirs(&self) -> Vec<PathBuf> {
        let own = self.dir.clone().filter(|_| self.kind == StoreKind::Local);
        own.into_iter().chain(self.mirror.iter().flat_map(|mirror| mirror.dirs())).collect()
    }

    /// Whether what is in one store is, by its key or another, in the other too: then what is deleted in one
    /// would be gone from both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let outer = match (self.place(), other.place()) {
            (one, two) if one.0 != two.0 => return false,
            (one, two) => (one.1, two.1),
        };
        let inner = match (outer.1.strip_prefix(&outer.0), outer.0.strip_prefix(&outer.1)) {
            (Ok(inner), _) | (_, Ok(inner)) => inner,
            _ => return false,
        };
        // Keys begin with one of these.
        inner.iter().next().is_none_or(|first| first == "o" || first == "r")
    }

    /// What it is a folder of, and which.
    fn place(&self) -> ([Option<&str>; 4], PathBuf) {
        let kind = match self.kind {
            StoreKind::Local => return ([None; 4], self.dir.clone().unwrap_or_default()),
            StoreKind::S3 => "s3",
            StoreKind::Gcs => "gcs",
            StoreKind::Azure => "azure",
        };
        let of = [Some(kind), self.endpoint.as_deref(), self.account.as_deref(), self.bucket.as_deref()];
        (of, PathBuf::from(self.prefix.as_deref().unwrap_or_default()))
    }

    /// Checks what the types do not.
    pub(super) fn check(&self, name: &str) -> Result<()> {
        let key = |key: &str| format!("stores.{name}.{key}");
        absolute(&key("dir"), self.dir.as_deref())?;
        if self.kind == StoreKind::Local && self.dir.is_none() {
            return wrong(&key("dir"), "is missing; name the folder");
        }
        absolute(&key("ca_file"), self.ca_file.as_deref())?;
        absolute(&key("secret_key_file"), self.secret_key_file.as_deref())?;
        absolute(&key("service_account_file"), self.service_account_file.as_deref())?;
        if self.kind != StoreKind::Local && self.bucket.as_deref().unwrap_or_default().is_empty() {
            return wrong(&key("bucket"), "is missing; name the bucket");
        }
        if self.kind == StoreKind::Azure && self.account.is_none() {
            return wrong(&key("account"), "is missing; name the storage account");
        }
        if self.secret_key.is_some() && self.secret_key_file.is_some() {
            return wrong(&key("secret_key"), "and secret_key_file exclude each other; remove one");
        }
        if self.kind == StoreKind::S3
            && self.access_key_id.is_some() != (self.secret_key.is_some() || self.secret_key_file.is_some())
        {
            return wrong(&key("access_key_id"), "and secret_key_file belong together; give both or none");
        }
        if self.delivery == Delivery::Redirect && !matches!(self.kind, StoreKind::S3 | StoreKind::Gcs) {
            return wrong(&key("delivery"), "must be proxy: this kind of store gives out no URLs");
        }
        if let Some(mirror) = &self.mirror {
            if self.delivery == Delivery::Redirect || mirror.delivery == Delivery::Redirect {
                return wrong(&key("delivery"), "must be proxy: a store with a mirror gives out no URLs");
            }
            if mirror.mirror.is_some() {
                return wrong(&key("mirror.mirror"), "is one too many; a store has one mirror");
            }
            mirror.check(&format!("{name}.mirror"))?;
        }
        match self.prefix() {
            Ok(_) => Ok(()),
            Err(_) => wrong(&key("prefix"), "is a folder: a-z 0-9 - _ . and / between, none at the ends"),
        }
    }

    /// The folder in the bucket.
    ///
    /// # Errors
    /// `invalid_blob_key`.
    pub fn prefix(&self) -> Result<Option<BlobKey>> {
        self.prefix.as_deref().filter(|prefix| !prefix.is_empty()).map(BlobKey::new).transpose()
    }

    /// The secret key.
    ///
    /// # Errors
    /// `configuration` when the file cannot be read.
    pub fn secret_key(&self) -> Result<Option<Secret>> {
        match (&self.secret_key, &self.secret_key_file) {
            (Some(key), _) => Ok(Some(key.clone())),
            (None, Some(file)) => Secret::read(file, "stores.….secret_key_file").map(Some),
            (None, None) => Ok(None),
        }
    }
}
