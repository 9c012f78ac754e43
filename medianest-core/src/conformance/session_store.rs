//! The suite of [`SessionStore`].

use crate::{
    Clock, SessionId, SystemClock, TenantId, Timestamp, UserId,
    auth::{LiveSession, Lookup, SessionStore, Ticket},
};
use futures::future::join_all;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Emits a test for each promise of [`SessionStore`](crate::auth::SessionStore), which a store keeps that
/// remembers nothing, too; see [the module](crate::conformance).
#[macro_export]
macro_rules! session_store_tests {
    ($name:ident, $make:expr) => {
        $crate::__conformance_tests! { $name, dyn $crate::auth::SessionStore, $make, session_store {
            nobody_is_known_at_first,
            what_is_answered_is_what_was_put,
            a_removed_session_is_not_answered,
            what_was_put_with_an_earlier_ticket_stays_away,
            all_sessions_of_a_user_are_removed,
            an_earlier_ticket_is_void_for_a_removed_user,
            an_expired_session_is_not_answered,
            removing_what_is_absent_succeeds,
            slow_readers_revive_nothing,
        } }
    };
}

/// Emits a test for what a [`SessionStore`](crate::auth::SessionStore) should do that remembers.
#[macro_export]
macro_rules! session_memory_tests {
    ($name:ident, $make:expr) => {
        $crate::__conformance_tests! { $name, dyn $crate::auth::SessionStore, $make, session_store {
            what_was_put_is_remembered,
            a_session_can_be_put_again_after_it_was_removed,
            others_stay_when_a_user_is_removed,
        } }
    };
}

type Store = Arc<dyn SessionStore>;

const TENANT: TenantId = TenantId::DEFAULT;

fn session(user: UserId) -> LiveSession {
    LiveSession {
        id: SessionId::new(),
        tenant: TENANT,
        user,
        role: String::from("user"),
        auth_epoch: 7,
        must_change_password: true,
        expires_at: in_an_hour(),
    }
}

fn in_an_hour() -> Timestamp {
    Timestamp::from_micros(SystemClock.now().as_micros() + 3_600_000_000)
}

async fn ticket(store: &Store, id: SessionId) -> Ticket {
    match store.get(TENANT, id).await.unwrap() {
        Lookup::Unknown(ticket) => ticket,
        live => panic!("expected nothing, got {live:?}"),
    }
}

/// Puts a session as a reader does who asked the catalog.
async fn remember(store: &Store, session: &LiveSession) {
    let ticket = ticket(store, session.id).await;
    store.put(session.clone(), ticket).await.unwrap();
}

async fn is_known(store: &Store, session: &LiveSession) -> bool {
    match store.get(session.tenant, session.id).await.unwrap() {
        Lookup::Live(live) => {
            assert_eq!(&live, session);
            true
        }
        Lookup::Unknown(_) => false,
    }
}

/// What was never put is unknown.
pub async fn nobody_is_known_at_first(store: Store) {
    ticket(&store, SessionId::new()).await;
}

/// A session comes back as it was put, and only in its own tenant.
pub async fn what_is_answered_is_what_was_put(store: Store) {
    let ada = session(UserId::new());
    remember(&store, &ada).await;
    is_known(&store, &ada).await;
    assert!(matches!(store.get(TenantId::new(), ada.id).await.unwrap(), Lookup::Unknown(_)));
}

/// From the moment that `remove` returns.
pub async fn a_removed_session_is_not_answered(store: Store) {
    for _ in 0..20 {
        let ada = session(UserId::new());
        remember(&store, &ada).await;
        store.remove(TENANT, ada.id).await.unwrap();
        assert!(!is_known(&store, &ada).await);
    }
}

/// A reader who asked the catalog before the sign-out puts its answer after it.
pub async fn what_was_put_with_an_earlier_ticket_stays_away(store: Store) {
    let ada = session(UserId::new());
    let slow = ticket(&store, ada.id).await;
    store.remove(TENANT, ada.id).await.unwrap();
    store.put(ada.clone(), slow).await.unwrap();
    assert!(!is_known(&store, &ada).await);
    // Also when somebody else has asked again in between.
    store.put(ada.clone(), slow).await.unwrap();
    assert!(!is_known(&store, &ada).await);
}

