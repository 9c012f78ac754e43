//! The suite of [`IdentityCatalog`].

use super::{assert_fails, fixture::*};
use crate::{
    ADMIN, ErrorKind, NewEvent, SessionId, TenantId, USER, UserId,
    catalog::{
        IdentityCatalog, NewSession, NewUser, RefreshSession, Refreshed, Session, SessionHolder, User,
        UserChange,
    },
    event_kinds,
};
use futures::future::{join, join_all};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Emits a test for each promise of [`IdentityCatalog`](crate::catalog::IdentityCatalog). The
/// expression gives a catalog that was migrated and is empty; see [the module](crate::conformance).
#[macro_export]
macro_rules! identity_tests {
    ($name:ident, $make:expr) => {
        $crate::__conformance_tests! { $name, dyn $crate::catalog::IdentityCatalog, $make, identity {
            a_user_is_got_as_it_was_made,
            a_login_is_taken_in_any_case,
            the_first_user_is_one,
            users_are_listed_by_login,
            changing_the_name_keeps_the_sessions,
            whatever_matters_ends_the_sessions,
            a_change_on_an_older_epoch_is_refused,
            a_tenant_keeps_an_administrator,
            administrators_cannot_all_leave_at_once,
            a_session_is_got_with_its_user,
            no_session_without_the_current_epoch,
            a_disabled_user_has_no_session,
            sessions_expire,
            a_refresh_replaces_the_secret,
            the_secret_before_it_is_a_race,
            a_used_secret_ends_the_session,
            an_invented_secret_ends_the_session,
            a_refresh_of_nothing_is_unknown,
            refreshing_at_the_same_time_succeeds_once,
            a_touch_puts_the_end_off,
            ending_sessions,
            a_secret_ends_its_session,
            sessions_are_listed,
            ended_sessions_are_trimmed,
        } }
    };
}

type Identity = Arc<dyn IdentityCatalog>;

fn new_user(login: &str, role: &str) -> NewUser {
    NewUser {
        id: UserId::new(),
        tenant: TENANT,
        login: login.to_owned(),
        name: format!("Name of {login}"),
        password_hash: String::from("$argon2id$v=19$…"),
        role: role.to_owned(),
        must_change_password: false,
        at: now(),
        event: told(event_kinds::USER_REGISTERED),
    }
}

async fn user(store: &Identity, login: &str, role: &str) -> User {
    store.create_user(new_user(login, role), false).await.unwrap()
}

fn new_session(user: &User, secret: u8) -> NewSession {
    NewSession {
        id: SessionId::new(),
        tenant: TENANT,
        user: user.id,
        auth_epoch: user.auth_epoch,
        refresh_hash: [secret; 32],
        client: String::from("Firefox on Linux"),
        idle: HOUR,
        absolute: 10 * HOUR,
    }
}

async fn session(store: &Identity, user: &User, secret: u8) -> Session {
    store.create_session(new_session(user, secret)).await.unwrap()
}

async fn valid(store: &Identity, id: SessionId) -> bool {
    store.get_session(TENANT, id).await.unwrap().is_some()
}

async fn refresh(store: &Identity, id: SessionId, presented: u8, next: u8, grace: Duration) -> Refreshed {
    let (presented, next) = ([presented; 32], [next; 32]);
    let refresh = RefreshSession { tenant: TENANT, id, presented, next, grace, idle: HOUR };
    store.refresh_session(&refresh, told(event_kinds::SESSION_REPLAYED)).await.unwrap()
}

async fn change(store: &Identity, id: UserId, change: UserChange) -> crate::Result<User> {
    store.change_user(TENANT, id, &change, vec![told(event_kinds::USER_ROLE_CHANGED)]).await
}

/// By id, and by login in any case; not in another tenant.
pub async fn a_user_is_got_as_it_was_made(store: Identity) {
    let new = NewUser { must_change_password: true, ..new_user("Olga@Example.org", ADMIN) };
    let made = store.create_user(new.clone(), false).await.unwrap();
    assert_eq!((made.id, made.tenant, &made.login, &made.name), (new.id, TENANT, &new.login, &new.name));
    assert_eq!((&made.password_hash, &made.role), (&new.password_hash, &new.role));
    assert_eq!((made.must_change_password, made.disabled_at, made.created_at), (true, None, new.at));
    assert_eq!(store.get_user(TENANT, new.id).await.unwrap().as_ref(), Some(&made));
    for login in ["Olga@Example.org", "olga@example.org", "OLGA@EXAMPLE.ORG"] {
        assert_eq!(store.find_user(TENANT, login).await.unwrap().as_ref(), Some(&made), "{login}");
        assert_eq!(store.find_user(TenantId::new(), login).await.unwrap(), None);
    }
    for nobody in ["olga", "", "olga@example.org ", "%", "olga_example.org"] {
        assert_eq!(store.find_user(TENANT, nobody).await.unwrap(), None, "{nobody:?}");
    }
    assert_eq!(store.get_user(TenantId::new(), new.id).await.unwrap(), None);
    assert_eq!(store.get_user(TENANT, UserId::new()).await.unwrap(), None);
}

