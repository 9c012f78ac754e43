use super::{
    super::{
        cursor::{Place, page_of, rows_of},
        visible::{Scope, push_visible},
    },
    asset,
};
use crate::sql::{Conn, Query};
use medianest_core::{
    Asset, LibraryId, Page, PageRequest, Result, Visibility,
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
            AssetOrder::TakenNewest => (b'T', "a.taken_at", true),
            AssetOrder::TakenOldest => (b't', "a.taken_at", false),
            AssetOrder::AddedNewest => (b'A', "a.created_at", true),
            AssetOrder::AddedOldest => (b'a', "a.created_at", false),
        };
        Self { tag, column, newest_first }
    }

    fn key(&self, asset: &Asset) -> i64 {
        let added = matches!(self.tag, b'A' | b'a');
        if added { asset.created_at.as_micros() } else { asset.taken_at.as_micros() }
    }

    fn push_order(&self, query: &mut Query) {
        let direction = if self.newest_first { " DESC" } else { "" };
        query.push(" ORDER BY ").push(self.column).push(direction).push(", a.id").push(direction);
    }
}

pub(super) async fn list(
    conn: &mut Conn<'_>,
    visible: &Visibility,
    filter: &AssetQuery,
    page: &PageRequest,
) -> Result<Page<Asset>> {
    let walk = Walk::of(filter.order);
    let after = Place::<i64>::of(page, walk.tag)?;
    let scope = Scope::of(conn, visible, filter.library).await?;
    let select = sql!("SELECT " ASSET ASSETS " WHERE ");
    let limit = rows_of(page);

    let mut query = Query::new(conn.dialect(), "");
    match &scope {
        Scope::Libraries(libraries) => match libraries.as_slice() {
            [] => return Ok(Page { items: Vec::new(), next_cursor: None }),
            [library] => {
                query.push(select);
                push_conditions(&mut query, visible, filter, &walk, after.as_ref(), Some(*library));
            }
            libraries => {
                // Each library is walked along its own index as far as the page reaches; then merged.
                query.push(sql!("SELECT " ASSET ASSETS " WHERE a.id IN (SELECT id FROM ("));
                for (index, library) in libraries.iter().enumerate() {
                    query.push(if index == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
                    query.push("SELECT a.id, ").push(walk.column).push(" FROM medianest_assets a WHERE ");
                    push_conditions(&mut query, visible, filter, &walk, after.as_ref(), Some(*library));
                    walk.push_order(&mut query);
                    query.limit(limit).push(") AS walked");
                }
                query.push(") AS a");
                walk.push_order(&mut query);
                query.limit(limit).push(")");
            }
        },
        Scope::Tenant => {
            query.push(select);
            push_conditions(&mut query, visible, filter, &walk, after.as_ref(), None);
        }
        Scope::Filtered => {
            query.push(select);
            push_conditions(&mut query, visible, filter, &walk, after.as_ref(), filter.library);
            query.push(" AND ");
            push_visible(&mut query, visible, "a.tenant", "a.library_id");
        }
    }
    walk.push_order(&mut query);
    query.limit(limit);

    let assets = query.all(conn).await?.iter().map(asset::read).collect::<Result<Vec<_>>>()?;
    let place = |last: &Asset| Place { tag: walk.tag, key: walk.key(last), id: last.id.as_uuid() };
    Ok(page_of(assets, page, place))
}

fn push_conditions(
    query: &mut Query,
    visible: &Visibility,
    filter: &AssetQuery,
    walk: &Walk,
    after: Option<&Place<i64>>,
    library: Option<LibraryId>,
) {
    query.push("a.tenant = ").bind(visible.tenant);
    if let Some(library) = library {
        query.push(" AND a.library_id = ").bind(library);
    }
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
        query.push(" AND (").push(walk.column).push(", a.id) ");
        query.push(if walk.newest_first { "<" } else { ">" });
        query.push(" (").bind(*key).push(", ").bind(*id).push(")");
    }
}
