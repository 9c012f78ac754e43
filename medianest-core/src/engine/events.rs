use super::{Engine, Media};
use crate::{Cursor, Event, Principal, Result, TenantId, Topic};
use futures::{StreamExt, stream::BoxStream};

/// Events that are read in one go.
const BATCH: u32 = 200;

/// The event log; see [`Engine::events`].
#[derive(Clone, Debug)]
pub struct EngineEvents {
    engine: Engine,
}

impl EngineEvents {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// A reader with a durable cursor of this name: it goes on after the last event that was
    /// acknowledged, and begins with the oldest one that is still there. One process at a time should
    /// read under a name.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn consumer(&self, name: &str) -> Result<Consumer> {
        let saved = self.engine.catalog().load_consumer(TenantId::DEFAULT, name).await?;
        let after = match saved {
            Some(cursor) => cursor,
            None => self.engine.catalog().event_tail().await?,
        };
        let wakeups = self.engine.bus().subscribe(Topic::Numbered);
        Ok(Consumer { engine: self.engine.clone(), name: name.to_owned(), after, wakeups })
    }
}

/// A reader of all events with a durable cursor. Each event comes at least once: again after a crash
/// between work and acknowledgement, with the same id.
pub struct Consumer {
    engine: Engine,
    name: String,
    after: Cursor,
    wakeups: BoxStream<'static, ()>,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("name", &self.name)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

impl Consumer {
    /// Waits for events and returns them in order.
    ///
    /// # Errors
    /// `cursor_expired` (Gone) when it was away for longer than
    /// [`event_retention`](super::EngineOptions::event_retention), or the database was restored: see
    /// [`skip_to_head`](Self::skip_to_head). `Unavailable`, after which it can be called again.
    pub async fn next(&mut self) -> Result<Vec<Event>> {
        loop {
            let (events, after) = self.engine.catalog().read_all_events(self.after, BATCH).await?;
            self.after = after;
            if !events.is_empty() {
                return Ok(events);
            }
            wait(&mut self.wakeups, &self.engine).await;
        }
    }

    /// Remembers that everything up to this event has been dealt with.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn ack(&self, upto: &Event) -> Result<()> {
        self.engine.catalog().save_consumer(TenantId::DEFAULT, &self.name, upto.cursor).await
    }

    /// Goes on with what happens from now on, durably. After `cursor_expired` do this first and then read
    /// the present state, so that nothing falls between.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn skip_to_head(&mut self) -> Result<()> {
        let head = self.engine.catalog().event_head().await?;
        self.engine.catalog().save_consumer(TenantId::DEFAULT, &self.name, head).await?;
        self.after = head;
        Ok(())
    }
}

impl Media {
    /// The events that the principal sees, after a cursor, or from now on. What the principal sees is
    /// decided anew for each batch.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn events(&self, after: Option<Cursor>) -> Result<EventFeed> {
        let wakeups = self.engine().bus().subscribe(Topic::Numbered);
        let after = match after {
            Some(after) => after,
            None => self.engine().catalog().event_head().await?,
        };
        Ok(EventFeed { media: self.clone(), after, wakeups })
    }
}

/// The events that one principal sees.
pub struct EventFeed {
    media: Media,
    after: Cursor,
    wakeups: BoxStream<'static, ()>,
}

impl std::fmt::Debug for EventFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventFeed").field("after", &self.after).finish_non_exhaustive()
    }
}

impl EventFeed {
    /// Where the feed is: also beyond events that the principal does not see.
    pub fn cursor(&self) -> Cursor {
        self.after
    }

    /// Waits for events and returns them in order.
    ///
    /// # Errors
    /// `cursor_expired` (Gone); `Unavailable`, after which it can be called again.
    pub async fn next(&mut self) -> Result<Vec<Event>> {
        loop {
            let events = self.take().await?;
            if !events.is_empty() {
                return Ok(events);
            }
            wait(&mut self.wakeups, self.media.engine()).await;
        }
    }

    /// The events that are there now; empty when the feed is at the head of the log.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn take(&mut self) -> Result<Vec<Event>> {
        let engine = self.media.engine();
        loop {
            let visible = self.media.visibility().await?;
            let subject = &self.media.principal().subject;
            let (events, after) = engine.catalog().read_events(&visible, subject, self.after, BATCH).await?;
            let moved = after != self.after;
            self.after = after;
            if !events.is_empty() || !moved {
                return Ok(events);
            }
        }
    }

    /// Who reads.
    pub fn principal(&self) -> &Principal {
        self.media.principal()
    }

    /// Goes on after a cursor as this principal, whose rights have changed since the feed began.
    pub fn resume_as(&mut self, principal: Principal, after: Cursor) {
        self.media = self.media.engine().acting_as(principal);
        self.after = after;
    }
}

/// Waits for a wake-up, or until it is time to look without one.
async fn wait(wakeups: &mut BoxStream<'static, ()>, engine: &Engine) {
    tokio::select! {
        _ = wakeups.next() => {}
        () = tokio::time::sleep(engine.options().poll) => {}
    }
}
