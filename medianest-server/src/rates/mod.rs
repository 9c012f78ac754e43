//! How often clients may do what they do, so that none takes the server from the others, and nobody finds
//! passwords by trying.

mod address;
mod attempt;

pub(crate) use address::Client;
pub use address::Network;

use crate::Settings;
use medianest_core::{Error, ErrorKind, MemoryLimits, Principal, Rate, RateLimiter, Result, Retry};
use poem::Request;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Once},
    time::Duration,
};

/// How often a client may do what. In each, zero means without limit. Requests over the local socket, and
/// those that a host makes without an address, are not counted.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Rates {
    /// Requests of one user in a second; ten times as many at once. Each process counts by itself.
    pub user_per_second: u32,
    /// Requests from one address in a second; ten times as many at once. Each process counts by itself.
    pub address_per_second: u32,
    /// Sign-ins for one login from one address that may fail at once; then one each half minute. Four times
    /// as many from one address for all logins.
    pub failed_sign_ins: u32,
    /// Users that may register from one address at once; then one each minute.
    pub registrations: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self { user_per_second: 200, address_per_second: 1000, failed_sign_ins: 5, registrations: 20 }
    }
}

/// The counters behind [`Rates`].
#[derive(Clone)]
pub(crate) struct Counters {
    /// Of all requests. These are counted here alone: to ask somebody else would cost more than most
    /// requests do.
    here: Arc<MemoryLimits>,
    /// Of attempts to sign in, which are rare and dear: for all processes together.
    shared: Arc<dyn RateLimiter>,
    /// That a proxy may be unknown to us is said once.
    warned: Arc<Once>,
}

/// Clients that are remembered; each takes some fifty bytes.
const REMEMBERED: usize = 20_000;

impl Default for Counters {
    fn default() -> Self {
        Self {
            here: Arc::new(MemoryLimits::new(REMEMBERED)),
            shared: Arc::new(MemoryLimits::new(REMEMBERED)),
            warned: Arc::new(Once::new()),
        }
    }
}

impl Counters {
    /// With attempts counted by `shared`.
    pub(crate) fn shared_by(self, shared: Arc<dyn RateLimiter>) -> Self {
        Self { shared, ..self }
    }

    /// Who makes this request.
    pub(crate) fn client(&self, request: &Request, settings: &Settings) -> Client {
        if address::is_unknown_proxy(request, &settings.trusted_proxies) {
            self.warned.call_once(|| {
                tracing::warn!(
                    proxy = %request.remote_addr(),
                    "requests come through a proxy that is not among http.trusted_proxies: all behind it count as one"
                );
            });
        }
        Client::of(request, &settings.trusted_proxies)
    }

    /// Counts a request from an address.
    ///
    /// # Errors
    /// `too_many_requests`.
    pub(crate) fn request(&self, rates: &Rates, client: Client) -> Result<()> {
        match client.address() {
            Some(address) => self.count(&address, rates.address_per_second),
            None => Ok(()),
        }
    }

    /// Counts a request of somebody who is known by now.
    ///
    /// # Errors
    /// `too_many_requests`.
    pub(crate) fn user(&self, rates: &Rates, client: Client, who: &Principal) -> Result<()> {
        match client.address() {
            Some(_) => self.count(&(who.tenant, &who.subject), rates.user_per_second),
            None => Ok(()),
        }
    }

    fn count(&self, key: &impl std::hash::Hash, per_second: u32) -> Result<()> {
        if per_second == 0 {
            return Ok(());
        }
        let every = Duration::from_secs(1) / per_second;
        let allowance = self.here.count(key, Rate { burst: per_second.saturating_mul(10), every });
        if allowance.allowed { Ok(()) } else { Err(too_many(allowance.retry_after)) }
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").field("shared", &self.shared).finish_non_exhaustive()
    }
}

/// The same for whoever asks and whatever for: it tells nothing but how long to wait.
fn too_many(wait: Duration) -> Error {
    let message = "too many requests; try again later";
    Error::new(ErrorKind::RateLimited, "too_many_requests", message).retry(Retry::After(wait))
}

/// One client for each network of IPv6 that somebody is given as a whole.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & (u128::MAX << 64)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medianest_core::Principal;

    fn at(address: &str) -> Client {
        Client::at(address.parse().unwrap())
    }

    #[test]
    fn addresses_and_users_are_counted_apart_and_zero_is_no_limit() {
        let counters = Counters::default();
        let rates = Rates { user_per_second: 1, address_per_second: 2, ..Rates::default() };
        let (ada, bob) = (Principal::user("ada"), Principal::user("bob"));
        for _ in 0..10 {
            counters.user(&rates, at("192.0.2.1"), &ada).unwrap();
        }
        let refused = counters.user(&rates, at("192.0.2.2"), &ada).unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (ErrorKind::RateLimited, "too_many_requests"));
        assert!(matches!(refused.retry_advice(), Retry::After(wait) if wait <= Duration::from_secs(1)));
        counters.user(&rates, at("192.0.2.1"), &bob).unwrap();
        for _ in 0..20 {
            counters.request(&rates, at("2001:db8::1")).unwrap();
        }
        counters.request(&rates, at("2001:db8::ffff:2")).unwrap_err();
        counters.request(&rates, at("2001:db8:0:1::1")).unwrap();
        counters.request(&rates, Client::default()).unwrap();
        counters.user(&rates, Client::default(), &ada).unwrap();
        let none = Rates { user_per_second: 0, address_per_second: 0, ..rates };
        counters.user(&none, at("192.0.2.1"), &ada).unwrap();
        counters.request(&none, at("2001:db8::1")).unwrap();
    }
}