/// `user_exists`; another tenant has its own logins.
pub async fn a_login_is_taken_in_any_case(store: Identity) {
    let first = user(&store, "Olga", USER).await;
    for login in ["Olga", "olga", "OLGA"] {
        let again = store.create_user(new_user(login, USER), false).await;
        assert_fails(again, ErrorKind::Conflict, "user_exists");
    }
    assert_eq!(store.list_users(TENANT, &page(10, None)).await.unwrap().items, [first]);
    let tenant = TenantId::new();
    let event = NewEvent { tenant, ..told("u") };
    store.create_user(NewUser { tenant, event, ..new_user("olga", USER) }, false).await.unwrap();
}

/// Of many who want to be: one administrator, and nobody after somebody is there.
pub async fn the_first_user_is_one(store: Identity) {
    let firsts = (0..8).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.create_user(new_user(&format!("first{n}"), ADMIN), true).await })
    });
    let mut made = 0;
    for first in join_all(firsts).await {
        match first.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "user_exists")),
        }
    }
    assert_eq!((made, store.list_users(TENANT, &page(10, None)).await.unwrap().items.len()), (1, 1));
    user(&store, "second", USER).await;
    let late = store.create_user(new_user("late", ADMIN), true).await;
    assert_fails(late, ErrorKind::Conflict, "user_exists");
    let tenant = TenantId::new();
    let event = NewEvent { tenant, ..told("u") };
    store.create_user(NewUser { tenant, event, ..new_user("olga", ADMIN) }, true).await.unwrap();
}

/// In pages of any size.
pub async fn users_are_listed_by_login(store: Identity) {
    for login in ["dora", "anna", "carl", "bert", "emil"] {
        user(&store, login, USER).await;
    }
    for limit in [1, 2, 5, 6] {
        let list = |page| {
            let store = store.clone();
            async move { store.list_users(TENANT, &page).await }
        };
        let logins: Vec<_> = pages(limit, list).await.into_iter().map(|user| user.login).collect();
        assert_eq!(logins, ["anna", "bert", "carl", "dora", "emil"], "pages of {limit}");
    }
    assert!(store.list_users(TenantId::new(), &page(10, None)).await.unwrap().items.is_empty());
    let forged = store.list_users(TENANT, &page(1, Some("forged".into()))).await;
    assert_fails(forged, ErrorKind::InvalidInput, "invalid_cursor");
}

/// So do newer parameters of the same password.
pub async fn changing_the_name_keeps_the_sessions(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    let session = session(&store, &olga, 1).await;
    let named =
        change(&store, olga.id, UserChange { name: Some("O.".into()), ..Default::default() }).await.unwrap();
    assert_eq!((named.name.as_str(), named.auth_epoch), ("O.", olga.auth_epoch));
    let rehash = UserChange { rehashed: Some("$newer".into()), ..Default::default() };
    let rehashed = change(&store, olga.id, rehash).await.unwrap();
    assert_eq!((rehashed.password_hash.as_str(), rehashed.auth_epoch), ("$newer", olga.auth_epoch));
    let (_, of) = store.get_session(TENANT, session.id).await.unwrap().unwrap();
    assert_eq!(of, rehashed);
    let nobody = change(&store, UserId::new(), UserChange::default()).await;
    assert_fails(nobody, ErrorKind::NotFound, "user_not_found");
    let elsewhere = store.change_user(TenantId::new(), olga.id, &UserChange::default(), vec![]).await;
    assert_fails(elsewhere, ErrorKind::NotFound, "user_not_found");
}

