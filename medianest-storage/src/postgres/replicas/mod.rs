//! Reading from streaming replicas what the caller has written, and what others wrote a moment ago.
//!
//! Two positions in the write-ahead log decide. After each write of a caller, before it is answered, the
//! primary notes how far the log has come ([`record`]). A read first asks the primary for that note and for
//! the head of its log ([`Need`]); a replica is used when it has replayed that far, and to where the head was
//! at most `max_lag` ago ([`Horizon`]), in the history that the primary goes on with. No clock of any server plays a part. That question is one look into a
//! small index: what costs, the list or the search, is then done by the replica, on the very connection that
//! was asked how far it has come, so that also a URL behind which servers change is right.

mod horizon;
mod reached;
mod replica;

pub(super) use reached::{EVERYBODY, Need, announce, record};

use super::{Connections, PostgresOptions, pool};
use crate::catalog::Command;
use horizon::Horizon;
use medianest_core::Result;
use replica::Replica;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

/// The replicas of a database, which take turns.
#[derive(Debug)]
pub(super) struct Replicas {
    all: Vec<Replica>,
    horizon: Mutex<Horizon>,
    turn: AtomicUsize,
}

impl Replicas {
    /// Connects to nobody yet. None when there are none.
    ///
    /// # Errors
    /// `invalid_database_url`.
    pub(super) fn of(options: &PostgresOptions) -> Result<Option<Self>> {
        let all = options.replicas.iter().map(|url| Ok(Replica::new(pool::replica(url, options)?)));
        let all = all.collect::<Result<Vec<_>>>()?;
        let horizon = Mutex::new(Horizon::new(options.max_lag));
        Ok((!all.is_empty()).then(|| Self { all, horizon, turn: AtomicUsize::new(0) }))
    }

    /// The answer of the next replica that has come far enough; None when there is none, and the primary
    /// has to answer. `asked` is when the primary was asked for `need`.
    pub(super) async fn read<A, T>(
        &self,
        need: Need,
        asked: Instant,
        args: &A,
        command: Command<A, T>,
    ) -> Option<Result<T>> {
        let fresh = self.horizon.lock().unwrap_or_else(PoisonError::into_inner).see(asked, need.head);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.all.len();
        let (later, first) = self.all.split_at(turn);
        for replica in first.iter().chain(later) {
            let least = (need.wrote.max(fresh), need.timeline);
            if let Some(answer) = replica.read(least, args, command).await {
                return Some(answer);
            }
        }
        None
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Replica> {
        self.all.iter()
    }

    pub(super) fn connections(&self) -> impl Iterator<Item = Connections> {
        self.all.iter().map(Replica::connections)
    }

    pub(super) async fn close(&self) {
        for replica in &self.all {
            replica.close().await;
        }
    }
}
