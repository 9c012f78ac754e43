//! The ordered event log.

use crate::{Error, EventId, LibraryId, Result, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Something that happened, about to be recorded by the command that makes it happen.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Its id.
    pub id: EventId,
    /// The world it happened in.
    pub tenant: TenantId,
    /// What happened (`asset.ready`); see [`event_kinds`](crate::event_kinds) for the list.
    pub kind: &'static str,
    /// Who sees it.
    pub audience: Audience,
    /// Details, an object.
    pub data: serde_json::Value,
    /// When.
    pub at: Timestamp,
}

impl NewEvent {
    /// An event about something in a library.
    pub fn in_library(
        tenant: TenantId,
        library: LibraryId,
        kind: &'static str,
        at: Timestamp,
        data: serde_json::Value,
    ) -> Self {
        Self { id: EventId::new(), tenant, kind, audience: Audience::Library(library), data, at }
    }

    /// An event about a subject of the tenant.
    pub fn about_subject(
        tenant: TenantId,
        subject: impl Into<String>,
        kind: &'static str,
        at: Timestamp,
        data: serde_json::Value,
    ) -> Self {
        Self { id: EventId::new(), tenant, kind, audience: Audience::Subject(subject.into()), data, at }
    }

    /// An event for those who operate the tenant.
    pub fn for_operators(
        tenant: TenantId,
        kind: &'static str,
        at: Timestamp,
        data: serde_json::Value,
    ) -> Self {
        Self { id: EventId::new(), tenant, kind, audience: Audience::Operators, data, at }
    }
}

/// Who sees an event. Whoever sees the whole tenant sees all of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Audience {
    /// Who sees this library.
    Library(LibraryId),
    /// This subject.
    Subject(String),
    /// Who sees this library, and this subject, who perhaps no longer does.
    Member(LibraryId, String),
    /// Only those who see the whole tenant.
    Operators,
}

/// The names of events.
pub mod kinds {
    macro_rules! kinds {
        ($($(#[$doc:meta])* $name:ident = $text:literal;)+) => {
            $($(#[$doc])* pub const $name: &str = $text;)+
            /// All of them.
            pub const ALL: &[&str] = &[$($text),+];
        };
    }
    kinds! {
        /// An asset was stored.
        ASSET_CREATED = "asset.created";
        /// The facts of an asset were read.
        ASSET_UNDERSTOOD = "asset.understood";
        /// The required variants of an asset are there.
        ASSET_READY = "asset.ready";
        /// An asset cannot be processed.
        ASSET_FAILED = "asset.failed";
        /// An asset was set aside as dangerous.
        ASSET_QUARANTINED = "asset.quarantined";
        /// The name of an asset, or the like, changed.
        ASSET_UPDATED = "asset.updated";
        /// An asset was put into the trash.
        ASSET_TRASHED = "asset.trashed";
        /// An asset was taken out of the trash.
        ASSET_RESTORED = "asset.restored";
        /// An asset is gone for good.
        ASSET_DELETED = "asset.deleted";
        /// A rendition is there.
        RENDITION_READY = "rendition.ready";
        /// A rendition cannot be made.
        RENDITION_FAILED = "rendition.failed";
        /// A library was made.
        LIBRARY_CREATED = "library.created";
        /// A library's name, recipe or store changed.
        LIBRARY_UPDATED = "library.updated";
        /// Something of an asset could not be brought to the store of its library.
        ASSET_NOT_MOVED = "asset.not_moved";
        /// The bytes of a library are in the store that it names, but those of which `asset.not_moved` told.
        LIBRARY_MOVED = "library.moved";
        /// A library is gone.
        LIBRARY_DELETED = "library.deleted";
        /// Somebody became a member of a library, or changed role in it.
        MEMBER_ADDED = "member.added";
        /// Somebody is no longer a member of a library.
        MEMBER_REMOVED = "member.removed";
        /// A user was registered.
        USER_REGISTERED = "user.registered";
        /// A user's role changed.
        USER_ROLE_CHANGED = "user.role_changed";
        /// A user was disabled.
        USER_DISABLED = "user.disabled";
        /// A user was enabled again.
        USER_ENABLED = "user.enabled";
        /// A user's password changed.
        USER_PASSWORD_CHANGED = "user.password_changed";
        /// A used refresh token was shown again: the session was ended.
        SESSION_REPLAYED = "session.replayed";
        /// A process started.
        SYSTEM_STARTED = "system.started";
        /// A process is stopping.
        SYSTEM_STOPPING = "system.stopping";
        /// A dependency went away, or came back.
        SYSTEM_HEALTH = "system.health";
    }
}

/// An entry of the event log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its id: the same however often it is delivered.
    pub id: EventId,
    /// Where a reader that has seen it resumes.
    pub cursor: Cursor,
    /// The world it happened in.
    #[serde(skip, default = "default_tenant")]
    pub tenant: TenantId,
    /// What happened.
    pub kind: String,
    /// The library it happened in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub library_id: Option<LibraryId>,
    /// Details, an object.
    pub data: serde_json::Value,
    /// When.
    pub at: Timestamp,
}

fn default_tenant() -> TenantId {
    TenantId::DEFAULT
}

/// A place in the event log: after the event of this position. Written `epoch:position`.
///
/// Who restores a backup begins a new epoch
/// ([`begin_epoch`](crate::catalog::EventLog::begin_epoch)), so that cursors of before are recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The life of the log, from 1.
    pub epoch: u32,
    /// The position of the last event seen; 0 is before the first.
    pub position: u64,
}

impl Cursor {
    /// The error for a cursor of another epoch, or of events that have expired.
    pub fn gone(self) -> Error {
        Error::new(
            crate::ErrorKind::Gone,
            "cursor_expired",
            "this cursor is no longer in the event log; read the current state and go on from its head",
        )
        .with("cursor", self)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.position)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (epoch, position) = text.split_once(':')?;
            let position = position.parse().ok().filter(|position| *position <= i64::MAX as u64)?;
            Some(Self { epoch: epoch.parse().ok().filter(|epoch| *epoch > 0)?, position })
        };
        parse().ok_or_else(|| Error::invalid("invalid_cursor", "an event cursor is written epoch:position"))
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How far the numbering of events is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventBacklog {
    /// Events that nobody can read yet; of more than [`COUNTED`](Self::COUNTED) the others are not counted.
    pub events: u64,
    /// Age of the oldest of them by the backend's clock, in milliseconds. When it happened was told by the clock
    /// of the process that wrote it.
    pub oldest_ms: u64,
}

impl EventBacklog {
    /// The most that are counted.
    pub const COUNTED: u32 = 10_000;
}
