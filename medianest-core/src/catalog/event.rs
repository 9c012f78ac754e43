use super::sealed::Sealed;
use crate::{Cursor, Event, EventBacklog, NewEvent, Result, TenantId, Visibility};
use async_trait::async_trait;
use std::time::Duration;

/// The event log. Commands write events without a position; one sequencer at a time numbers what is
/// committed, and readers see only numbered events, so that nobody misses one that commits late.
#[async_trait]
pub trait EventLog: Sealed + Send + Sync + std::fmt::Debug + 'static {
    /// Records events that no other command carries.
    async fn emit(&self, events: &[NewEvent]) -> Result<()>;

    /// Numbers up to `limit` committed events, oldest first, without a gap. Under a lock: when another
    /// process is at it, returns 0 at once.
    async fn sequence(&self, limit: u32) -> Result<u64>;

    /// What waits for [`sequence`](Self::sequence).
    async fn event_backlog(&self) -> Result<EventBacklog>;

    /// Events after a cursor that this reader sees, in order, at most `limit`; and the cursor to go on
    /// from, which also moves over events that are not seen. A reader sees events for operators and
    /// for all subjects only when it sees all libraries; else those for visible libraries and for
    /// `subject`.
    ///
    /// # Errors
    /// `cursor_expired` (Gone), see [`Cursor::gone`].
    async fn read_events(
        &self,
        visible: &Visibility,
        subject: &str,
        after: Cursor,
        limit: u32,
    ) -> Result<(Vec<Event>, Cursor)>;

    /// Events of all tenants after a cursor: for readers within the host's own program.
    ///
    /// # Errors
    /// `cursor_expired` (Gone).
    async fn read_all_events(&self, after: Cursor, limit: u32) -> Result<(Vec<Event>, Cursor)>;

    /// The cursor of the newest numbered event.
    async fn event_head(&self) -> Result<Cursor>;

    /// The cursor from which all events are read that are still there.
    async fn event_tail(&self) -> Result<Cursor>;

    /// Begins a new epoch, so that every cursor of before is `cursor_expired`: for a database that was
    /// restored, whose positions will be given a second time. Answers the cursor of the newest event.
    ///
    /// The number of the epoch is the time in seconds since 1970, or one more than the last: restored
    /// twice, a backup begins two epochs.
    async fn begin_epoch(&self) -> Result<Cursor>;

    /// Where a named reader is; None when it never saved anything.
    async fn load_consumer(&self, tenant: TenantId, name: &str) -> Result<Option<Cursor>>;

    /// Saves where a named reader is. A cursor before the saved one of the same epoch is ignored.
    async fn save_consumer(&self, tenant: TenantId, name: &str, cursor: Cursor) -> Result<()>;

    /// Deletes up to `limit` numbered events older than `age`, oldest first. Returns how many.
    async fn trim_events(&self, age: Duration, limit: u32) -> Result<u64>;
}
