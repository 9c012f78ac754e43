//! Who acts, and what they see.

use crate::{LibraryId, TenantId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The role that may do everything within its tenant.
pub const ADMIN: &str = "admin";
/// The role of an ordinary user.
pub const USER: &str = "user";

/// Who acts. The engine knows no other user: hosts map theirs to this.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The world this principal lives in.
    pub tenant: TenantId,
    /// A string that names the principal for ever: our user's id, or the host's.
    pub subject: String,
    /// Role names; the engine itself knows [`ADMIN`].
    pub roles: BTreeSet<String>,
}

impl Principal {
    /// An ordinary user of the default tenant.
    pub fn user(subject: impl Into<String>) -> Self {
        Self { tenant: TenantId::DEFAULT, subject: subject.into(), roles: BTreeSet::from([USER.to_owned()]) }
    }

    /// An administrator of the default tenant.
    pub fn admin(subject: impl Into<String>) -> Self {
        Self::user(subject).with_role(ADMIN)
    }

    /// The engine itself, in a tenant.
    pub fn system(tenant: TenantId) -> Self {
        Self { tenant, ..Self::admin("system") }
    }

    /// The same principal in another tenant.
    #[must_use]
    pub fn in_tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = tenant;
        self
    }

    /// The same principal with one role more.
    #[must_use]
    pub fn with_role(mut self, role: impl Into<String>) -> Self {
        self.roles.insert(role.into());
        self
    }

    /// Whether the principal may do everything within its tenant.
    pub fn is_admin(&self) -> bool {
        self.roles.contains(ADMIN)
    }
}

/// Which rows a principal may see. The catalog compiles it into every list, search and lookup, so
/// that what is invisible answers exactly as what does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visibility {
    /// Rows of other tenants are never seen.
    pub tenant: TenantId,
    /// Which libraries of the tenant are seen.
    pub libraries: VisibleLibraries,
}

/// The libraries that a principal sees.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VisibleLibraries {
    /// All of the tenant.
    All,
    /// Those that have this subject as a member.
    MemberOf(String),
    /// Exactly these, as a host decided.
    Listed(Vec<LibraryId>),
}

impl Visibility {
    /// Everything in a tenant.
    pub fn all(tenant: TenantId) -> Self {
        Self { tenant, libraries: VisibleLibraries::All }
    }

    /// The libraries that have `subject` as a member.
    pub fn member(tenant: TenantId, subject: impl Into<String>) -> Self {
        Self { tenant, libraries: VisibleLibraries::MemberOf(subject.into()) }
    }
}

/// What a principal wants to do; asked of an [`Authorizer`](crate::Authorizer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// See the library, its assets, their bytes and renditions.
    Read,
    /// Add assets.
    Contribute,
    /// Change, trash, restore and reprocess assets.
    Edit,
    /// Rename or delete the library, change its members and its recipe.
    Manage,
    /// Create a library.
    CreateLibrary,
    /// Look after the whole tenant: users, queues, all events.
    Operate,
}

/// What the action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resource {
    /// The tenant as a whole.
    Tenant,
    /// A library and everything in it.
    Library(LibraryId),
}
