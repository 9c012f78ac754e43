//! Libraries, assets and the blobs they stand on.

use crate::{
    AssetId, BlobId, Error, Failure, LibraryId, MediaKind, Result, StoreName, StoredFacts, TenantId,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A named set of assets with members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// Its id.
    pub id: LibraryId,
    /// The world it is in.
    #[serde(skip, default = "default_tenant")]
    pub tenant: TenantId,
    /// Shown name.
    pub name: String,
    /// Where new bytes of it go; see [`move_library`](crate::catalog::StoreCatalog::set_library_store).
    #[serde(default)]
    pub store: StoreName,
    /// Grows with each change; see `If-Match`.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

fn default_tenant() -> TenantId {
    TenantId::DEFAULT
}

/// What a member may do in a library; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// See everything.
    Viewer,
    /// Add assets.
    Contributor,
    /// Change and delete assets.
    Editor,
    /// Change the library, its members and its recipe.
    Owner,
}

impl MemberRole {
    /// All roles, from the weakest to the strongest.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Contributor, Self::Editor, Self::Owner];

    /// The word for it, as in JSON and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Contributor => "contributor",
            Self::Editor => "editor",
            Self::Owner => "owner",
        }
    }

    /// The role of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Somebody who sees a library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The principal's subject.
    pub subject: String,
    /// What they may do.
    pub role: MemberRole,
    /// Since when.
    pub added_at: Timestamp,
}

/// Where an asset stands in its life. `trashed_at` is apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AssetState {
    /// Stored for a host's row that has yet to claim it; expires unless attached.
    Staged,
    /// Stored, being understood and rendered.
    Processing,
    /// The required variants are there. Never regresses when others are rendered again.
    Ready,
    /// Cannot be processed; the original is kept and can be downloaded.
    Failed,
    /// Looks like an attack, or harmed the process that decoded it; never processed again by itself.
    Quarantined,
}

impl AssetState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Staged, Self::Processing, Self::Ready, Self::Failed, Self::Quarantined];

    /// The word for it, as in JSON and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Processing => "processing",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Quarantined => "quarantined",
        }
    }

    /// The state of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether nothing more will happen by itself.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Ready | Self::Failed | Self::Quarantined)
    }
}

/// One thing that a user put in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asset {
    /// Its id.
    pub id: AssetId,
    /// The world it is in.
    #[serde(skip, default = "default_tenant")]
    pub tenant: TenantId,
    /// The library it is in.
    pub library_id: LibraryId,
    /// The subject of who put it in.
    pub owner: String,
    /// Where it stands.
    pub state: AssetState,
    /// Why it is `failed` or `quarantined`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Image, video or audio; None while it is not known, or when it is none of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<MediaKind>,
    /// Shown name, sanitised; see [`FileName`](crate::FileName).
    pub name: String,
    /// The stored original.
    #[serde(skip)]
    pub blob: Blob,
    /// What was [read](StoredFacts::read) from it; None until it is understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<StoredFacts>,
    /// When the thing it shows was taken; else when it was put in. Lists are sorted by it.
    pub taken_at: Timestamp,
    /// The host's row that this asset belongs to (`products/42`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached_to: Option<String>,
    /// When a staged asset goes away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was put into the trash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trashed_at: Option<Timestamp>,
    /// Grows with each change; see `If-Match`.
    pub version: i64,
    /// When it was put in.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Stored immutable bytes of an original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its id.
    pub id: BlobId,
    /// The store that the bytes are in.
    pub store: StoreName,
    /// Where they are in it.
    pub key: BlobKey,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the plaintext.
    pub sha256: Sha256,
    /// The media type by content; `application/octet-stream` when it is none we know.
    pub content_type: String,
}

impl Default for Blob {
    fn default() -> Self {
        Self {
            id: BlobId::from_uuid(uuid::Uuid::nil()),
            store: StoreName::DEFAULT,
            key: BlobKey(String::from("-")),
            size: 0,
            sha256: Sha256([0; 32]),
            content_type: String::from("application/octet-stream"),
        }
    }
}

/// A SHA-256 digest; shows and serialises as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256(pub [u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 64];
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

impl std::str::FromStr for Sha256 {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| Error::invalid("invalid_sha256", "not 64 hexadecimal digits"))?;
        Ok(Self(bytes))
    }
}

/// The key of bytes in a [`BlobStore`](crate::BlobStore): 1 to 512 bytes of `a-z 0-9 - _ . /`, no
/// empty, `.` or `..` segment. We make all keys ourselves; no name from outside is ever part of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey(pub(crate) String);

impl BlobKey {
    /// Checks a key.
    ///
    /// # Errors
    /// `invalid_blob_key` when a rule of the type is broken.
    pub fn new(key: impl Into<String>) -> Result<Self> {
        let key = key.into();
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/');
        let fine = (1..=512).contains(&key.len())
            && key.bytes().all(allowed)
            && key.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
        if fine {
            Ok(Self(key))
        } else {
            Err(Error::invalid("invalid_blob_key", "not a blob key").with("key", key))
        }
    }

    /// A fresh key for an original: spread over 256 folders by the random tail of the id.
    pub fn original(tenant: TenantId, id: BlobId) -> Self {
        let id = id.as_uuid();
        Self(format!("o/{}/{:02x}/{}", tenant.as_uuid().simple(), id.as_bytes()[15], id.simple()))
    }

    /// The folder that all parts of a rendition are under.
    pub fn rendition(tenant: TenantId, id: crate::RenditionId) -> Self {
        let id = id.as_uuid();
        Self(format!("r/{}/{:02x}/{}", tenant.as_uuid().simple(), id.as_bytes()[15], id.simple()))
    }

    /// Whether it is the folder of a rendition, and not the key of bytes.
    #[cfg(feature = "engine")]
    pub(crate) fn is_folder(&self) -> bool {
        self.0.starts_with("r/") && self.0.split('/').count() == 4
    }

    /// Whether it lies in this folder.
    #[cfg(feature = "engine")]
    pub(crate) fn is_below(&self, folder: &Self) -> bool {
        self.0.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The key of a part below the folder of its rendition. The attempt is in it, so that a worker
    /// that lost its lease never writes over what its successor wrote.
    #[must_use]
    pub fn part(&self, ordinal: u32, attempt: u32) -> Self {
        Self(format!("{}/{ordinal}-{attempt}", self.0))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_digest_is_hexadecimal_digits() {
        let digest = "0aF9".repeat(16);
        assert_eq!(digest.parse::<Sha256>().unwrap().to_string(), digest.to_lowercase());
        for bad in ["", &digest[1..], &"+f".repeat(32), &"é".repeat(32)] {
            assert_eq!(bad.parse::<Sha256>().unwrap_err().code(), "invalid_sha256");
        }
    }

    proptest! {
        #[test]
        fn a_key_never_leaves_its_folder(raw in "[a-z0-9./_-]{0,40}") {
            if let Ok(key) = BlobKey::new(raw) {
                prop_assert!(!key.as_str().starts_with('/') && !key.as_str().split('/').any(|s| s == ".."));
            }
        }
    }
}
