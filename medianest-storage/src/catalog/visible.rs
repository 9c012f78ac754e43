//! Visibility, compiled into statements.

use crate::sql::{Conn, Query};
use medianest_core::{LibraryId, Result, Visibility, VisibleLibraries};

/// The most libraries that are looked through one by one; with more, rows are filtered.
const MAX_SCOPES: usize = 64;

/// Appends the condition that a row is visible: `tenant` and `library` are its columns.
pub(super) fn push_visible(
    query: &mut Query,
    visible: &Visibility,
    tenant: &'static str,
    library: &'static str,
) {
    query.push(tenant).push(" = ").bind(visible.tenant);
    match &visible.libraries {
        VisibleLibraries::All => {}
        VisibleLibraries::MemberOf(subject) => {
            query
                .push(" AND EXISTS (SELECT 1 FROM medianest_members v WHERE v.tenant = ")
                .bind(visible.tenant)
                .push(" AND v.subject = ")
                .bind(subject)
                .push(" AND v.library_id = ")
                .push(library)
                .push(")");
        }
        VisibleLibraries::Listed(libraries) => {
            query.push(" AND ").push(library).any(libraries.iter().copied().collect());
        }
        // Whatever kind of visibility comes later: nothing is seen until it is compiled here.
        _ => {
            query.push(" AND FALSE");
        }
    }
}

/// What a list has to look through.
#[derive(Debug)]
pub(super) enum Scope {
    /// The whole tenant.
    Tenant,
    /// These libraries, which are few.
    Libraries(Vec<LibraryId>),
    /// The whole tenant, row by row under [`push_visible`]: the libraries are too many.
    Filtered,
}

impl Scope {
    /// Finds out which libraries are visible, of `only` that one.
    pub(super) async fn of(
        conn: &mut Conn<'_>,
        visible: &Visibility,
        only: Option<LibraryId>,
    ) -> Result<Self> {
        let mut libraries = match &visible.libraries {
            VisibleLibraries::All => return Ok(only.map_or(Self::Tenant, |id| Self::Libraries(vec![id]))),
            VisibleLibraries::Listed(listed) => {
                listed.iter().copied().filter(|id| only.is_none_or(|only| only == *id)).collect()
            }
            VisibleLibraries::MemberOf(subject) => {
                let mut query =
                    Query::new(conn.dialect(), "SELECT library_id FROM medianest_members WHERE tenant = ");
                query.bind(visible.tenant).push(" AND subject = ").bind(subject);
                if let Some(only) = only {
                    query.push(" AND library_id = ").bind(only);
                }
                query.limit(MAX_SCOPES as i64 + 1);
                let rows = query.all(conn).await?;
                rows.iter().map(crate::sql::Row::value).collect::<Result<Vec<LibraryId>>>()?
            }
            _ => Vec::new(),
        };
        libraries.sort_unstable();
        libraries.dedup();
        Ok(if libraries.len() > MAX_SCOPES { Self::Filtered } else { Self::Libraries(libraries) })
    }
}
