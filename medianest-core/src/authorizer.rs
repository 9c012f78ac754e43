//! What principals may do and see.

use crate::{Action, Principal, Resource, Result, Visibility};
use async_trait::async_trait;

/// Decides what principals may do and which rows they see. The engine asks it before every command,
/// and compiles [`visibility`](Self::visibility) into every read.
#[async_trait]
pub trait Authorizer: std::fmt::Debug + Send + Sync + 'static {
    /// Lets the principal do this, or not.
    ///
    /// # Errors
    /// `forbidden` when the principal sees the resource but may not do this; `library_not_found` and
    /// the like when it may not even know of it.
    async fn authorize(&self, principal: &Principal, action: Action, resource: &Resource) -> Result<()>;

    /// Which rows the principal sees.
    ///
    /// # Errors
    /// `Unavailable` when that cannot be found out.
    async fn visibility(&self, principal: &Principal) -> Result<Visibility>;
}
