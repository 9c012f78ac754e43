//! The audit trail: who did what to whom, when and from where.

use crate::{AuditId, Principal, TenantId, Timestamp};
use serde::Serialize;
use std::net::IpAddr;

/// From where somebody acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The request, as the log and the answer name it.
    pub request_id: Option<String>,
    /// The address of the client; None for what does not come over a network.
    pub address: Option<IpAddr>,
}

/// An entry of the audit trail, about to be recorded along with what it tells of. It holds no secrets, and nothing
/// of the media: ids, names of roles and of libraries, no more.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAudit {
    /// Its id.
    pub id: AuditId,
    /// The world it happened in.
    pub tenant: TenantId,
    /// Who: a subject, or `anonymous`.
    pub actor: String,
    /// What; see [`audit_actions`](crate::audit_actions).
    pub action: &'static str,
    /// To whom or what: `user:…`, `library:…`, `asset:…`, `job:…`, `queue:…` or `login`.
    pub target: String,
    /// Details, an object.
    pub data: serde_json::Value,
    /// From where.
    pub origin: Origin,
    /// When.
    pub at: Timestamp,
}

/// Who acts that has not proven who they are.
pub const ANONYMOUS: &str = "anonymous";

impl NewAudit {
    /// What a principal does.
    pub fn by(
        who: &Principal,
        action: &'static str,
        target: impl Into<String>,
        origin: &Origin,
        at: Timestamp,
    ) -> Self {
        Self {
            id: AuditId::new(),
            tenant: who.tenant,
            actor: who.subject.clone(),
            action,
            target: target.into(),
            data: serde_json::json!({}),
            origin: origin.clone(),
            at,
        }
    }

    /// With details.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Serialize) -> Self {
        self.data[key] = serde_json::json!(value);
        self
    }
}

/// An entry of the audit trail.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Its id: later ones sort later.
    pub id: AuditId,
    /// Who: a subject, or `anonymous`.
    pub actor: String,
    /// What.
    pub action: String,
    /// To whom or what.
    pub target: String,
    /// Details, an object.
    pub data: serde_json::Value,
    /// The request that it came with.
    pub request_id: Option<String>,
    /// The address of the client.
    pub address: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// The names of what is recorded.
pub mod actions {
    macro_rules! actions {
        ($($(#[$doc:meta])* $name:ident = $text:literal;)+) => {
            $($(#[$doc])* pub const $name: &str = $text;)+
            /// All of them.
            pub const ALL: &[&str] = &[$($text),+];
        };
    }
    actions! {
        /// Somebody signed in.
        SESSION_OPENED = "session.opened";
        /// Somebody was not let in.
        SESSION_REFUSED = "session.refused";
        /// A used refresh token was shown again: the session was ended.
        SESSION_REPLAYED = "session.replayed";
        /// Sessions of a user were ended, by themselves or by an administrator.
        SESSIONS_ENDED = "sessions.ended";
        /// A user was registered, or added.
        USER_REGISTERED = "user.registered";
        /// A user's name, role or access changed; the details say which.
        USER_CHANGED = "user.changed";
        /// Who wanted to change a password did not know the present one.
        USER_PASSWORD_REFUSED = "user.password_refused";
        /// A user has another password.
        USER_PASSWORD_CHANGED = "user.password_changed";
        /// A library was made.
        LIBRARY_CREATED = "library.created";
        /// A library has another name.
        LIBRARY_RENAMED = "library.renamed";
        /// A library names another store.
        LIBRARY_MOVED = "library.moved";
        /// A library is gone.
        LIBRARY_DELETED = "library.deleted";
        /// A library has another recipe.
        RECIPE_CHANGED = "recipe.changed";
        /// What a recipe makes stale is made anew.
        RECIPE_APPLIED = "recipe.applied";
        /// Somebody became a member of a library, or changed role in it.
        MEMBER_ADDED = "member.added";
        /// Somebody is no longer a member of a library.
        MEMBER_REMOVED = "member.removed";
        /// An asset was deleted for good.
        ASSET_DELETED = "asset.deleted";
        /// A queue hands out no more jobs.
        QUEUE_PAUSED = "queue.paused";
        /// A queue hands out jobs again.
        QUEUE_RESUMED = "queue.resumed";
        /// A job was called off.
        JOB_CANCELLED = "job.cancelled";
        /// A job was queued again.
        JOB_RETRIED = "job.retried";
    }
}
