//! How the newest matches are found in PostgreSQL, whose index of words has no order: it gives all matches of a word,
//! which may be many. So the newest rows are looked at first, to see whether the words are that frequent; if not, the
//! index is asked for matches within the newest stretches of numbers, and only for what is rare there for all of them.

use super::{find::Matches, tokens::Stretch};
use crate::sql::{Conn, Query};
use medianest_core::Result;

/// So many of the newest numbers are looked at one by one, half a microsecond each.
const GLANCE: i64 = 64;

/// Words that so many of these have are frequent: even to count all matches would take long.
const FREQUENT: i64 = 4;

/// So many rows are looked at one by one for frequent words.
const WALK: i64 = 1024;

/// Below this number, all matches of words that are rare in the newest stretches are few enough to be looked at.
const FEW: i64 = 1 << 18;

/// The numbers of the newest matches, of those before `before`.
pub(super) async fn newest(
    matches: &Matches<'_>,
    conn: &mut Conn<'_>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<i64>> {
    let Look { mut numbers, rest } = look(matches, conn, before.unwrap_or(i64::MAX), limit).await?;
    let Some(Rest { mut before, mut with_words, frequent }) = rest else { return Ok(numbers) };
    let mut stretches = vec![Some(Stretch::FAR), Some(Stretch::FAR), Some(Stretch::FAR), None];
    if frequent {
        let walked = walk(matches, conn, before, limit).await?;
        numbers.extend(walked.numbers);
        match walked.reached {
            Some(reached) if (numbers.len() as i64) < limit => before = reached,
            _ => return Ok(numbers),
        }
        with_words *= WALK / GLANCE;
        stretches.insert(0, Some(Stretch::NEAR));
    }
    // What is seldom within what is looked through is left to the index; else to ask it costs more than to look.
    let by_index = numbers.is_empty() || (numbers.len() as i64) * 2 < with_words;
    for stretch in stretches {
        let missing = limit - numbers.len() as i64;
        let first = find(matches, conn, before, missing, stretch, by_index, &mut numbers).await?;
        if numbers.len() as i64 == limit || first <= 0 {
            break;
        }
        before = first;
    }
    Ok(numbers)
}

/// What was found at first sight.
struct Look {
    numbers: Vec<i64>,
    /// What has not been looked at, if there is anything.
    rest: Option<Rest>,
}

struct Rest {
    /// All numbers before this one.
    before: i64,
    /// How many of those that were seen have the words, wherever they are.
    with_words: i64,
    frequent: bool,
}

/// Looks at the newest numbers; at the newest stretches, unless the words are frequent; and at all that have the words,
/// when these are rare.
async fn look(matches: &Matches<'_>, conn: &mut Conn<'_>, before: i64, limit: i64) -> Result<Look> {
    let Stretch { name, bits } = Stretch::NEAR;
    let mut query =
        Query::new(conn.dialect(), "WITH bounds AS MATERIALIZED (SELECT before, ((before - 1) >> ");
    query.number(bits.into()).push(") AS stretch FROM (SELECT coalesce(max(seq), 0) + 1 AS before ");
    query.push("FROM medianest_search WHERE seq < ").bind(before).push(") AS newest), ");
    query.push(
        "glance AS MATERIALIZED (SELECT count(*) AS with_words FROM medianest_search s WHERE s.seq >= ",
    );
    query.push("(SELECT before - ").number(GLANCE).push(" FROM bounds) AND s.seq < ").bind(before);
    query.push(" AND (s.words @@ (SELECT ").bind(matches.words()).push("::text::tsquery)) IS TRUE), ");
    query.push("near AS MATERIALIZED (SELECT s.seq, ");
    matches.push_within(&mut query);
    query
        .push(" AS within FROM medianest_search s WHERE (SELECT with_words FROM glance) < ")
        .number(FREQUENT);
    query.push(" AND s.words @@ (SELECT concat(").bind(matches.words()).push("::text, ' & (").push(name);
    query
        .push("', to_hex(stretch), ' | ")
        .push(name)
        .push("', to_hex(stretch - 1), ')')::tsquery FROM bounds)");
    query.push(" AND s.seq < ").bind(before).push("), ");
    query.push("seen AS MATERIALIZED (SELECT (stretch - 1) << ").number(bits.into()).push(" AS first, ");
    query.push(
        "(SELECT count(*) FROM near) AS with_words, (SELECT count(*) FROM near WHERE within) AS found ",
    );
    query.push("FROM bounds), rest AS MATERIALIZED (SELECT before, with_words, TRUE AS frequent FROM bounds, glance ");
    query
        .push("WHERE with_words >= ")
        .number(FREQUENT)
        .push(" UNION ALL SELECT first, with_words, FALSE FROM seen ");
    query
        .push("WHERE (SELECT with_words FROM glance) < ")
        .number(FREQUENT)
        .push(" AND first > 0 AND found < ");
    query
        .bind(limit)
        .push(" AND (first >= ")
        .number(FEW)
        .push(" OR with_words > 2 * ")
        .bind(limit)
        .push(")) ");
    query
        .push("(SELECT seq, NULL::bigint, FALSE FROM near WHERE within ORDER BY seq DESC LIMIT ")
        .bind(limit);
    query.push(
        ") UNION ALL (SELECT s.seq, NULL, FALSE FROM medianest_search s WHERE NOT EXISTS (SELECT FROM rest) ",
    );
    query.push("AND (SELECT first > 0 AND found < ").bind(limit).push(" FROM seen) AND s.words @@ (SELECT ");
    query.bind(matches.words()).push("::text::tsquery) AND ");
    matches.push_within(&mut query);
    // Added to zero, so that PostgreSQL does not walk along the numbers to the very end.
    query.push(" AND s.seq < (SELECT first FROM seen) ORDER BY s.seq + 0 DESC LIMIT ").bind(limit);
    query.push(") UNION ALL SELECT before, with_words, frequent FROM rest");
    let mut look = Look { numbers: Vec::new(), rest: None };
    for row in query.all(conn).await? {
        let mut columns = row.columns();
        let (number, with_words): (i64, Option<i64>) = (columns.get()?, columns.maybe()?);
        match with_words {
            Some(with_words) => {
                look.rest = Some(Rest { before: number, with_words, frequent: columns.get()? });
            }
            None => look.numbers.push(number),
        }
    }
    look.numbers.sort_unstable_by(|a, b| b.cmp(a));
    look.numbers.truncate(limit as usize);
    Ok(look)
}

