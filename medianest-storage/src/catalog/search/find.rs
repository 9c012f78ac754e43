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

/// So many of the newest rows are looked at one by one, a quarter of a microsecond each, to see how frequent the
/// words are.
const GLANCE: i64 = 256;

/// So many more are, when the page is likely to be full by then: to ask the index for all matches takes long when
/// there are many.
const WALK: i64 = 4096;

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

/// What is looked for, in two steps: the index alone gives the numbers of the newest matches, so that a
/// frequent word costs no more than a rare one; then their rows are read.
struct Matches<'a> {
    visible: &'a Visibility,
    scope: Scope,
    library: Option<LibraryId>,
    kind: Option<MediaKind>,
    expression: String,
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
        let expression = expression(visible.tenant, words, &scope, kind);
        Ok(expression.map(|expression| {
            let expression = expression.text(conn.dialect());
            Self { visible, scope, library, kind, expression }
        }))
    }

    /// The numbers of the newest matches, of those before `before`.
    async fn newest(&self, conn: &mut Conn<'_>, before: Option<i64>, limit: i64) -> Result<Vec<i64>> {
        if !must_look_back(conn.dialect()) {
            return self.find(conn, before, limit, &[]).await;
        }
        // The index of PostgreSQL has no order: it gives all matches. So one looks among the newest rows first, one by
        // one, where what is frequent is found; then at all matches within a part of the index, and a larger one.
        let mut numbers = Vec::new();
        let mut before = before.unwrap_or(i64::MAX);
        for rows in [GLANCE, WALK] {
            let walked = self.walk(conn, before, rows, limit - numbers.len() as i64).await?;
            numbers.extend(walked.numbers);
            match walked.reached {
                Some(reached) if (numbers.len() as i64) < limit => before = reached,
                _ => return Ok(numbers),
            }
            let frequent = numbers.len() as i64 * (GLANCE + WALK) >= limit * GLANCE;
            if !frequent {
                break;
            }
        }
        for stretch in tokens::Stretch::ALL {
            let (marks, first) = stretch.newest(before);
            let missing = limit - numbers.len() as i64;
            numbers.extend(self.find(conn, Some(before), missing, &marks).await?);
            if numbers.len() as i64 == limit || first <= 0 {
                return Ok(numbers);
            }
            before = first;
        }
        let missing = limit - numbers.len() as i64;
        numbers.extend(self.find(conn, Some(before), missing, &[]).await?);
        Ok(numbers)
    }

    /// What the index finds before `before` that has one of the `marks`, if there are any.
    async fn find(
        &self,
        conn: &mut Conn<'_>,
        before: Option<i64>,
        limit: i64,
        marks: &[String],
    ) -> Result<Vec<i64>> {
        let mut query = Query::new(conn.dialect(), sql!("SELECT " SEARCH_SEQ " FROM medianest_search s"));
        let filtered = matches!(self.scope, Scope::Filtered);
        if filtered {
            query.push(sql!({ " CROSS" | "" } " JOIN medianest_assets a ON a.seq = " SEARCH_SEQ));
        }
        query.push(sql!({ " WHERE s.medianest_search MATCH " | " WHERE s.words @@ (" }));
        match marks {
            [] => query.bind(self.expression.as_str()),
            marks => query.bind(format!("{} & ({})", self.expression, marks.join(" | "))),
        };
        query.push(sql!({ "" | "::text)::tsquery" }));
        if filtered {
            query.push(" AND ");
            push_visible(&mut query, self.visible, "a.tenant", "a.library_id");
        }
        if let Some(before) = before {
            query.push(sql!(" AND " SEARCH_SEQ " < ")).bind(before);
        }
        // Added to zero, so that PostgreSQL does not walk along the numbers to the very end.
        query.push(sql!(" ORDER BY " SEARCH_SEQ { "" | " + 0" } " DESC LIMIT ")).bind(limit);
        query.all(conn).await?.iter().map(Row::value).collect()
    }

    /// Looks through the newest `rows` rows before `before`.
    async fn walk(&self, conn: &mut Conn<'_>, before: i64, rows: i64, limit: i64) -> Result<Walked> {
        let mut query =
            Query::new(conn.dialect(), "SELECT seq, nth, matches FROM (SELECT s.seq, s.nth, s.words @@ (");
        query.bind(self.expression.as_str()).push("::text)::tsquery");
        if matches!(self.scope, Scope::Filtered) {
            query.push(" AND EXISTS (SELECT 1 FROM medianest_assets a WHERE a.seq = s.seq AND ");
            push_visible(&mut query, self.visible, "a.tenant", "a.library_id");
            query.push(")");
        }
        query
            .push(
                " AS matches FROM (SELECT seq, words, row_number() OVER (ORDER BY seq DESC) AS nth \
                    FROM medianest_search WHERE seq < ",
            )
            .bind(before);
        query
            .push(" ORDER BY seq DESC")
            .limit(rows)
            .push(") AS s) AS s WHERE matches OR nth = ")
            .number(rows);
        // One more, as the last row is told of even if it does not match.
        query.push(" ORDER BY seq DESC LIMIT ").bind(limit + 1);
        let mut walked = Walked { numbers: Vec::new(), reached: None };
        for row in query.all(conn).await? {
            let mut columns = row.columns();
            let (seq, nth, matches): (i64, i64, bool) = (columns.get()?, columns.get()?, columns.get()?);
            if matches && (walked.numbers.len() as i64) < limit {
                walked.numbers.push(seq);
            }
            if nth == rows {
                walked.reached = Some(seq);
            }
        }
        Ok(walked)
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

/// What was found one by one.
struct Walked {
    numbers: Vec<i64>,
    /// The last row that was looked at, where there may be more.
    reached: Option<i64>,
}

/// Whether matches do not come newest first by themselves.
fn must_look_back(dialect: Dialect) -> bool {
    match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => false,
        #[cfg(feature = "postgres")]
        Dialect::Postgres => true,
    }
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
