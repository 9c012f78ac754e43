use super::Text;
use medianest_core::{AuditEntry, Timestamp};
use poem_openapi::{Object, types::Any};

/// An entry of the audit trail.
#[derive(Debug, Object)]
#[oai(rename = "AuditEntry", skip_serializing_if_is_none)]
pub(crate) struct AuditEntryBody {
    /// Its id.
    id: String,
    /// Who: the subject of a principal, `system`, or `anonymous`.
    actor: String,
    /// What (`user.password_changed`).
    action: String,
    /// To whom or what (`user:…`, `library:…`, `asset:…`, `job:…`, `queue:…`, `session:…`, `login`).
    target: String,
    /// Details.
    data: Any<serde_json::Value>,
    /// The request that it came with, as its answer and the log name it.
    request_id: Option<String>,
    /// The address of the client.
    address: Option<String>,
    /// When.
    at: Text<Timestamp>,
}

impl From<AuditEntry> for AuditEntryBody {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            actor: entry.actor,
            action: entry.action,
            target: entry.target,
            data: Any(entry.data),
            request_id: entry.request_id,
            address: entry.address,
            at: entry.at.into(),
        }
    }
}
