//! The audit trail.

use super::{
    Backend, Command, SqlCatalog,
    cursor::{Place, page_of, rows_of},
};
use crate::sql::{Conn, Query, Row};
use async_trait::async_trait;
use futures::{FutureExt, future::BoxFuture};
use medianest_core::{
    AuditEntry, NewAudit, Page, PageRequest, Result, TenantId,
    catalog::{AuditLog, AuditQuery},
};
use std::{any::Any, time::Duration};

const NEWEST: u8 = b'a';

#[async_trait]
impl<B: Backend> AuditLog for SqlCatalog<B> {
    async fn record(&self, entry: NewAudit) -> Result<()> {
        self.write(entry, |c, entry| insert(c, entry).boxed()).await
    }

    async fn list_audit(
        &self,
        tenant: TenantId,
        query: &AuditQuery,
        page: &PageRequest,
    ) -> Result<Page<AuditEntry>> {
        self.read((tenant, query.clone(), page.clone()), |c, (tenant, query, page)| {
            list(c, *tenant, query, page).boxed()
        })
        .await
    }

    async fn trim_audit(&self, age: Duration, limit: u32) -> Result<u64> {
        self.write((age, limit), |c, (age, limit)| trim(c, *age, *limit).boxed()).await
    }
}

/// A command along with the entry that tells of it.
pub(super) struct Audited<A, T> {
    pub(super) args: A,
    pub(super) command: Command<A, T>,
    pub(super) entry: NewAudit,
}

/// Runs the command, and records it when it has done something: one that answers `false` has not.
pub(super) fn run<'a, A, T>(conn: &'a mut Conn<'_>, audited: &'a Audited<A, T>) -> BoxFuture<'a, Result<T>>
where
    A: Send + Sync + 'static,
    T: Send + 'static,
{
    async move {
        let done = (audited.command)(conn, &audited.args).await?;
        let nothing = (&done as &dyn Any).downcast_ref::<bool>() == Some(&false);
        if !nothing {
            insert(conn, &audited.entry).await?;
        }
        Ok(done)
    }
    .boxed()
}

async fn insert(conn: &mut Conn<'_>, entry: &NewAudit) -> Result<()> {
    conn.run(
        sql!("INSERT INTO medianest_audit (id, tenant, actor, action, target, data, request_id, address, at, period) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, " PERIOD_OF_AUDIT ")"),
        args![
            entry.id,
            entry.tenant,
            &entry.actor,
            entry.action,
            &entry.target,
            entry.data.to_string(),
            &entry.origin.request_id,
            entry.origin.address.map(|address| address.to_string()),
            entry.at,
        ],
    )
    .await
    .map(drop)
}

async fn list(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    filter: &AuditQuery,
    page: &PageRequest,
) -> Result<Page<AuditEntry>> {
    let mut query = Query::new(
        conn.dialect(),
        "SELECT id, actor, action, target, data, request_id, address, at FROM medianest_audit WHERE tenant = ",
    );
    query.bind(tenant);
    if let Some(actor) = &filter.actor {
        query.push(" AND actor = ").bind(actor);
    }
    if let Some(action) = &filter.action {
        query.push(" AND action = ").bind(action);
    }
    if let Some(from) = filter.from {
        query.push(" AND at >= ").bind(from);
    }
    if let Some(before) = filter.before {
        query.push(" AND at < ").bind(before);
    }
    if let Some(Place { key, id, .. }) = Place::<i64>::of(page, NEWEST)? {
        query.push(" AND (at, id) < (").bind(key).push(", ").bind(id).push(")");
    }
    query.push(" ORDER BY at DESC, id DESC").limit(rows_of(page));
    let entries = query.all(conn).await?.iter().map(read).collect::<Result<Vec<_>>>()?;
    let place = |last: &AuditEntry| Place { tag: NEWEST, key: last.at.as_micros(), id: last.id.as_uuid() };
    Ok(page_of(entries, page, place))
}

fn read(row: &Row) -> Result<AuditEntry> {
    let mut columns = row.columns();
    Ok(AuditEntry {
        id: columns.get()?,
        actor: columns.get()?,
        action: columns.get()?,
        target: columns.get()?,
        data: columns.json()?,
        request_id: columns.maybe()?,
        address: columns.maybe()?,
        at: columns.get()?,
    })
}

async fn trim(conn: &mut Conn<'_>, age: Duration, limit: u32) -> Result<u64> {
    let mut query = Query::new(conn.dialect(), sql!("SELECT id FROM medianest_audit WHERE at < " NOW " - "));
    query.bind(age).push(" ORDER BY at").limit(limit).push(sql!(SKIP_LOCKED));
    let old =
        query.all(conn).await?.iter().map(Row::value).collect::<Result<Vec<medianest_core::AuditId>>>()?;
    conn.run(sql!("DELETE FROM medianest_audit WHERE id" (any "$1")), vec![old.into_iter().collect()]).await
}
