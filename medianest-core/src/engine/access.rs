use crate::{
    Action, Authorizer, Error, ErrorKind, MemberRole, Principal, Resource, Result, Visibility,
    catalog::Catalog,
};
use async_trait::async_trait;
use std::sync::Arc;

/// Lets members do in a library what their role allows, and administrators everything in their tenant.
/// Everybody may make libraries.
#[derive(Debug)]
pub struct MembershipAuthorizer {
    catalog: Arc<dyn Catalog>,
}

impl MembershipAuthorizer {
    /// Decides by the members of this catalog.
    pub fn new(catalog: Arc<dyn Catalog>) -> Self {
        Self { catalog }
    }
}

#[async_trait]
impl Authorizer for MembershipAuthorizer {
    async fn authorize(&self, principal: &Principal, action: Action, resource: &Resource) -> Result<()> {
        if principal.is_admin() {
            return Ok(());
        }
        let forbidden = |message: &'static str| Err(Error::new(ErrorKind::Forbidden, "forbidden", message));
        let Resource::Library(library) = *resource else {
            return match action {
                Action::CreateLibrary => Ok(()),
                _ => forbidden("only administrators may do this"),
            };
        };
        let needed = match action {
            Action::Read => MemberRole::Viewer,
            Action::Contribute => MemberRole::Contributor,
            Action::Edit => MemberRole::Editor,
            Action::Manage => MemberRole::Owner,
            Action::CreateLibrary | Action::Operate => return forbidden("only administrators may do this"),
        };
        match self.catalog.member_role(principal.tenant, library, &principal.subject).await? {
            Some(role) if role >= needed => Ok(()),
            Some(_) => forbidden("your role in this library does not allow this"),
            None => Err(Error::not_found("library", library)),
        }
    }

    async fn visibility(&self, principal: &Principal) -> Result<Visibility> {
        Ok(if principal.is_admin() {
            Visibility::all(principal.tenant)
        } else {
            Visibility::member(principal.tenant, principal.subject.clone())
        })
    }
}
