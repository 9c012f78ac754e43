//! The event log.

use super::{Backend, SqlCatalog, visible::push_visible};
use crate::sql::{Columns, Conn, Query, Value, groups};
use async_trait::async_trait;
use futures::FutureExt;
use medianest_core::{
    Cursor, Error, Event, EventBacklog, NewEvent, Result, TenantId, Timestamp, Visibility, VisibleLibraries,
    catalog::EventLog,
};
use std::time::Duration;

#[async_trait]
impl<B: Backend> EventLog for SqlCatalog<B> {
    async fn emit(&self, events: &[NewEvent]) -> Result<()> {
        self.write(events.to_vec(), |c, events| emit(c, events).boxed()).await
    }

    async fn sequence(&self, limit: u32) -> Result<u64> {
        self.write(limit, |c, limit| sequence(c, *limit).boxed()).await
    }

    async fn event_backlog(&self) -> Result<EventBacklog> {
        self.read((), |c, ()| backlog(c).boxed()).await
    }

    async fn read_events(
        &self,
        visible: &Visibility,
        subject: &str,
        after: Cursor,
        limit: u32,
    ) -> Result<(Vec<Event>, Cursor)> {
        let args = (visible.clone(), subject.to_owned(), after, limit);
        self.read(args, |c, (visible, subject, after, limit)| {
            read(c, Some((visible, subject)), *after, *limit).boxed()
        })
        .await
    }

    async fn read_all_events(&self, after: Cursor, limit: u32) -> Result<(Vec<Event>, Cursor)> {
        self.read((after, limit), |c, (after, limit)| read(c, None, *after, *limit).boxed()).await
    }

    async fn event_head(&self) -> Result<Cursor> {
        Ok(self.read((), |c, ()| log(c).boxed()).await?.head)
    }

    async fn event_tail(&self) -> Result<Cursor> {
        let log = self.read((), |c, ()| log(c).boxed()).await?;
        Ok(Cursor { position: log.trimmed, ..log.head })
    }

    async fn begin_epoch(&self) -> Result<Cursor> {
        Ok(self.write((), |c, ()| begin_epoch(c).boxed()).await?.head)
    }

    async fn load_consumer(&self, tenant: TenantId, name: &str) -> Result<Option<Cursor>> {
        self.read((tenant, name.to_owned()), |c, (tenant, name)| load_consumer(c, *tenant, name).boxed())
            .await
    }

    async fn save_consumer(&self, tenant: TenantId, name: &str, cursor: Cursor) -> Result<()> {
        self.write((tenant, name.to_owned(), cursor), |c, (tenant, name, cursor)| {
            save_consumer(c, *tenant, name, *cursor).boxed()
        })
        .await
    }

    async fn trim_events(&self, age: Duration, limit: u32) -> Result<u64> {
        self.write((age, limit), |c, (age, limit)| trim(c, *age, *limit).boxed()).await
    }
}

/// Records events without a position, within the command that makes them happen.
pub(super) async fn emit(conn: &mut Conn<'_>, events: &[NewEvent]) -> Result<()> {
    let rows = events.iter().map(|event| {
        let (library, subject) = match &event.audience {
            medianest_core::Audience::Library(library) => (Some(*library), None),
            medianest_core::Audience::Subject(subject) => (None, Some(subject.as_str())),
            medianest_core::Audience::Member(library, subject) => (Some(*library), Some(subject.as_str())),
            _ => (None, None),
        };
        args![event.id, event.tenant, event.kind, library, subject, event.data.to_string(), event.at]
    });
    for group in groups(rows.collect()) {
        let mut query = Query::new(
            conn.dialect(),
            "INSERT INTO medianest_events (id, tenant, kind, library_id, subject, data, at, period) VALUES ",
        );
        query.rows(sql!("$, $, $, $, $, $, $, " PERIOD_OF_EVENTS), group);
        query.run(conn).await?;
    }
    Ok(())
}