/// From the moment that `remove_user` returns.
pub async fn all_sessions_of_a_user_are_removed(store: Store) {
    let user = UserId::new();
    let sessions: Vec<_> = (0..30).map(|_| session(user)).collect();
    for session in &sessions {
        remember(&store, session).await;
    }
    store.remove_user(TENANT, user).await.unwrap();
    for session in &sessions {
        assert!(!is_known(&store, session).await);
    }
}

/// Also when the store did not know the session, and so not whose it is.
pub async fn an_earlier_ticket_is_void_for_a_removed_user(store: Store) {
    let ada = session(UserId::new());
    let slow = ticket(&store, ada.id).await;
    store.remove_user(TENANT, ada.user).await.unwrap();
    store.put(ada.clone(), slow).await.unwrap();
    assert!(!is_known(&store, &ada).await);
}

/// Whatever the store keeps for how long.
pub async fn an_expired_session_is_not_answered(store: Store) {
    let mut over = session(UserId::new());
    over.expires_at = Timestamp::from_micros(SystemClock.now().as_micros() - 1);
    remember(&store, &over).await;
    assert!(!is_known(&store, &over).await);
}

/// As often as one likes.
pub async fn removing_what_is_absent_succeeds(store: Store) {
    let ada = session(UserId::new());
    for _ in 0..2 {
        store.remove(TENANT, ada.id).await.unwrap();
        store.remove_user(TENANT, ada.user).await.unwrap();
    }
}

/// Any number of readers, who put what the catalog told them, while it ends.
pub async fn slow_readers_revive_nothing(store: Store) {
    for round in 0..20 {
        let ada = session(UserId::new());
        let in_catalog = Arc::new(AtomicBool::new(true));
        let readers = (0..16).map(|_| {
            let (store, ada, in_catalog) = (Arc::clone(&store), ada.clone(), Arc::clone(&in_catalog));
            tokio::spawn(async move {
                for _ in 0..5 {
                    let Lookup::Unknown(ticket) = store.get(TENANT, ada.id).await.unwrap() else { continue };
                    let valid = in_catalog.load(Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    if valid {
                        store.put(ada.clone(), ticket).await.unwrap();
                    }
                }
            })
        });
        let readers: Vec<_> = readers.collect();
        in_catalog.store(false, Ordering::SeqCst);
        match round % 2 {
            0 => store.remove(TENANT, ada.id).await.unwrap(),
            _ => store.remove_user(TENANT, ada.user).await.unwrap(),
        }
        assert!(!is_known(&store, &ada).await);
        join_all(readers).await.into_iter().for_each(Result::unwrap);
        assert!(!is_known(&store, &ada).await);
    }
}

/// So that not every request asks the catalog.
pub async fn what_was_put_is_remembered(store: Store) {
    let ada = session(UserId::new());
    remember(&store, &ada).await;
    assert!(is_known(&store, &ada).await);
    // Not beyond its own end.
    let mut short = session(ada.user);
    short.expires_at = Timestamp::from_micros(SystemClock.now().as_micros() + 300_000);
    remember(&store, &short).await;
    while is_known(&store, &short).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(SystemClock.now() >= short.expires_at);
    assert!(is_known(&store, &ada).await);
}

/// A refresh removes a session, since its end is another one then; it goes on.
pub async fn a_session_can_be_put_again_after_it_was_removed(store: Store) {
    let mut ada = session(UserId::new());
    remember(&store, &ada).await;
    store.remove(TENANT, ada.id).await.unwrap();
    ada.expires_at = in_an_hour();
    remember(&store, &ada).await;
    assert!(is_known(&store, &ada).await);
}

/// Somebody else's password is no reason to ask the catalog.
pub async fn others_stay_when_a_user_is_removed(store: Store) {
    let (ada, bob) = (session(UserId::new()), session(UserId::new()));
    remember(&store, &ada).await;
    remember(&store, &bob).await;
    store.remove_user(TENANT, ada.user).await.unwrap();
    assert!(!is_known(&store, &ada).await && is_known(&store, &bob).await);
}
