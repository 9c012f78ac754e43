#[cfg(feature = "postgres")]
use super::look_back;
use super::{
    super::{
        assets::read_asset,
        cursor::{Place, page_of, rows_of},
        visible::{Scope, push_visible},
    },
    tokens,
};
use crate::sql::{Conn, Dialect, Query, Row, Sql};
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
    let Some(matches) = Matches::of(conn, visible, &words, query.library, query.kind).await? else {
        return Ok(Page { items: Vec::new(), next_cursor: None });
    };
    let wanted = rows_of(page);
    let mut before = after.map(|place| place.key);
    let mut assets: Vec<(i64, Asset)> = Vec::new();
    loop {
        let missing = wanted - assets.len() as i64;
        let numbers = matches.newest(conn, before, missing).await?;
        let at_end = (numbers.len() as i64) < missing;
        before = numbers.last().copied();
        for row in matches.rows(conn, sql!("a.seq, " ASSET), numbers).await? {
            let mut columns = row.columns();
            assets.push((columns.get()?, read_asset(&mut columns)?));
        }
        // What the check of the rows took away is made up for.
        if at_end || assets.len() as i64 == wanted {
            break;
        }
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
    let Some(matches) = Matches::of(conn, visible, &prefix, None, None).await? else {
        return Ok(Vec::new());
    };
    let numbers = matches.newest(conn, None, SAMPLE).await?;
    let mut counts: HashMap<String, u32> = HashMap::new();
    for row in matches.rows(conn, "a.name, a.search_text".into(), numbers).await? {
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

/// What is looked for, in two steps: the table of words alone gives the numbers of the newest matches; then
/// their rows are read.
pub(super) struct Matches<'a> {
    visible: &'a Visibility,
    scope: Scope,
    library: Option<LibraryId>,
    kind: Option<MediaKind>,
    expression: Expression,
}

impl<'a> Matches<'a> {
    /// None when nothing can be found.
    async fn of(
        conn: &mut Conn<'_>,
        visible: &'a Visibility,
        words: &[String],
        library: Option<LibraryId>,
        kind: Option<MediaKind>,
    ) -> Result<Option<Self>> {
        let scope = Scope::of(conn, visible, library).await?;
        let expression = expression(conn.dialect(), visible.tenant, words, &scope, kind);
        Ok(expression.map(|expression| Self { visible, scope, library, kind, expression }))
    }

    /// The numbers of the newest matches, of those before `before`.
    async fn newest(&self, conn: &mut Conn<'_>, before: Option<i64>, limit: i64) -> Result<Vec<i64>> {
        match conn.dialect() {
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => self.newest_by_index(conn, before, limit).await,
            #[cfg(feature = "postgres")]
            Dialect::Postgres => look_back::newest(self, conn, before, limit).await,
        }
    }

    /// The index of SQLite gives the newest first.
    #[cfg(feature = "sqlite")]
    async fn newest_by_index(
        &self,
        conn: &mut Conn<'_>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<i64>> {
        let mut query = Query::new(conn.dialect(), "SELECT s.rowid FROM medianest_search s");
        let filtered = matches!(self.scope, Scope::Filtered);
        if filtered {
            query.push(" CROSS JOIN medianest_assets a ON a.seq = s.rowid");
        }
        let Expression { words, within } = &self.expression;
        let expression = within.iter().fold(words.clone(), |all, within| format!("{all} AND {within}"));
        query.push(" WHERE s.medianest_search MATCH ").bind(expression);
        if filtered {
            query.push(" AND ");
            push_visible(&mut query, self.visible, "a.tenant", "a.library_id");
        }
        if let Some(before) = before {
            query.push(" AND s.rowid < ").bind(before);
        }
        query.push(" ORDER BY s.rowid DESC").limit(limit);
        query.all(conn).await?.iter().map(Row::value).collect()
    }

    /// The words, as the database writes them.
    #[cfg(feature = "postgres")]
    pub(super) fn words(&self) -> &str {
        &self.expression.words
    }

    /// The condition that the words of a row of `medianest_search` are of what is looked through, looked at row by
    /// row: it is no matter for the index.
    #[cfg(feature = "postgres")]
    pub(super) fn push_within(&self, query: &mut Query) {
        match &self.expression.within {
            Some(within) => query.push("(s.words @@ (SELECT ").bind(within).push("::text::tsquery)) IS TRUE"),
            None => query.push("TRUE"),
        };
        if matches!(self.scope, Scope::Filtered) {
            query.push(" AND (SELECT TRUE FROM medianest_assets a WHERE a.seq = s.seq AND ");
            push_visible(query, self.visible, "a.tenant", "a.library_id");
            query.push(") IS TRUE");
        }
    }

    /// What is looked through, for the index.
    #[cfg(feature = "postgres")]
    pub(super) fn within(&self) -> Option<&str> {
        self.expression.within.as_deref()
    }

    /// The rows with these numbers, newest first. What the index has answered is checked once more:
    /// marks of tenants may coincide.
    async fn rows(&self, conn: &mut Conn<'_>, columns: Sql, numbers: Vec<i64>) -> Result<Vec<Row>> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = Query::new(conn.dialect(), "SELECT ");
        query.push(columns).push(sql!(ASSETS " WHERE a.seq")).any(numbers.into());
        query.push(" AND NOT a.trashed AND ");
        push_visible(&mut query, self.visible, "a.tenant", "a.library_id");
        if let Some(library) = self.library {
            query.push(" AND a.library_id = ").bind(library);
        }
        if let Some(kind) = self.kind {
            query.push(" AND a.kind = ").bind(kind.as_str());
        }
        query.push(" ORDER BY a.seq DESC");
        query.all(conn).await
    }
}

/// What is looked for, as the database writes it.
struct Expression {
    words: String,
    /// Tokens of the libraries and of the kind; None when all are looked through.
    within: Option<String>,
}

/// None when nothing can be found.
fn expression(
    dialect: Dialect,
    tenant: TenantId,
    words: &[String],
    scope: &Scope,
    kind: Option<MediaKind>,
) -> Option<Expression> {
    // No token has a quote in it: all are letters and digits.
    let quote = sql!({ "\"" | "'" }).of(dialect);
    let quoted = |token: String| format!("{quote}{token}{quote}");
    let all = |sets: Vec<String>| sets.join(sql!({ " AND " | " & " }).of(dialect));
    let (last, others) = words.split_last()?;
    let mut words: Vec<String> = others.iter().map(|word| quoted(tokens::of_word(tenant, word))).collect();
    words.push(match tokens::of_beginning(tenant, last) {
        Some(short) => quoted(short),
        None => quoted(tokens::of_word(tenant, last)) + sql!({ "*" | ":*" }).of(dialect),
    });
    let mut within = Vec::new();
    if let Scope::Libraries(libraries) = scope {
        if libraries.is_empty() {
            return None;
        }
        let any = libraries.iter().map(|library| quoted(tokens::of_library(tenant, *library)));
        within.push(format!("({})", any.collect::<Vec<_>>().join(sql!({ " OR " | " | " }).of(dialect))));
    }
    within.extend(kind.map(|kind| quoted(tokens::of_kind(tenant, kind))));
    Some(Expression { words: all(words), within: (!within.is_empty()).then(|| all(within)) })
}
