use super::{
    super::{
        cursor::{Place, page_of, rows_of},
        visible::{Scope, push_visible},
    },
    asset,
};
use crate::sql::{Conn, Dialect, Query};
use medianest_core::{
    Asset, LibraryId, Page, PageRequest, Result, Visibility, VisibleLibraries,
    catalog::{AssetOrder, AssetQuery},
};

/// How an order walks along its index.
struct Walk {
    tag: u8,
    column: &'static str,
    newest_first: bool,
}

impl Walk {
    fn of(order: AssetOrder) -> Self {
        let (tag, column, newest_first) = match order {
            AssetOrder::TakenNewest => (b'T', "taken_at", true),
            AssetOrder::TakenOldest => (b't', "taken_at", false),
            AssetOrder::AddedNewest => (b'A', "created_at", true),
            AssetOrder::AddedOldest => (b'a', "created_at", false),
        };
        Self { tag, column, newest_first }
    }

    fn key(&self, asset: &Asset) -> i64 {
        let added = matches!(self.tag, b'A' | b'a');
        if added { asset.created_at.as_micros() } else { asset.taken_at.as_micros() }
    }

    fn push_order(&self, query: &mut Query, table: &'static str) {
        let direction = if self.newest_first { " DESC" } else { "" };
        query.push(" ORDER BY ").push(table).push(".").push(self.column).push(direction);
        query.push(", ").push(table).push(".id").push(direction);
    }
}

/// Which rows are walked through.
#[derive(Clone, Copy)]
enum Within {
    Tenant,
    Library(LibraryId),
    /// The library of the membership `m`.
    Membership,
}

pub(super) async fn list(
    conn: &mut Conn<'_>,
    visible: &Visibility,
    filter: &AssetQuery,
    page: &PageRequest,
) -> Result<Page<Asset>> {
    let walk = Walk::of(filter.order);
    let after = Place::<i64>::of(page, walk.tag)?;
    let select = sql!("SELECT " ASSET ASSETS " WHERE ");
    let limit = rows_of(page);
    let conditions = |query: &mut Query, within| {
        push_conditions(query, visible, filter, &walk, after.as_ref(), within);
    };

    let mut query = Query::new(conn.dialect(), "");
    match (filter.library, &visible.libraries) {
        (Some(library), _) => {
            query.push(select);
            conditions(&mut query, Within::Library(library));
            query.push(" AND ");
            push_visible(&mut query, visible, "a.tenant", "a.library_id");
        }
        (None, VisibleLibraries::MemberOf(subject)) if can_join_sideways(conn.dialect()) => {
            // As below, but in one round trip: each membership's library is walked along its own index.
            query.push(sql!("SELECT " ASSET ASSETS " JOIN (SELECT walked.id FROM medianest_members m"));
            query.push(" CROSS JOIN LATERAL (SELECT a.id, a.").push(walk.column);
            query.push(" FROM medianest_assets a WHERE ");
            conditions(&mut query, Within::Membership);
            walk.push_order(&mut query, "a");
            query.limit(limit).push(") AS walked WHERE m.tenant = ").bind(visible.tenant);
            query.push(" AND m.subject = ").bind(subject);
            walk.push_order(&mut query, "walked");
            query.limit(limit).push(") AS walked ON walked.id = a.id AND a.tenant = ").bind(visible.tenant);
        }
        (None, _) => match Scope::of(conn, visible, None).await? {
            Scope::Libraries(libraries) => match libraries.as_slice() {
                [] => return Ok(Page { items: Vec::new(), next_cursor: None }),
                [library] => {
                    query.push(select);
                    conditions(&mut query, Within::Library(*library));
                }
                libraries => {
                    // Each library is walked along its own index as far as the page reaches; then merged.
                    query.push(sql!("SELECT " ASSET ASSETS " WHERE a.id IN (SELECT id FROM ("));
                    for (index, library) in libraries.iter().enumerate() {
                        query.push(if index == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
                        query
                            .push("SELECT a.id, a.")
                            .push(walk.column)
                            .push(" FROM medianest_assets a WHERE ");
                        conditions(&mut query, Within::Library(*library));
                        walk.push_order(&mut query, "a");
                        query.limit(limit).push(") AS walked");
                    }
                    query.push(") AS a");
                    walk.push_order(&mut query, "a");
                    query.limit(limit).push(")");
                }
            },
            Scope::Tenant => {
                query.push(select);
                conditions(&mut query, Within::Tenant);
            }
            Scope::Filtered => {
                query.push(select);
                conditions(&mut query, Within::Tenant);
                query.push(" AND ");
                push_visible(&mut query, visible, "a.tenant", "a.library_id");
            }
        },
    }
    walk.push_order(&mut query, "a");
    query.limit(limit);

    let assets = asset::read_all(&query.all(conn).await?)?;
    let place = |last: &Asset| Place { tag: walk.tag, key: walk.key(last), id: last.id.as_uuid() };
    Ok(page_of(assets, page, place))
}

/// Whether a subselect may refer to what stands before it.
fn can_join_sideways(dialect: Dialect) -> bool {
    match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => false,
        #[cfg(feature = "postgres")]
        Dialect::Postgres => true,
    }
}

fn push_conditions(
    query: &mut Query,
    visible: &Visibility,
    filter: &AssetQuery,
    walk: &Walk,
    after: Option<&Place<i64>>,
    within: Within,
) {
    match within {
        Within::Tenant => query.push("a.tenant = ").bind(visible.tenant),
        Within::Library(library) => {
            query.push("a.tenant = ").bind(visible.tenant).push(" AND a.library_id = ").bind(library)
        }
        // The tenant is that of the membership: the index alone tells which rows these are.
        Within::Membership => query.push("a.library_id = m.library_id"),
    };
    // Literals, not values: they choose the part of the index to walk along.
    query.push(if filter.trashed { " AND a.trashed = TRUE" } else { " AND a.trashed = FALSE" });
    if let Some(kind) = filter.kind {
        query.push(" AND a.kind = ").bind(kind.as_str());
    }
    if let Some(state) = filter.state {
        query.push(" AND a.state = '").push(state.as_str()).push("'");
    }
    if let Some(owner) = &filter.owner {
        query.push(" AND a.owner = ").bind(owner);
    }
    if let Some(from) = filter.taken_from {
        query.push(" AND a.taken_at >= ").bind(from);
    }
    if let Some(before) = filter.taken_before {
        query.push(" AND a.taken_at < ").bind(before);
    }
    if let Some(Place { key, id, .. }) = after {
        query.push(" AND (a.").push(walk.column).push(", a.id) ");
        query.push(if walk.newest_first { "<" } else { ">" });
        query.push(" (").bind(*key).push(", ").bind(*id).push(")");
    }
}
