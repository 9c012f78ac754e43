//! Identifiers: UUIDv7 newtypes, so that an id of one thing is never passed for another.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        ///
        /// A UUIDv7 ([RFC 9562](https://www.rfc-editor.org/rfc/rfc9562)): ids made later sort later.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id, from the current time and the operating system's randomness.
            #[expect(clippy::new_without_default, reason = "a default id would be a different one each time")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// Takes over an id that somebody else made.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The id as a plain UUID.
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = crate::Error;

            fn from_str(text: &str) -> crate::Result<Self> {
                Uuid::try_parse(text).map(Self).map_err(|source| {
                    crate::Error::invalid("invalid_id", concat!("not a ", stringify!($name)))
                        .with("value", text)
                        .caused_by(source)
                })
            }
        }
    )+};
}

ids! {
    /// An isolated world in one deployment.
    TenantId,
    /// A set of assets with members.
    LibraryId,
    /// One thing that a user put in.
    AssetId,
    /// Stored immutable bytes.
    BlobId,
    /// The promise to store bytes soon, so that unfinished ones are found.
    IntentId,
    /// What a variant made of an asset.
    RenditionId,
    /// A durable unit of work.
    JobId,
    /// An entry of the event log.
    EventId,
    /// An entry of the audit trail.
    AuditId,
    /// One of our own users.
    UserId,
    /// A sign-in of one of our own users.
    SessionId,
}

impl TenantId {
    /// The one tenant of a single-tenant deployment.
    pub const DEFAULT: Self = Self(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
}
