use super::{
    super::{
        assets::read_asset,
        cursor::{Place, page_of, rows_of},
        visible::{Scope, push_visible},
    },
    tokens,
};
use crate::sql::{Conn, Dialect, Query, Sql};
use medianest_core::{
    Asset, LibraryId, MediaKind, Page, PageRequest, Result, TenantId, Visibility,
    catalog::{SearchQuery, search_words},
};
use std::{cmp::Reverse, collections::HashMap};
use uuid::Uuid;

const NEWEST: u8 = b's';

/// Suggestions are counted over at most so many of the newest assets that have such a word.
const SAMPLE: i64 = 500;

pub(super) async fn search(
    conn: &mut Conn<'_>,
    visible: &Visibility,
    query: &SearchQuery,
    page: &PageRequest,
) -> Result<Page<Asset>> {
    let after = Place::<i64>::of(page, NEWEST)?;
    let words = search_words(&query.text);
    let scope = Scope::of(conn, visible, query.library).await?;
    let Some(expression) = expression(visible.tenant, &words, &scope, query.kind) else {
        return Ok(Page { items: Vec::new(), next_cursor: None });
    };
    let blobs = " JOIN medianest_blobs b ON b.id = a.blob_id";
    let columns = sql!("a.seq, " ASSET);
    let mut found = found(conn, columns, blobs, visible, query.library, query.kind, expression);
    if let Some(Place { key, .. }) = after {
        found.push(sql!(" AND " { "s.rowid" | "s.seq" } " < ")).bind(key);
    }
    found.push(sql!(" ORDER BY " { "s.rowid" | "s.seq" } " DESC")).limit(rows_of(page));

    let rows = found.all_planned(conn).await?;
    let mut assets = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = row.columns();
        assets.push((columns.get::<i64>()?, read_asset(&mut columns)?));
    }
    let place = |(seq, _): &(i64, Asset)| Place { tag: NEWEST, key: *seq, id: Uuid::nil() };
    Ok(page_of(assets, page, place).map(|(_, asset)| asset))
}

pub(super) async fn suggest(
    conn: &mut Conn<'_>,
    visible: &Visibility,
    prefix: &str,
    limit: u32,
) -> Result<Vec<String>> {
    let prefix: Vec<String> = search_words(prefix).into_iter().take(1).collect();
    let scope = Scope::of(conn, visible, None).await?;
    let Some(expression) = expression(visible.tenant, &prefix, &scope, None) else { return Ok(Vec::new()) };
    let mut found = found(conn, "a.name, a.search_text".into(), "", visible, None, None, expression);
    found.push(sql!(" ORDER BY " { "s.rowid" | "s.seq" } " DESC")).limit(SAMPLE);

    let mut counts: HashMap<String, u32> = HashMap::new();
    for row in found.all_planned(conn).await? {
        let mut columns = row.columns();
        let (name, text): (String, String) = (columns.get()?, columns.get()?);
        for word in tokens::words(&name, &text) {
            if prefix.iter().all(|prefix| word.starts_with(prefix.as_str())) {
                *counts.entry(word).or_default() += 1;
            }
        }
    }
    let mut words: Vec<(String, u32)> = counts.into_iter().collect();
    words.sort_unstable_by(|(a, of_a), (b, of_b)| (Reverse(of_a), a).cmp(&(Reverse(of_b), b)));
    words.truncate(limit as usize);
    Ok(words.into_iter().map(|(word, _)| word).collect())
}

/// The start of a statement over the rows that match an expression. What the index has answered is
/// checked once more on the row: marks of tenants may coincide.
fn found(
    conn: &Conn<'_>,
    columns: Sql,
    joins: &'static str,
    visible: &Visibility,
    library: Option<LibraryId>,
    kind: Option<MediaKind>,
    expression: Expression,
) -> Query {
    let mut query = Query::new(conn.dialect(), "SELECT ");
    query.push(columns).push(sql!({
        " FROM medianest_search s CROSS JOIN medianest_assets a ON a.seq = s.rowid"
            | " FROM medianest_search s JOIN medianest_assets a ON a.seq = s.seq"
    }));
    query.push(joins).push(" WHERE ");
    query.push(sql!({ "s.medianest_search MATCH " | "s.words @@ (" }));
    query.bind(expression.text(conn.dialect())).push(sql!({ " AND " | "::text)::tsquery AND " }));
    push_visible(&mut query, visible, "a.tenant", "a.library_id");
    if let Some(library) = library {
        query.push(" AND a.library_id = ").bind(library);
    }
    if let Some(kind) = kind {
        query.push(" AND a.kind = ").bind(kind.as_str());
    }
    query
}

/// All of these sets must have one of their tokens.
struct Expression {
    all: Vec<Vec<String>>,
    beginning: Option<String>,
}

/// None when nothing can be found.
fn expression(
    tenant: TenantId,
    words: &[String],
    scope: &Scope,
    kind: Option<MediaKind>,
) -> Option<Expression> {
    let (last, others) = words.split_last()?;
    let mut all: Vec<Vec<String>> = others.iter().map(|word| vec![tokens::of_word(tenant, word)]).collect();
    if let Scope::Libraries(libraries) = scope {
        if libraries.is_empty() {
            return None;
        }
        all.push(libraries.iter().map(|library| tokens::of_library(tenant, *library)).collect());
    }
    all.extend(kind.map(|kind| vec![tokens::of_kind(tenant, kind)]));
    let short = tokens::of_beginning(tenant, last);
    let beginning = short.is_none().then(|| tokens::of_word(tenant, last));
    all.extend(short.map(|short| vec![short]));
    Some(Expression { all, beginning })
}

impl Expression {
    /// As the database writes it. No token has a quote in it: all are letters and digits.
    fn text(&self, dialect: Dialect) -> String {
        let quote = sql!({ "\"" | "'" }).of(dialect);
        let quoted = |token: &String| format!("{quote}{token}{quote}");
        let any = |set: &Vec<String>| {
            let tokens: Vec<String> = set.iter().map(quoted).collect();
            format!("({})", tokens.join(sql!({ " OR " | " | " }).of(dialect)))
        };
        let mut all: Vec<String> = self.all.iter().map(any).collect();
        let beginning = self.beginning.iter().map(quoted);
        all.extend(beginning.map(|token| token + sql!({ "*" | ":*" }).of(dialect)));
        all.join(sql!({ " AND " | " & " }).of(dialect))
    }
}
