use super::sealed::Sealed;
use crate::{AuditEntry, NewAudit, Page, PageRequest, Result, TenantId, Timestamp};
use async_trait::async_trait;
use std::time::Duration;

/// The audit trail. What a command changes is recorded by the same command: see
/// [`Catalog::audited`](super::Catalog::audited) and
/// [`IdentityCatalog::audited`](super::IdentityCatalog::audited).
#[async_trait]
pub trait AuditLog: Sealed + Send + Sync + std::fmt::Debug + 'static {
    /// Records what no command goes with: something that was refused.
    async fn record(&self, entry: NewAudit) -> Result<()>;

    /// Entries of a tenant, newest first.
    async fn list_audit(
        &self,
        tenant: TenantId,
        query: &AuditQuery,
        page: &PageRequest,
    ) -> Result<Page<AuditEntry>>;

    /// Deletes up to `limit` entries that were recorded longer than `age` ago, oldest first. Returns how many.
    async fn trim_audit(&self, age: Duration, limit: u32) -> Result<u64>;
}

/// Which entries to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only of this actor.
    pub actor: Option<String>,
    /// Only of this action.
    pub action: Option<String>,
    /// Only from then on.
    pub from: Option<Timestamp>,
    /// Only before then.
    pub before: Option<Timestamp>,
}