/// Password, role, being shut out or let in: a new epoch each time.
pub async fn whatever_matters_ends_the_sessions(store: Identity) {
    user(&store, "root", ADMIN).await;
    let mut olga = user(&store, "olga", USER).await;
    let peter = user(&store, "peter", USER).await;
    let other = session(&store, &peter, 9).await;
    for (secret, matters) in [
        UserChange { password: Some(("$other".into(), false)), ..Default::default() },
        UserChange { role: Some(ADMIN.into()), ..Default::default() },
        UserChange { disabled: Some(true), ..Default::default() },
    ]
    .into_iter()
    .enumerate()
    {
        let session = session(&store, &olga, u8::try_from(secret).unwrap()).await;
        let changed = change(&store, olga.id, matters.clone()).await.unwrap();
        assert!(changed.auth_epoch > olga.auth_epoch, "{matters:?}");
        assert!(!valid(&store, session.id).await, "{matters:?}");
        let refreshed = refresh(&store, session.id, u8::try_from(secret).unwrap(), 77, HOUR).await;
        assert_eq!(refreshed, Refreshed::Unknown, "{matters:?}");
        olga = changed;
    }
    assert_eq!((olga.password_hash.as_str(), olga.role.as_str()), ("$other", ADMIN));
    assert!(olga.disabled_at.is_some());
    let back =
        change(&store, olga.id, UserChange { disabled: Some(false), ..Default::default() }).await.unwrap();
    assert_eq!(back.disabled_at, None);
    assert!(back.auth_epoch > olga.auth_epoch);
    assert!(valid(&store, other.id).await, "the session of somebody else");
}

/// `user_changed`: the password that was checked is no longer the one.
pub async fn a_change_on_an_older_epoch_is_refused(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    let reset = UserChange { password: Some(("$reset".into(), true)), ..Default::default() };
    let reset = change(&store, olga.id, reset).await.unwrap();
    let session = session(&store, &reset, 1).await;
    for late in [
        UserChange { password: Some(("$late".into(), false)), ..Default::default() },
        UserChange { rehashed: Some("$late".into()), ..Default::default() },
        UserChange { name: Some("Late".into()), ..Default::default() },
    ] {
        let on = |epoch| UserChange { expected_epoch: Some(epoch), ..late.clone() };
        let refused = change(&store, olga.id, on(olga.auth_epoch)).await;
        assert_fails(refused, ErrorKind::PreconditionFailed, "user_changed");
        assert_eq!(store.get_user(TENANT, olga.id).await.unwrap().as_ref(), Some(&reset));
    }
    assert!(valid(&store, session.id).await);
    let rehash = UserChange { rehashed: Some("$newer".into()), ..Default::default() };
    let rehash = UserChange { expected_epoch: Some(reset.auth_epoch), ..rehash };
    assert_eq!(change(&store, olga.id, rehash).await.unwrap().password_hash, "$newer");
}

/// `last_admin`, whether by role or by being shut out; those who are shut out do not count.
pub async fn a_tenant_keeps_an_administrator(store: Identity) {
    let root = user(&store, "root", ADMIN).await;
    user(&store, "olga", USER).await;
    let session = session(&store, &root, 1).await;
    let demote = || UserChange { role: Some(USER.into()), ..Default::default() };
    let disable = || UserChange { disabled: Some(true), ..Default::default() };
    for last in [demote(), disable()] {
        assert_fails(change(&store, root.id, last).await, ErrorKind::Conflict, "last_admin");
    }
    assert_eq!(store.get_user(TENANT, root.id).await.unwrap().as_ref(), Some(&root));
    assert!(valid(&store, session.id).await);
    let second = user(&store, "second", ADMIN).await;
    change(&store, second.id, disable()).await.unwrap();
    assert_fails(change(&store, root.id, demote()).await, ErrorKind::Conflict, "last_admin");
    change(&store, second.id, UserChange { disabled: Some(false), ..Default::default() }).await.unwrap();
    change(&store, root.id, demote()).await.unwrap();
    assert_fails(change(&store, second.id, disable()).await, ErrorKind::Conflict, "last_admin");
}

/// Two who resign at the same time: one of them stays.
pub async fn administrators_cannot_all_leave_at_once(store: Identity) {
    let (mut a, mut b) = (user(&store, "a", ADMIN).await, user(&store, "b", ADMIN).await);
    for round in 0..10 {
        let resign = |id| {
            let (store, role) = (store.clone(), Some(USER.to_owned()));
            tokio::spawn(async move { change(&store, id, UserChange { role, ..Default::default() }).await })
        };
        let (first, second) = join(resign(a.id), resign(b.id)).await;
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(first.is_ok() != second.is_ok(), "round {round}: {first:?} {second:?}");
        for user in [&mut a, &mut b] {
            let role = Some(ADMIN.to_owned());
            *user = change(&store, user.id, UserChange { role, ..Default::default() }).await.unwrap();
        }
    }
}

