//! Users, passwords, sessions and tokens, for hosts without users of their own.
//!
//! [`Accounts`] is the service that a program calls; [`TokenAuthenticator`] turns the token of a
//! request into a [`Principal`](crate::Principal) and checks its session every time, so that signing
//! out, changing a password and disabling a user take effect with the next request. A host that has
//! users of its own implements [`Authenticator`] instead and needs nothing else from here.
//!
//! Rows live in an [`IdentityCatalog`](crate::catalog::IdentityCatalog). Signatures are Ed25519 by
//! `aws-lc-rs`. A program in whose build `jsonwebtoken` also has its `rust_crypto` feature must choose
//! a provider as that crate's documentation says.

mod accounts;
mod authenticator;
mod keys;
mod password;
mod refresh_token;
mod session_store;
mod token;

pub use accounts::{Accounts, AccountsOptions, NewAccount, SignIn, SignedIn};
pub use authenticator::{Authenticator, Identity, TokenAuthenticator};
pub use keys::KeySet;
pub use password::{PasswordOptions, Passwords};
pub use refresh_token::random_secret;
pub use session_store::{CatalogSessions, LiveSession, Lookup, MemorySessions, SessionStore, Ticket};
pub use token::{Claims, TokenKind, TokenOptions, Tokens};