/// Numbers committed events. Nobody else does meanwhile, so that the head grows without a gap.
async fn sequence(conn: &mut Conn<'_>, limit: u32) -> Result<u64> {
    if !conn.try_lock("sequence").await? {
        return Ok(0);
    }
    let numbered = conn
        .run(
            "WITH fresh AS MATERIALIZED (SELECT seq AS fresh, period AS lies_in, row_number() OVER (ORDER BY seq) \
             AS place FROM medianest_events WHERE position IS NULL ORDER BY seq LIMIT $1) \
             UPDATE medianest_events SET position = (SELECT head FROM medianest_event_log) + place \
             FROM fresh WHERE seq = fresh AND period = lies_in",
            args![limit],
        )
        .await?;
    if numbered > 0 {
        conn.run("UPDATE medianest_event_log SET head = head + $1", args![numbered]).await?;
    }
    Ok(numbered)
}

/// The first along the index of those without a number.
async fn backlog(conn: &mut Conn<'_>) -> Result<EventBacklog> {
    let row = conn
        .one(
            sql!("SELECT count(*), " NOW " - min(at) FROM (SELECT at FROM medianest_events \
                  WHERE position IS NULL ORDER BY seq LIMIT $1) AS waiting"),
            args![EventBacklog::COUNTED],
        )
        .await?;
    let Some(row) = row else { return Ok(EventBacklog::default()) };
    let mut columns = row.columns();
    let (events, oldest): (u64, Option<i64>) = (columns.get()?, columns.maybe()?);
    Ok(EventBacklog { events, oldest_ms: oldest.map_or(0, |age| age.max(0).unsigned_abs() / 1000) })
}

struct Log {
    head: Cursor,
    trimmed: u64,
}

impl Log {
    fn read(columns: &mut Columns<'_>) -> Result<Self> {
        let head = Cursor { epoch: columns.get()?, position: columns.get()? };
        Ok(Self { head, trimmed: columns.get()? })
    }

    /// Refuses a cursor of another life, of events to come, or of events that are gone.
    fn check(&self, cursor: Cursor) -> Result<()> {
        let known = (self.trimmed..=self.head.position).contains(&cursor.position);
        if cursor.epoch == self.head.epoch && known { Ok(()) } else { Err(cursor.gone()) }
    }
}

/// Reads events and the state of the log in one statement, so that both are of the same moment: what
/// is trimmed meanwhile is never missed silently.
async fn read(
    conn: &mut Conn<'_>,
    reader: Option<(&Visibility, &str)>,
    after: Cursor,
    limit: u32,
) -> Result<(Vec<Event>, Cursor)> {
    let mut query = Query::new(
        conn.dialect(),
        sql!("SELECT l.epoch, l.head, l.trimmed, " EVENT " FROM medianest_event_log l LEFT JOIN \
              (SELECT * FROM medianest_events e WHERE e.position > "),
    );
    query.bind(after.position);
    if let Some((visible, subject)) = reader {
        query.push(" AND e.tenant = ").bind(visible.tenant);
        if visible.libraries != VisibleLibraries::All {
            query.push(" AND (e.subject = ").bind(subject).push(" OR e.library_id IS NOT NULL AND ");
            push_visible(&mut query, visible, "e.tenant", "e.library_id");
            query.push(")");
        }
    }
    query.push(" ORDER BY e.position").limit(limit).push(") AS e ON TRUE ORDER BY e.position");
    let rows = query.all(conn).await?;

    let first = rows.first().ok_or_else(|| Error::internal("the event log has no head"))?;
    let log = Log::read(&mut first.columns())?;
    log.check(after)?;
    let mut events = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = row.columns();
        Log::read(&mut columns)?;
        if let Some(id) = columns.maybe()? {
            let position = columns.get()?;
            events.push(Event {
                id,
                cursor: Cursor { epoch: log.head.epoch, position },
                tenant: columns.get()?,
                kind: columns.get()?,
                library_id: columns.maybe()?,
                data: columns.json()?,
                at: columns.get::<Timestamp>()?,
            });
        }
    }
    // Fewer than asked for: nothing else up to the head is to be seen.
    let full = events.len() >= limit as usize;
    let next = events.last().filter(|_| full).map_or(log.head, |event| event.cursor);
    Ok((events, if limit == 0 { after } else { next }))
}