/// While it is valid, in its tenant.
pub async fn a_session_is_got_with_its_user(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    let new = new_session(&olga, 1);
    let made = store.create_session(new.clone()).await.unwrap();
    assert_eq!((made.id, made.user_id, &made.client), (new.id, olga.id, &new.client));
    let left = made.expires_at.since(made.created_at);
    assert!(left >= HOUR - Duration::from_secs(1) && left <= HOUR + Duration::from_secs(1), "{left:?}");
    assert_eq!(store.get_session(TENANT, new.id).await.unwrap(), Some((made, olga)));
    assert_eq!(store.get_session(TenantId::new(), new.id).await.unwrap(), None);
    assert_eq!(store.get_session(TENANT, SessionId::new()).await.unwrap(), None);
}

/// `user_not_found`: the password was checked before something that mattered changed.
pub async fn no_session_without_the_current_epoch(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    let password = Some(("$other".into(), false));
    change(&store, olga.id, UserChange { password, ..Default::default() }).await.unwrap();
    let late = store.create_session(new_session(&olga, 1)).await;
    assert_fails(late, ErrorKind::NotFound, "user_not_found");
    let nobody = NewSession { user: UserId::new(), ..new_session(&olga, 1) };
    assert_fails(store.create_session(nobody).await, ErrorKind::NotFound, "user_not_found");
    let elsewhere =
        NewSession { tenant: TenantId::new(), auth_epoch: olga.auth_epoch + 1, ..new_session(&olga, 1) };
    assert_fails(store.create_session(elsewhere).await, ErrorKind::NotFound, "user_not_found");
    assert!(store.list_sessions(TENANT, olga.id).await.unwrap().is_empty());
}

/// Neither an old nor a new one.
pub async fn a_disabled_user_has_no_session(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    let old = session(&store, &olga, 1).await;
    let disabled = UserChange { disabled: Some(true), ..Default::default() };
    let olga = change(&store, olga.id, disabled).await.unwrap();
    assert!(!valid(&store, old.id).await);
    let new = store.create_session(new_session(&olga, 2)).await;
    assert_fails(new, ErrorKind::NotFound, "user_not_found");
}

/// When idle for too long, and when too old however busy.
pub async fn sessions_expire(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    for (secret, idle, absolute) in [(1, Duration::ZERO, HOUR), (2, HOUR, Duration::ZERO)] {
        let new = NewSession { idle, absolute, ..new_session(&olga, secret) };
        let id = store.create_session(new).await.unwrap().id;
        assert!(!valid(&store, id).await);
        assert_eq!(refresh(&store, id, secret, 77, HOUR).await, Refreshed::Unknown);
        assert!(!valid(&store, id).await);
    }
    assert!(store.list_sessions(TENANT, olga.id).await.unwrap().is_empty());
    let new = NewSession { absolute: HOUR / 2, ..new_session(&olga, 3) };
    let id = store.create_session(new).await.unwrap().id;
    let Refreshed::Done(session, _) = refresh(&store, id, 3, 4, HOUR).await else { panic!("not refreshed") };
    let left = session.expires_at.since(session.created_at);
    assert!(left <= HOUR / 2 + Duration::from_secs(1), "a refresh moved the end: {left:?}");
}

/// Again and again, each by the one that follows.
pub async fn a_refresh_replaces_the_secret(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    let session = session(&store, &olga, 1).await;
    for secret in 1..5 {
        let Refreshed::Done(refreshed, user) =
            refresh(&store, session.id, secret, secret + 1, Duration::ZERO).await
        else {
            panic!("secret {secret} was refused");
        };
        assert_eq!((refreshed.id, &user), (session.id, &olga));
        assert!(refreshed.refreshed_at >= session.refreshed_at);
        assert!(refreshed.expires_at >= session.expires_at);
    }
    assert!(valid(&store, session.id).await);
}

