use crate::recent::Recent;
use crate::{Clock, Result, SessionId, TenantId, Timestamp, UserId};
use async_trait::async_trait;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What every request needs to know of its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSession {
    /// Its id.
    pub id: SessionId,
    /// The world it is in.
    pub tenant: TenantId,
    /// Whose it is.
    pub user: UserId,
    /// `admin` or `user`.
    pub role: String,
    /// The user's epoch.
    pub auth_epoch: i64,
    /// Whether nothing but changing the password is allowed.
    pub must_change_password: bool,
    /// When it ends, if it is not refreshed.
    pub expires_at: Timestamp,
}

/// The answer of [`SessionStore::get`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The session is valid.
    Live(LiveSession),
    /// Not known here: ask the catalog, and [`put`](SessionStore::put) what it says with this ticket.
    Unknown(Ticket),
}

/// The moment of a lookup. What was removed since is not put back by a slow reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub u64);

/// The sessions that requests are checked against, near at hand. The catalog is the truth: a store may
/// forget any session at any time, and must never answer one that was removed.
///
/// Fails closed: when a store cannot answer, it fails with `Unavailable`, and so does the request.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// The session, when it is known and has not expired.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn get(&self, tenant: TenantId, id: SessionId) -> Result<Lookup>;

    /// Remembers a session that the catalog gave after `ticket` was handed out. Without effect when the
    /// session, or all of its user's, were removed since then; a store may take any removal for that.
    ///
    /// # Errors
    /// `Unavailable`; the caller may go on, the session is valid.
    async fn put(&self, session: LiveSession, ticket: Ticket) -> Result<()>;

    /// Forgets a session. From the moment this returns no [`get`](Self::get), in any process that
    /// shares the store, answers what was put with an earlier ticket. Succeeds when it is not there.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn remove(&self, tenant: TenantId, id: SessionId) -> Result<()>;

    /// Forgets all sessions of a user, as [`remove`](Self::remove) does.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn remove_user(&self, tenant: TenantId, user: UserId) -> Result<()>;
}

/// Remembers nothing, so that each request asks the catalog: for several processes that share nothing
/// but the catalog.
#[derive(Clone, Copy, Debug, Default)]
pub struct CatalogSessions;

#[async_trait]
impl SessionStore for CatalogSessions {
    async fn get(&self, _: TenantId, _: SessionId) -> Result<Lookup> {
        Ok(Lookup::Unknown(Ticket(0)))
    }

    async fn put(&self, _: LiveSession, _: Ticket) -> Result<()> {
        Ok(())
    }

    async fn remove(&self, _: TenantId, _: SessionId) -> Result<()> {
        Ok(())
    }

    async fn remove_user(&self, _: TenantId, _: UserId) -> Result<()> {
        Ok(())
    }
}

/// Remembers the sessions of one process: only where all sign-outs go through that process.
pub struct MemorySessions {
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

struct Known {
    sessions: Recent<(TenantId, SessionId), (LiveSession, Instant)>,
    removals: u64,
}

impl MemorySessions {
    /// For so long an answer of the catalog is believed; what expires is noticed by then at the latest.
    const BELIEVED: Duration = Duration::from_secs(60);

    /// A store that remembers the last `capacity` sessions used.
    pub fn new(capacity: usize, clock: Arc<dyn Clock>) -> Self {
        Self { clock, known: Mutex::new(Known { sessions: Recent::new(capacity), removals: 0 }) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        act(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for MemorySessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySessions").finish_non_exhaustive()
    }
}

#[async_trait]
impl SessionStore for MemorySessions {
    async fn get(&self, tenant: TenantId, id: SessionId) -> Result<Lookup> {
        let now = self.clock.now();
        Ok(self.with(|known| match known.sessions.get(&(tenant, id)) {
            Some((session, since)) if session.expires_at > now && since.elapsed() < Self::BELIEVED => {
                Lookup::Live(session)
            }
            _ => Lookup::Unknown(Ticket(known.removals)),
        }))
    }

    async fn put(&self, session: LiveSession, ticket: Ticket) -> Result<()> {
        self.with(|known| {
            if known.removals == ticket.0 {
                known.sessions.insert((session.tenant, session.id), (session, Instant::now()));
            }
        });
        Ok(())
    }

    async fn remove(&self, tenant: TenantId, id: SessionId) -> Result<()> {
        self.with(|known| {
            known.removals += 1;
            known.sessions.remove(&(tenant, id));
        });
        Ok(())
    }

    async fn remove_user(&self, tenant: TenantId, user: UserId) -> Result<()> {
        self.with(|known| {
            known.removals += 1;
            known.sessions.retain(|(session, _)| session.tenant != tenant || session.user != user);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;

    const TENANT: TenantId = TenantId::DEFAULT;

    fn session(user: UserId) -> LiveSession {
        LiveSession {
            id: SessionId::new(),
            tenant: TENANT,
            user,
            role: "user".into(),
            auth_epoch: 1,
            must_change_password: false,
            expires_at: Timestamp::from_secs(100),
        }
    }

    async fn ticket(store: &MemorySessions, id: SessionId) -> Ticket {
        match store.get(TENANT, id).await.unwrap() {
            Lookup::Unknown(ticket) => ticket,
            live => panic!("{live:?}"),
        }
    }

    #[tokio::test]
    async fn removed_sessions_do_not_come_back() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(0)));
        let store = MemorySessions::new(10, clock.clone());
        let (ada, bob) = (session(UserId::new()), session(UserId::new()));
        for session in [&ada, &bob] {
            store.put(session.clone(), ticket(&store, session.id).await).await.unwrap();
            assert_eq!(store.get(TENANT, session.id).await.unwrap(), Lookup::Live(session.clone()));
            assert!(matches!(store.get(TenantId::new(), session.id).await.unwrap(), Lookup::Unknown(_)));
        }

        // A reader that asked the catalog before the sign-out, and puts its answer after it.
        let slow = Ticket(0);
        store.remove(TENANT, ada.id).await.unwrap();
        store.put(ada.clone(), slow).await.unwrap();
        ticket(&store, ada.id).await;

        store.remove_user(TENANT, bob.user).await.unwrap();
        ticket(&store, bob.id).await;
        store.put(ada.clone(), ticket(&store, ada.id).await).await.unwrap();
        assert!(matches!(store.get(TENANT, ada.id).await.unwrap(), Lookup::Live(_)));
        clock.advance(Duration::from_secs(100));
        ticket(&store, ada.id).await;
    }
}
