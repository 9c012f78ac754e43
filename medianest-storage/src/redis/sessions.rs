use super::{Redis, error::unexpected, script::Script};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use medianest_core::{
    Clock, Error, Result, SessionId, TenantId, Timestamp, UserId,
    auth::{LiveSession, Lookup, SessionStore, Ticket},
};
use redis::cmd;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc, time::Duration};
use uuid::Uuid;

/// For so long an answer of the catalog is believed. Redis replicates after it has answered, so that a
/// failover may undo a removal; and then for so long at most.
const BELIEVED: Duration = Duration::from_secs(60);
/// For so long a ticket is good.
const TICKET: Duration = Duration::from_secs(10);
/// For so long nothing is put for a user whose sessions were removed: until all tickets of before are void.
const REMOVED: Duration = Duration::from_secs(15);
/// For so long a user's session is looked for, longer than it can be there.
const LISTED: Duration = Duration::from_secs(90);
/// Sessions that are removed at once.
const AT_ONCE: usize = 16;

/// Sessions shared by all processes that use the same Redis.
///
/// A lookup that finds nothing leaves a *lease* under the session's key, and gives its number as the
/// ticket. Putting the session replaces that lease; removing it deletes whatever is there, so that what is
/// put with an earlier ticket finds no lease any more. A Redis that lost everything has lost the leases
/// too.
///
/// Fails closed while Redis is away. An answer is believed for a minute, so that a failover within
/// Redis, which may lose its last moments, revives no session for longer.
#[derive(Clone)]
pub struct RedisSessions {
    redis: Redis,
    clock: Arc<dyn Clock>,
    scripts: Arc<Scripts>,
}

struct Scripts {
    list: Script,
    put: Script,
    remove_user: Script,
}

/// What stands under a session's key.
enum Entry {
    Live(Box<LiveSession>),
    Lease(u64),
    /// Of another version, or a lease that a put never matches.
    Other,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    user: UserId,
    role: String,
    auth_epoch: i64,
    must_change_password: bool,
    expires_at: Timestamp,
}

impl RedisSessions {
    /// Sessions in this Redis; whether one has expired goes by `clock`.
    pub fn new(redis: Redis, clock: Arc<dyn Clock>) -> Self {
        let scripts = Scripts {
            // KEYS: the user's sessions, the mark of their removal. ARGV: session, milliseconds.
            list: Script::new(
                "if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end \
                 local time = redis.call('TIME') \
                 local now = time[1] * 1000 + math.floor(time[2] / 1000) \
                 redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now) \
                 redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) \
                 redis.call('PEXPIRE', KEYS[1], ARGV[2]) \
                 return 1",
            ),
            // KEYS: the session. ARGV: lease, value, milliseconds.
            put: Script::new(
                "if redis.call('GET', KEYS[1]) == ARGV[1] then \
                 redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end",
            ),
            // KEYS and ARGV: as of `list`. Sessions end also where memory has.
            remove_user: Script::new(
                "#!lua flags=allow-oom\n\
                 redis.call('SET', KEYS[2], 1, 'PX', ARGV[1]) \
                 return redis.call('ZRANGE', KEYS[1], 0, -1)",
            ),
        };
        Self { redis, clock, scripts: Arc::new(scripts) }
    }

    fn session_key(&self, tenant: TenantId, id: impl fmt::Display) -> String {
        self.redis.key(format_args!("session:{tenant}:{id}"))
    }

    fn user_keys(&self, tenant: TenantId, user: UserId) -> [String; 2] {
        ["sessions", "removed"].map(|name| self.redis.key(format_args!("{{user:{tenant}:{user}}}:{name}")))
    }

    fn read(&self, value: &str, tenant: TenantId, id: SessionId) -> Entry {
        if let Some(lease) = value.strip_prefix(LEASE) {
            return lease.parse().map_or(Entry::Other, Entry::Lease);
        }
        let Ok(stored) = serde_json::from_str::<Stored>(value) else { return Entry::Other };
        if stored.expires_at <= self.clock.now() {
            return Entry::Other;
        }
        let Stored { user, role, auth_epoch, must_change_password, expires_at } = stored;
        let session = LiveSession { id, tenant, user, role, auth_epoch, must_change_password, expires_at };
        Entry::Live(Box::new(session))
    }

