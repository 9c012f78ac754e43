//! Users and sign-ins.

mod session;
mod user;

use super::{Backend, SqlCatalog};
use async_trait::async_trait;
use futures::FutureExt;
use medianest_core::{
    NewAudit, NewEvent, Page, PageRequest, Result, SessionId, TenantId, UserId,
    catalog::{
        IdentityCatalog, NewSession, NewUser, RefreshSession, Refreshed, Session, SessionHolder, User,
        UserChange,
    },
};
use std::{sync::Arc, time::Duration};

#[async_trait]
impl<B: Backend> IdentityCatalog for SqlCatalog<B> {
    fn audited(&self, entry: NewAudit) -> Arc<dyn IdentityCatalog> {
        Arc::new(self.recording(entry))
    }

    async fn create_user(&self, user: NewUser, only_first: bool) -> Result<User> {
        self.write((user, only_first), |c, (new, only_first)| user::create(c, new, *only_first).boxed()).await
    }

    async fn get_user(&self, tenant: TenantId, id: UserId) -> Result<Option<User>> {
        self.read((tenant, id), |c, (tenant, id)| user::get(c, *tenant, *id).boxed()).await
    }

    async fn find_user(&self, tenant: TenantId, login: &str) -> Result<Option<User>> {
        self.read((tenant, login.to_owned()), |c, (tenant, login)| user::find(c, *tenant, login).boxed())
            .await
    }

    async fn list_users(&self, tenant: TenantId, page: &PageRequest) -> Result<Page<User>> {
        self.read((tenant, page.clone()), |c, (tenant, page)| user::list(c, *tenant, page).boxed()).await
    }

    async fn change_user(
        &self,
        tenant: TenantId,
        id: UserId,
        change: &UserChange,
        events: Vec<NewEvent>,
    ) -> Result<User> {
        self.write((tenant, id, change.clone(), events), |c, (tenant, id, change, events)| {
            user::change(c, *tenant, *id, change, events).boxed()
        })
        .await
    }

    async fn create_session(&self, session: NewSession) -> Result<Session> {
        self.write(session, |c, new| session::create(c, new).boxed()).await
    }

    async fn get_session(&self, tenant: TenantId, id: SessionId) -> Result<Option<(Session, User)>> {
        self.read((tenant, id), |c, (tenant, id)| session::get(c, *tenant, *id).boxed()).await
    }

    async fn refresh_session(&self, refresh: &RefreshSession, replayed: NewEvent) -> Result<Refreshed> {
        self.write((refresh.clone(), replayed), |c, (refresh, replayed)| {
            session::refresh(c, refresh, replayed).boxed()
        })
        .await
    }

    async fn touch_session(&self, tenant: TenantId, id: SessionId, idle: Duration) -> Result<()> {
        self.write((tenant, id, idle), |c, (tenant, id, idle)| session::touch(c, *tenant, *id, *idle).boxed())
            .await
    }

    async fn end_session(&self, tenant: TenantId, id: SessionId, holder: SessionHolder) -> Result<bool> {
        self.write((tenant, id, holder), |c, (tenant, id, holder)| {
            session::end_for(c, *tenant, *id, holder).boxed()
        })
        .await
    }

    async fn end_sessions(
        &self,
        tenant: TenantId,
        user: UserId,
        except: Option<SessionId>,
    ) -> Result<Vec<SessionId>> {
        self.write((tenant, user, except), |c, (tenant, user, except)| {
            session::end_all(c, *tenant, *user, *except).boxed()
        })
        .await
    }

    async fn list_sessions(&self, tenant: TenantId, user: UserId) -> Result<Vec<Session>> {
        self.read((tenant, user), |c, (tenant, user)| session::list(c, *tenant, *user).boxed()).await
    }

    async fn trim_sessions(&self, age: Duration, limit: u32) -> Result<u64> {
        self.write((age, limit), |c, (age, limit)| session::trim(c, *age, *limit).boxed()).await
    }
}