async fn log(conn: &mut Conn<'_>) -> Result<Log> {
    let row = conn.one("SELECT epoch, head, trimmed FROM medianest_event_log", vec![]).await?;
    Log::read(&mut row.ok_or_else(|| Error::internal("the event log has no head"))?.columns())
}

async fn begin_epoch(conn: &mut Conn<'_>) -> Result<Log> {
    conn.run(
        sql!("UPDATE medianest_event_log SET epoch = CASE WHEN epoch < " NOW " / 1000000 \
              THEN " NOW " / 1000000 ELSE epoch + 1 END"),
        vec![],
    )
    .await?;
    log(conn).await
}

async fn load_consumer(conn: &mut Conn<'_>, tenant: TenantId, name: &str) -> Result<Option<Cursor>> {
    let row = conn.one(
        "SELECT epoch, position FROM medianest_consumers WHERE tenant = $1 AND name = $2",
        args![tenant, name],
    );
    let Some(row) = row.await? else { return Ok(None) };
    let mut columns = row.columns();
    Ok(Some(Cursor { epoch: columns.get()?, position: columns.get()? }))
}

async fn save_consumer(conn: &mut Conn<'_>, tenant: TenantId, name: &str, cursor: Cursor) -> Result<()> {
    conn.run(
        "INSERT INTO medianest_consumers AS c (tenant, name, epoch, position) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (tenant, name) DO UPDATE SET epoch = excluded.epoch, position = excluded.position \
         WHERE c.epoch <> excluded.epoch OR c.position < excluded.position",
        args![tenant, name, cursor.epoch, cursor.position],
    )
    .await
    .map(drop)
}

/// Deletes from the oldest on, up to the first that is young enough: the log never has a hole.
async fn trim(conn: &mut Conn<'_>, age: Duration, limit: u32) -> Result<u64> {
    conn.lock("trim").await?;
    let row = conn
        .one(
            sql!("SELECT coalesce(min(CASE WHEN at >= " NOW " - $2 THEN position END), max(position) + 1) \
                  FROM (SELECT at, position FROM medianest_events WHERE position IS NOT NULL \
                  ORDER BY position LIMIT $1) AS oldest"),
            args![limit, age],
        )
        .await?;
    let Some(first_kept) = row.and_then(|row| row.columns().maybe::<i64>().transpose()).transpose()? else {
        return Ok(0);
    };
    let trimmed =
        conn.run("DELETE FROM medianest_events WHERE position < $1", vec![Value::from(first_kept)]).await?;
    if trimmed > 0 {
        conn.run("UPDATE medianest_event_log SET trimmed = $1", args![first_kept - 1]).await?;
    }
    Ok(trimmed)
}

/// Moves the beginning of the log behind a period, which is about to be dropped, and to which nobody writes
/// meanwhile. False when something in it has no position yet, which nobody has had a chance to read; and while so
/// much of before is left elsewhere that deleting it would hold everybody up: it goes row by row, in time.
pub(super) async fn trim_period(conn: &mut Conn<'_>, period: i64) -> Result<bool> {
    let unnumbered = "SELECT 1 FROM medianest_events WHERE period = $1 AND position IS NULL LIMIT 1";
    if conn.one(unnumbered, args![period]).await?.is_some() {
        return Ok(false);
    }
    let last = "SELECT max(position) FROM medianest_events WHERE period = $1";
    let row = conn.one(last, args![period]).await?;
    let Some(last) = row.and_then(|row| row.columns().maybe::<i64>().transpose()).transpose()? else {
        return Ok(true);
    };
    let elsewhere = "SELECT count(*) FROM (SELECT 1 FROM medianest_events WHERE position <= $1 AND period <> $2 \
                     LIMIT 1001) AS few";
    let row = conn.one(elsewhere, args![last, period]).await?;
    if row.map(|row| row.value::<i64>()).transpose()?.is_some_and(|rows| rows > 1000) {
        return Ok(false);
    }
    // Of commands that were slow when the next period began, and of programs that know no periods.
    conn.run("DELETE FROM medianest_events WHERE position <= $1 AND period <> $2", args![last, period])
        .await?;
    conn.run("UPDATE medianest_event_log SET trimmed = $1 WHERE trimmed < $1", args![last]).await?;
    Ok(true)
}
