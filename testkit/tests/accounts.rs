//! Accounts on a real catalog: what comes between, and sessions that slide.

use medianest_core::{
    Clock, ErrorKind, Principal, SystemClock, Timestamp,
    auth::{
        Accounts, AccountsOptions, Authenticator, CatalogSessions, KeySet, NewAccount, PasswordOptions,
        Passwords, SignIn, TokenKind, TokenOptions, Tokens,
    },
    catalog::{Catalog, IdentityCatalog, User},
};
use medianest_storage::SqliteCatalog;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::runtime::Handle;

const OLD: &str = "the old password";
const RESET: &str = "reset by an administrator";

/// A clock that lets something happen when somebody looks at it, after so many looks at which nothing does.
#[derive(Default)]
struct Meanwhile(Mutex<Option<(u32, Happening)>>);

type Happening = Box<dyn FnOnce() + Send>;

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile")
    }
}

impl Clock for Meanwhile {
    fn now(&self) -> Timestamp {
        let due = {
            let mut waiting = self.0.lock().unwrap();
            match &mut *waiting {
                Some((looks @ 1.., _)) => {
                    *looks -= 1;
                    None
                }
                _ => waiting.take(),
            }
        };
        if let Some((_, act)) = due {
            act();
        }
        SystemClock.now()
    }
}

fn passwords(memory_kib: u32) -> Passwords {
    let mut options = PasswordOptions::default();
    (options.memory_kib, options.iterations) = (memory_kib, 1);
    Passwords::new(&options).unwrap()
}

fn accounts(
    catalog: &Arc<SqliteCatalog>,
    memory_kib: u32,
    clock: Arc<Meanwhile>,
    options: AccountsOptions,
) -> Arc<Accounts> {
    let tokens = Tokens::new(TokenOptions::default(), KeySet::generate().unwrap(), clock.clone());
    let (passwords, sessions) = (Arc::new(passwords(memory_kib)), Arc::new(CatalogSessions));
    Arc::new(Accounts::new(catalog.clone(), sessions, passwords, Arc::new(tokens), clock, options))
}

async fn catalog() -> Arc<SqliteCatalog> {
    let catalog = SqliteCatalog::in_memory().await.unwrap();
    catalog.migrate().await.unwrap();
    Arc::new(catalog)
}

async fn ada(accounts: &Accounts) -> User {
    let account = NewAccount { login: "ada".into(), name: None, password: OLD.into() };
    accounts.create_user(&Principal::admin("root"), account, "user", false).await.unwrap()
}

fn sign_in(password: &str, kind: TokenKind) -> SignIn {
    SignIn { login: "ada".into(), password: password.into(), client: "test".into(), kind }
}

/// Has an administrator reset the password of a user when somebody looks at the clock, after so many looks.
fn reset_meanwhile(clock: &Meanwhile, looks: u32, accounts: &Arc<Accounts>, user: &User) {
    let (accounts, user, runtime) = (accounts.clone(), user.id, Handle::current());
    let reset = move || {
        let done = std::thread::spawn(move || {
            let root = Principal::admin("root");
            runtime.block_on(accounts.reset_password(&root, user, Some(RESET.into()))).unwrap();
        });
        done.join().unwrap();
    };
    *clock.0.lock().unwrap() = Some((looks, Box::new(reset)));
}

async fn assert_reset_holds(accounts: &Accounts, lost: &[&str]) {
    for password in lost {
        let refused = accounts.login(sign_in(password, TokenKind::Access)).await.unwrap_err();
        assert_eq!(refused.code(), "invalid_credentials");
    }
    assert!(accounts.login(sign_in(RESET, TokenKind::Access)).await.unwrap().user.must_change_password);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_wins_over_a_change_that_is_under_way() {
    let (catalog, clock) = (catalog().await, Arc::new(Meanwhile::default()));
    let accounts = accounts(&catalog, 64, clock.clone(), AccountsOptions::default());
    let user = ada(&accounts).await;
    let actor = Principal::user(user.id.to_string());
    reset_meanwhile(&clock, 0, &accounts, &user);
    let new = "another password of mine";
    let late = accounts.change_password(&actor, OLD, new, "test".into(), TokenKind::Access).await;
    let late = late.unwrap_err();
    assert_eq!((late.kind(), late.code()), (ErrorKind::Forbidden, "wrong_password"));
    assert_reset_holds(&accounts, &[OLD, new]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_wins_over_newer_parameters_of_the_old_password() {
    let (catalog, clock) = (catalog().await, Arc::new(Meanwhile::default()));
    let user = ada(&accounts(&catalog, 64, clock.clone(), AccountsOptions::default())).await;
    let accounts = accounts(&catalog, 128, clock.clone(), AccountsOptions::default());
    // The first look is for the session, the next for its token, before the hash is brought up to date.
    reset_meanwhile(&clock, 1, &accounts, &user);
    accounts.login(sign_in(OLD, TokenKind::Access)).await.unwrap();
    assert_reset_holds(&accounts, &[OLD]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_wins_over_a_sign_in_that_is_under_way() {
    let (catalog, clock) = (catalog().await, Arc::new(Meanwhile::default()));
    let accounts = accounts(&catalog, 64, clock.clone(), AccountsOptions::default());
    let user = ada(&accounts).await;
    reset_meanwhile(&clock, 0, &accounts, &user);
    assert_reset_holds(&accounts, &[OLD]).await;
}

#[tokio::test]
async fn a_sign_in_brings_a_hash_up_to_date() {
    let (catalog, clock) = (catalog().await, Arc::new(Meanwhile::default()));
    let user = ada(&accounts(&catalog, 64, clock.clone(), AccountsOptions::default())).await;
    let accounts = accounts(&catalog, 128, clock, AccountsOptions::default());
    accounts.login(sign_in(OLD, TokenKind::Access)).await.unwrap();
    let hash = catalog.get_user(user.tenant, user.id).await.unwrap().unwrap().password_hash;
    assert!(!passwords(128).is_outdated(&hash), "{hash}");
}

#[tokio::test]
async fn a_cookie_lives_while_it_is_used_and_a_token_while_it_is_refreshed() {
    let mut options = AccountsOptions::default();
    options.session_idle = Duration::from_secs(5);
    options.session_absolute = Duration::from_secs(3600);
    let catalog = catalog().await;
    let accounts = accounts(&catalog, 64, Arc::default(), options);
    ada(&accounts).await;
    let door = accounts.authenticator();
    let cookie = accounts.login(sign_in(OLD, TokenKind::Cookie)).await.unwrap();
    let token = accounts.login(sign_in(OLD, TokenKind::Access)).await.unwrap();
    assert_eq!(cookie.token_lifetime, Duration::from_secs(3600), "browsers keep it as long as it may live");
    let tenant = cookie.user.tenant;
    let ends = async |id| catalog.get_session(tenant, id).await.unwrap().unwrap().0.expires_at;
    // Uses that follow each other at once are let pass; soon one puts the end off.
    while ends(cookie.session.id).await == cookie.session.expires_at {
        door.cookie(&cookie.token).await.unwrap();
        door.bearer(&token.token).await.unwrap();
        assert!(door.session(tenant, cookie.session.id).await.unwrap().is_some());
    }
    assert!(ends(cookie.session.id).await > cookie.session.expires_at);
    assert_eq!(ends(token.session.id).await, token.session.expires_at);
}
