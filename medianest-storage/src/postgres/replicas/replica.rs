use super::{super::at_hand::Waiting, Connections, reached::replayed};
use crate::{catalog::Command, sql::Conn};
use medianest_core::{Error, ErrorKind, Result};
use sqlx::{PgPool, Postgres, pool::PoolConnection};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// In this time a replica says how far it has come, or it is away.
const PATIENCE: Duration = Duration::from_secs(1);
/// In this time it answers a read, or the primary does.
const LONGEST_READ: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A server that follows the primary. When it is away it is left alone for a while, and then one caller
/// looks whether it has come back.
#[derive(Debug)]
pub(in super::super) struct Replica {
    pool: PgPool,
    waiting: Arc<AtomicU32>,
    away: Mutex<Option<Away>>,
}

#[derive(Clone, Copy, Debug)]
struct Away {
    until: Instant,
    pause: Duration,
}

impl Replica {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, waiting: Arc::default(), away: Mutex::new(None) }
    }

    /// The answer, when the replica has come so far; None when somebody else has to answer.
    pub(super) async fn read<A, T>(
        &self,
        (least, timeline): (i64, i64),
        args: &A,
        command: Command<A, T>,
    ) -> Option<Result<T>> {
        if !self.may_be_asked(Instant::now()) {
            return None;
        }
        let waiting = Waiting::begin(&self.waiting);
        let acquired = timeout(PATIENCE, self.pool.acquire()).await;
        drop(waiting);
        let mut connection = match acquired {
            Ok(Ok(connection)) => connection,
            // All its connections are at work: there is nothing wrong with it.
            Err(_) if self.is_busy() => return None,
            _ => return self.leave_alone("no connection"),
        };
        match timeout(PATIENCE, replayed(&mut connection)).await {
            // Positions of one history say nothing about another.
            Ok(Ok((Some(_), of))) if of != Some(timeline) => {
                return self.leave_alone("it follows another history");
            }
            Ok(Ok((Some(reached), _))) => {
                self.is_back();
                if reached < least {
                    return None;
                }
            }
            answer => {
                connection.close_on_drop();
                let why = if matches!(answer, Ok(Ok((None, _)))) { "it follows nobody" } else { "no answer" };
                return self.leave_alone(why);
            }
        }
        match timeout(LONGEST_READ, command(&mut Conn::Postgres(&mut connection), args)).await {
            Ok(Err(error)) if error.code() == "database_unavailable" => {
                connection.close_on_drop();
                self.leave_alone("it went away")
            }
            // What it replays may get in the way of a read, and a migration may not have reached it yet.
            Ok(Err(error)) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Internal) => None,
            Ok(answer) => Some(answer),
            Err(_) => {
                connection.close_on_drop();
                self.leave_alone("it does not finish")
            }
        }
    }

    /// A connection, whether or not it is left alone at present.
    ///
    /// # Errors
    /// `replica_unavailable` (Unavailable).
    pub(in super::super) async fn connection(&self) -> Result<PoolConnection<Postgres>> {
        let away = || Error::unavailable("replica_unavailable", "the replica does not answer");
        match timeout(PATIENCE, self.pool.acquire()).await {
            Ok(connection) => connection.map_err(|source| away().caused_by(source)),
            Err(_) => Err(away()),
        }
    }

    pub(super) fn connections(&self) -> Connections {
        Connections::of(&self.pool, (0, self.waiting.load(Ordering::Relaxed)))
    }

    fn is_busy(&self) -> bool {
        self.pool.num_idle() == 0 && self.pool.size() >= self.pool.options().get_max_connections()
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    fn with_away<T>(&self, act: impl FnOnce(&mut Option<Away>) -> T) -> T {
        act(&mut self.away.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// While it is away: whether the pause is over, for the first who asks.
    fn may_be_asked(&self, now: Instant) -> bool {
        self.with_away(|away| match away {
            None => true,
            Some(away) if now < away.until => false,
            Some(away) => {
                away.pause = (away.pause * 2).min(LONGEST_PAUSE);
                away.until = now + away.pause;
                true
            }
        })
    }

    fn leave_alone<T>(&self, why: &str) -> Option<T> {
        self.with_away(|away| {
            if away.is_none() {
                tracing::warn!(why, "a replica is away; the primary answers instead");
                *away = Some(Away { until: Instant::now() + FIRST_PAUSE, pause: FIRST_PAUSE });
            }
        });
        None
    }

    fn is_back(&self) {
        if self.with_away(Option::take).is_some() {
            tracing::info!("a replica is back");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_replica_that_is_away_is_asked_less_and_less_often() {
        let replica = Replica::new(PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/nothing").unwrap());
        let mut now = Instant::now();
        assert!(replica.may_be_asked(now) && replica.may_be_asked(now));
        assert!(replica.leave_alone::<()>("no answer").is_none());
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let until = replica.with_away(|away| away.unwrap().until);
            assert!(!replica.may_be_asked(until - Duration::from_millis(1)));
            assert!(replica.may_be_asked(until) && !replica.may_be_asked(until), "one looks");
            pauses.push(replica.with_away(|away| away.unwrap().until) - until);
            now = until;
        }
        assert_eq!(pauses.iter().map(Duration::as_secs).collect::<Vec<_>>(), [2, 4, 8, 15, 15, 15]);
        replica.is_back();
        assert!(replica.may_be_asked(now) && replica.may_be_asked(now));
    }
}