/// What was found one by one.
struct Walked {
    numbers: Vec<i64>,
    /// The last row that was looked at, where there may be more.
    reached: Option<i64>,
}

/// Looks at the next rows before `before`, until enough are found.
async fn walk(matches: &Matches<'_>, conn: &mut Conn<'_>, before: i64, limit: i64) -> Result<Walked> {
    let mut query = Query::new(conn.dialect(), "SELECT s.seq, s.nth, s.found FROM (SELECT s.seq, s.nth, ");
    query.push("(s.words @@ (SELECT ").bind(matches.words()).push("::text::tsquery)) IS TRUE AND ");
    matches.push_within(&mut query);
    query.push(" AS found FROM (SELECT seq, words, row_number() OVER (ORDER BY seq DESC) AS nth ");
    query.push("FROM medianest_search WHERE seq < ").bind(before).push(" ORDER BY seq DESC").limit(WALK);
    query.push(") AS s) AS s WHERE s.found OR s.nth = ").number(WALK);
    // One more, as the last row is told of even if it does not match.
    query.push(" ORDER BY s.seq DESC LIMIT ").bind(limit + 1);
    let mut walked = Walked { numbers: Vec::new(), reached: None };
    for row in query.all(conn).await? {
        let mut columns = row.columns();
        let (seq, nth, found): (i64, i64, bool) = (columns.get()?, columns.get()?, columns.get()?);
        if found && (walked.numbers.len() as i64) < limit {
            walked.numbers.push(seq);
        }
        if nth == WALK {
            walked.reached = Some(seq);
        }
    }
    Ok(walked)
}

/// Adds what the index finds before `before`, within two stretches or wherever it is; tells from which number on it
/// has looked.
async fn find(
    matches: &Matches<'_>,
    conn: &mut Conn<'_>,
    before: i64,
    limit: i64,
    stretch: Option<Stretch>,
    by_index: bool,
    numbers: &mut Vec<i64>,
) -> Result<i64> {
    let mut expression = matches.words().to_owned();
    let mut first = 0;
    if let Some(stretch) = stretch {
        let (marks, begins) = stretch.newest(before);
        expression = format!("{expression} & ({})", marks.join(" | "));
        first = begins;
    }
    if let (Some(within), true) = (matches.within(), by_index) {
        expression = format!("{expression} & {within}");
    }
    let mut query =
        Query::new(conn.dialect(), "SELECT s.seq FROM medianest_search s WHERE s.words @@ (SELECT ");
    query.bind(expression).push("::text::tsquery) AND ");
    matches.push_within(&mut query);
    query.push(" AND s.seq < ").bind(before).push(" ORDER BY s.seq + 0 DESC LIMIT ").bind(limit);
    for row in query.all(conn).await? {
        numbers.push(row.value()?);
    }
    Ok(first)
}