    fn answer(entry: Entry) -> Lookup {
        match entry {
            Entry::Live(session) => Lookup::Live(*session),
            Entry::Lease(ticket) => Lookup::Unknown(Ticket(ticket)),
            Entry::Other => Lookup::Unknown(Ticket(VOID)),
        }
    }
}

/// What a lease begins with, which no session does.
const LEASE: char = '?';
/// A ticket that is never good.
const VOID: u64 = 0;

impl fmt::Debug for RedisSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSessions").field("redis", &self.redis).finish_non_exhaustive()
    }
}

#[async_trait]
impl SessionStore for RedisSessions {
    async fn get(&self, tenant: TenantId, id: SessionId) -> Result<Lookup> {
        let key = self.session_key(tenant, id);
        if let Some(value) = self.redis.ask::<Option<String>>(cmd("GET").arg(&key)).await? {
            return Ok(Self::answer(self.read(&value, tenant, id)));
        }
        let ticket = Uuid::new_v4().as_u64_pair().0;
        let mut lease = cmd("SET");
        lease.arg(&key).arg(format!("{LEASE}{ticket}")).arg("NX").arg("GET").arg("PX").arg(millis(TICKET));
        match self.redis.ask::<Option<String>>(&lease).await {
            Ok(None) => Ok(Lookup::Unknown(Ticket(ticket))),
            // Somebody else was here since.
            Ok(Some(value)) => Ok(Self::answer(self.read(&value, tenant, id))),
            // It cannot remember, but it does know that there is nothing.
            Err(error) if error.code() == "redis_full" => Ok(Lookup::Unknown(Ticket(VOID))),
            Err(error) => Err(error),
        }
    }

    async fn put(&self, session: LiveSession, ticket: Ticket) -> Result<()> {
        let left = session.expires_at.since(self.clock.now()).min(BELIEVED);
        if left.is_zero() || ticket.0 == VOID {
            return Ok(());
        }
        let (tenant, id) = (session.tenant, session.id);
        let [sessions, removed] = self.user_keys(tenant, session.user);
        let listed = self
            .scripts
            .list
            .run::<bool>(&self.redis, &[&sessions, &removed], &[&id.to_string(), &millis(LISTED)])
            .await?;
        if !listed {
            return Ok(());
        }
        let LiveSession { user, role, auth_epoch, must_change_password, expires_at, .. } = session;
        let stored = Stored { user, role, auth_epoch, must_change_password, expires_at };
        let value = serde_json::to_string(&stored)
            .map_err(|source| Error::internal("cannot write JSON").caused_by(source))?;
        let (lease, key) = (format!("{LEASE}{}", ticket.0), self.session_key(tenant, id));
        // Whole milliseconds, and not too few: whether a session has expired is looked at when it is read.
        let left = millis(left + Duration::from_millis(1));
        self.scripts.put.run(&self.redis, &[&key], &[&lease, &value, &left]).await
    }

    async fn remove(&self, tenant: TenantId, id: SessionId) -> Result<()> {
        self.redis.ask(cmd("DEL").arg(self.session_key(tenant, id))).await
    }

    async fn remove_user(&self, tenant: TenantId, user: UserId) -> Result<()> {
        let [sessions, removed] = self.user_keys(tenant, user);
        let sessions: Vec<String> =
            self.scripts.remove_user.run(&self.redis, &[&sessions, &removed], &[&millis(REMOVED)]).await?;
        let ids = sessions.iter().map(|id| id.parse().map_err(|_| unexpected("a user's sessions")));
        let ids = ids.collect::<Result<Vec<SessionId>>>()?;
        let removals = ids.into_iter().map(|id| self.remove(tenant, id));
        stream::iter(removals).buffer_unordered(AT_ONCE).try_collect().await
    }
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}