/// Within the grace: nothing changes, the session lives.
pub async fn the_secret_before_it_is_a_race(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    let session = session(&store, &olga, 1).await;
    assert!(matches!(refresh(&store, session.id, 1, 2, HOUR).await, Refreshed::Done(..)));
    let before = store.get_session(TENANT, session.id).await.unwrap();
    for _ in 0..2 {
        assert_eq!(refresh(&store, session.id, 1, 3, HOUR).await, Refreshed::Raced);
    }
    assert_eq!(store.get_session(TENANT, session.id).await.unwrap(), before);
    assert!(matches!(refresh(&store, session.id, 2, 4, HOUR).await, Refreshed::Done(..)));
    assert_eq!(refresh(&store, session.id, 2, 5, HOUR).await, Refreshed::Raced);
}

/// After the grace, or further back: somebody has stolen it.
pub async fn a_used_secret_ends_the_session(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    let other = session(&store, &olga, 100).await;
    for (used, grace) in [(2, Duration::ZERO), (1, HOUR)] {
        let session = session(&store, &olga, 1).await;
        for secret in 1..3 {
            assert!(matches!(
                refresh(&store, session.id, secret, secret + 1, HOUR).await,
                Refreshed::Done(..)
            ));
        }
        assert_eq!(refresh(&store, session.id, used, 9, grace).await, Refreshed::Replayed);
        assert!(!valid(&store, session.id).await);
        assert_eq!(refresh(&store, session.id, 3, 10, HOUR).await, Refreshed::Unknown);
    }
    assert!(valid(&store, other.id).await, "another session of the same user");
}

/// Any other secret does.
pub async fn an_invented_secret_ends_the_session(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    let session = session(&store, &olga, 1).await;
    assert_eq!(refresh(&store, session.id, 66, 67, HOUR).await, Refreshed::Replayed);
    assert!(!valid(&store, session.id).await);
    assert_eq!(refresh(&store, session.id, 1, 2, HOUR).await, Refreshed::Unknown);
}

/// Not there, or of another tenant.
pub async fn a_refresh_of_nothing_is_unknown(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    let session = session(&store, &olga, 1).await;
    assert_eq!(refresh(&store, SessionId::new(), 1, 2, HOUR).await, Refreshed::Unknown);
    let elsewhere = RefreshSession {
        tenant: TenantId::new(),
        id: session.id,
        presented: [66; 32],
        next: [2; 32],
        grace: HOUR,
        idle: HOUR,
    };
    assert_eq!(store.refresh_session(&elsewhere, told("r")).await.unwrap(), Refreshed::Unknown);
    assert!(valid(&store, session.id).await);
}

/// The others are races, not thieves.
pub async fn refreshing_at_the_same_time_succeeds_once(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    let session = session(&store, &olga, 1).await;
    let refreshes = (0..8).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { refresh(&store, session.id, 1, 10 + n, HOUR).await })
    });
    let mut done = 0;
    for refreshed in join_all(refreshes).await {
        match refreshed.unwrap() {
            Refreshed::Done(..) => done += 1,
            other => assert_eq!(other, Refreshed::Raced),
        }
    }
    assert_eq!(done, 1);
    assert!(valid(&store, session.id).await);
}

/// Until the absolute end; not of what is over, nor in another tenant.
pub async fn a_touch_puts_the_end_off(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    let first = session(&store, &olga, 1).await;
    let touched = async |tenant, idle| {
        store.touch_session(tenant, first.id, idle).await.unwrap();
        store.get_session(TENANT, first.id).await.unwrap().unwrap().0
    };
    assert_eq!(touched(TenantId::new(), 2 * HOUR).await, first);
    let second = Duration::from_secs(1);
    let later = touched(TENANT, 2 * HOUR).await;
    assert!(later.refreshed_at >= first.refreshed_at);
    assert!(later.expires_at.since(later.refreshed_at) > 2 * HOUR - second, "{later:?}");
    let last = touched(TENANT, 100 * HOUR).await;
    assert!(last.expires_at.since(last.created_at) <= 10 * HOUR + second, "past its end: {last:?}");
    assert!(matches!(refresh(&store, first.id, 1, 2, HOUR).await, Refreshed::Done(..)), "the secret is kept");

    assert!(store.end_session(TENANT, first.id, SessionHolder::User(olga.id)).await.unwrap());
    let expired = NewSession { idle: Duration::ZERO, ..new_session(&olga, 3) };
    let expired = store.create_session(expired).await.unwrap();
    for over in [first.id, expired.id, SessionId::new()] {
        store.touch_session(TENANT, over, HOUR).await.unwrap();
        assert!(!valid(&store, over).await);
    }
}

/// One, also twice; all but one; those of nobody else.
pub async fn ending_sessions(store: Identity) {
    let (olga, peter) = (user(&store, "olga", USER).await, user(&store, "peter", USER).await);
    let mut ids = Vec::new();
    for secret in 0..4 {
        ids.push(session(&store, &olga, secret).await.id);
    }
    let other = session(&store, &peter, 9).await.id;
    let of_olga = SessionHolder::User(olga.id);
    assert!(!store.end_session(TenantId::new(), ids[0], of_olga).await.unwrap(), "from another tenant");
    assert!(
        !store.end_session(TENANT, ids[0], SessionHolder::User(peter.id)).await.unwrap(),
        "by another user"
    );
    assert!(valid(&store, ids[0]).await);
    for first in [true, false] {
        assert_eq!(store.end_session(TENANT, ids[0], of_olga).await.unwrap(), first);
        assert!(!valid(&store, ids[0]).await);
    }
    assert!(!store.end_session(TENANT, SessionId::new(), of_olga).await.unwrap());
    assert!(store.end_sessions(TenantId::new(), olga.id, None).await.unwrap().is_empty());
    let ended: BTreeSet<_> =
        store.end_sessions(TENANT, olga.id, Some(ids[1])).await.unwrap().into_iter().collect();
    assert_eq!(ended, BTreeSet::from([ids[2], ids[3]]));
    assert!(valid(&store, ids[1]).await && valid(&store, other).await);
    assert_eq!(store.end_sessions(TENANT, olga.id, None).await.unwrap(), [ids[1]]);
    assert!(store.end_sessions(TENANT, olga.id, None).await.unwrap().is_empty());
    assert!(valid(&store, other).await);
}

/// The present secret does, and the one before; no other, and not that of another session.
pub async fn a_secret_ends_its_session(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    let end =
        async |id, secret| store.end_session(TENANT, id, SessionHolder::Secret([secret; 32])).await.unwrap();
    for shown in [2, 3] {
        let (first, other) = (session(&store, &olga, 1).await, session(&store, &olga, 9).await);
        for (presented, next) in [(1, 2), (2, 3)] {
            let refreshed = refresh(&store, first.id, presented, next, HOUR).await;
            assert!(matches!(refreshed, Refreshed::Done(..)));
        }
        for wrong in [1, 4, 9] {
            assert!(!end(first.id, wrong).await, "{wrong}");
        }
        assert!(valid(&store, first.id).await);
        assert!(end(first.id, shown).await && !end(first.id, shown).await, "{shown}");
        assert!(!valid(&store, first.id).await && valid(&store, other.id).await);
    }
}

/// Those that are valid, newest first.
pub async fn sessions_are_listed(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    let mut made = Vec::new();
    for secret in 0..4 {
        made.push(session(&store, &olga, secret).await);
    }
    let expired = NewSession { idle: Duration::ZERO, ..new_session(&olga, 9) };
    store.create_session(expired).await.unwrap();
    store.end_session(TENANT, made.remove(1).id, SessionHolder::User(olga.id)).await.unwrap();
    let listed = store.list_sessions(TENANT, olga.id).await.unwrap();
    assert!(listed.is_sorted_by(|a, b| a.created_at >= b.created_at));
    let ids = |sessions: &[Session]| sessions.iter().map(|session| session.id).collect::<BTreeSet<_>>();
    assert_eq!((listed.len(), ids(&listed)), (3, ids(&made)));
    assert!(store.list_sessions(TenantId::new(), olga.id).await.unwrap().is_empty());
}

/// Those that ended or expired long enough ago, not more than asked for.
pub async fn ended_sessions_are_trimmed(store: Identity) {
    let olga = user(&store, "olga", USER).await;
    let alive = session(&store, &olga, 1).await;
    for secret in 2..5 {
        let ended = session(&store, &olga, secret).await;
        store.end_session(TENANT, ended.id, SessionHolder::User(olga.id)).await.unwrap();
    }
    store.create_session(NewSession { idle: Duration::ZERO, ..new_session(&olga, 9) }).await.unwrap();
    a_moment().await;
    assert_eq!(store.trim_sessions(HOUR, 10).await.unwrap(), 0);
    assert_eq!(store.trim_sessions(Duration::ZERO, 3).await.unwrap(), 3);
    assert_eq!(store.trim_sessions(Duration::ZERO, 10).await.unwrap(), 1);
    assert_eq!(store.trim_sessions(Duration::ZERO, 10).await.unwrap(), 0);
    assert!(valid(&store, alive.id).await);
}
