use super::{Client, Counters, Rates, too_many};
use medianest_core::{Error, ErrorKind, Rate, RateLimiter, Result};
use sha2::{Digest, Sha256};
use std::{fmt::Write, sync::Arc, time::Duration};

/// Once what may fail at once has failed, one more may after so long.
const PAUSE: Duration = Duration::from_secs(30);
const REGISTRATION: Duration = Duration::from_secs(60);

/// An attempt at what is guarded, counted before it is made, so that many at the same time are no more.
/// It stays counted when it fails, and when its maker goes away in the middle of it.
pub(crate) struct Attempt {
    limiter: Arc<dyn RateLimiter>,
    taken: Vec<(String, Rate)>,
}

impl Counters {
    /// An attempt to prove by a password to be `login`, whether there is such a user or not.
    ///
    /// Guesses are counted per login and address, per address, and per login. Once a login is guessed at
    /// from many addresses, each has one guess instead of several: so whoever it belongs to still gets in
    /// from where nobody guesses.
    ///
    /// # Errors
    /// `too_many_requests`.
    pub(crate) async fn sign_in(&self, rates: &Rates, client: Client, login: &str) -> Result<Attempt> {
        let mut attempt = self.attempt();
        let (Some(address), failed @ 1..) = (client.address(), rates.failed_sign_ins) else {
            return Ok(attempt);
        };
        let login = digest(&login.to_lowercase());
        let from_anywhere = Rate { burst: failed.saturating_mul(10), every: PAUSE / 10 };
        let besieged = attempt.take(format!("sign-in:{login}"), from_anywhere).await.is_err();
        let from_here = Rate { burst: if besieged { 1 } else { failed }, every: PAUSE };
        attempt.require(format!("sign-in:{login}:{address}"), from_here).await?;
        attempt.require(format!("sign-in:{address}"), of_address(failed)).await?;
        Ok(attempt)
    }

    /// An attempt to go on with a refresh token.
    ///
    /// # Errors
    /// `too_many_requests`.
    pub(crate) async fn refresh(&self, rates: &Rates, client: Client) -> Result<Attempt> {
        let mut attempt = self.attempt();
        if let (Some(address), failed @ 1..) = (client.address(), rates.failed_sign_ins) {
            attempt.require(format!("refresh:{address}"), of_address(failed)).await?;
        }
        Ok(attempt)
    }

    /// An attempt to register, of which those count that succeed, or find a login taken.
    ///
    /// # Errors
    /// `too_many_requests`.
    pub(crate) async fn register(&self, rates: &Rates, client: Client) -> Result<Attempt> {
        let mut attempt = self.attempt();
        if let (Some(address), burst @ 1..) = (client.address(), rates.registrations) {
            attempt.require(format!("register:{address}"), Rate { burst, every: REGISTRATION }).await?;
        }
        Ok(attempt)
    }

    fn attempt(&self) -> Attempt {
        Attempt { limiter: Arc::clone(&self.shared), taken: Vec::new() }
    }
}

impl Attempt {
    /// What came of it, no longer counted unless it was a wrong guess.
    pub(crate) async fn judge<T>(self, outcome: Result<T>) -> Result<T> {
        self.forgive_unless(outcome, |outcome| {
            let wrong = |error: &Error| {
                matches!(error.kind(), ErrorKind::Unauthenticated) || error.code() == "wrong_password"
            };
            outcome.as_ref().err().is_some_and(wrong)
        })
        .await
    }

    /// What came of it, no longer counted unless it did or told something.
    pub(crate) async fn judge_registration<T>(self, outcome: Result<T>) -> Result<T> {
        let told = |error: &Error| error.kind() == ErrorKind::Conflict;
        self.forgive_unless(outcome, |outcome| outcome.as_ref().map_or_else(told, |_| true)).await
    }

    async fn forgive_unless<T>(self, outcome: Result<T>, counts: impl Fn(&Result<T>) -> bool) -> Result<T> {
        if !counts(&outcome) {
            self.forgive().await;
        }
        outcome
    }

    async fn forgive(self) {
        for (key, rate) in &self.taken {
            self.limiter.give_back(key, *rate).await;
        }
    }

    async fn take(&mut self, key: String, rate: Rate) -> Result<()> {
        let allowance = self.limiter.take(&key, rate).await;
        if !allowance.allowed {
            return Err(too_many(allowance.retry_after));
        }
        self.taken.push((key, rate));
        Ok(())
    }

    /// As [`take`](Self::take); what was taken before is given back when it fails, since nothing will be
    /// attempted.
    async fn require(&mut self, key: String, rate: Rate) -> Result<()> {
        let taken = self.take(key, rate).await;
        if taken.is_err() {
            for (key, rate) in self.taken.drain(..) {
                self.limiter.give_back(&key, rate).await;
            }
        }
        taken
    }
}

/// For all logins together: people behind one address mistype too.
fn of_address(failed: u32) -> Rate {
    Rate { burst: failed.saturating_mul(4), every: PAUSE / 4 }
}

/// A login as it is kept with the counters: of bounded length, and not to be read.
fn digest(login: &str) -> String {
    Sha256::digest(login)[..16].iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: Rates =
        Rates { user_per_second: 0, address_per_second: 0, failed_sign_ins: 3, registrations: 2 };

    fn at(last: u32) -> Client {
        Client::at(std::net::Ipv4Addr::from(0xc000_0200 + last).into())
    }

    async fn guess(counters: &Counters, client: Client, login: &str) -> Result<()> {
        let attempt = counters.sign_in(&RATES, client, login).await?;
        let wrong = Error::new(ErrorKind::Unauthenticated, "invalid_credentials", "wrong");
        attempt.judge::<()>(Err(wrong)).await.unwrap_err();
        Ok(())
    }

    async fn enter(counters: &Counters, client: Client, login: &str) -> Result<()> {
        counters.sign_in(&RATES, client, login).await?.judge(Ok(())).await
    }

    #[tokio::test]
    async fn s6_one_login_is_guessed_at_so_often_from_one_address() {
        let counters = Counters::default();
        for _ in 0..3 {
            guess(&counters, at(1), "Ada").await.unwrap();
        }
        let refused = guess(&counters, at(1), "ADA").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::RateLimited);
        enter(&counters, at(1), "ada").await.unwrap_err();
        enter(&counters, at(2), "ada").await.unwrap();
        guess(&counters, at(1), "bob").await.unwrap();
    }

    #[tokio::test]
    async fn s6_many_logins_are_guessed_at_so_often_from_one_address() {
        let counters = Counters::default();
        for user in 0..12 {
            guess(&counters, at(1), &format!("user {user}")).await.unwrap();
        }
        guess(&counters, at(1), "another").await.unwrap_err();
        guess(&counters, at(2), "another").await.unwrap();
    }

    #[tokio::test]
    async fn s6_who_is_guessed_at_from_everywhere_still_gets_in() {
        let counters = Counters::default();
        for address in 0..10 {
            for _ in 0..3 {
                guess(&counters, at(address), "ada").await.unwrap();
            }
        }
        // One guess each from now on.
        let mut more = 0;
        for address in 10..100 {
            guess(&counters, at(address), "ada").await.unwrap();
            more += u32::from(guess(&counters, at(address), "ada").await.is_ok());
        }
        assert!(more < 10, "one after each three seconds, {more} in no time");
        for _ in 0..10 {
            enter(&counters, at(200), "ada").await.unwrap();
        }
        guess(&counters, at(200), "bob").await.unwrap();
    }

    #[tokio::test]
    async fn what_is_right_or_fails_by_itself_is_not_counted() {
        let counters = Counters::default();
        for _ in 0..100 {
            enter(&counters, at(1), "ada").await.unwrap();
            let attempt = counters.sign_in(&RATES, at(1), "ada").await.unwrap();
            let busy = Error::unavailable("busy", "busy");
            attempt.judge::<()>(Err(busy)).await.unwrap_err();
            counters.refresh(&RATES, at(1)).await.unwrap().judge(Ok(())).await.unwrap();
        }
        // Of whoever goes away in the middle.
        for _ in 0..3 {
            drop(counters.sign_in(&RATES, at(1), "ada").await.unwrap());
        }
        enter(&counters, at(1), "ada").await.unwrap_err();
    }

    #[tokio::test]
    async fn registrations_count_when_they_succeed_or_tell_something() {
        let counters = Counters::default();
        let register = async |outcome: Result<()>| {
            let attempt = counters.register(&RATES, at(1)).await?;
            let _ = attempt.judge_registration(outcome).await;
            Ok::<_, Error>(())
        };
        for _ in 0..10 {
            register(Err(Error::invalid("invalid_password", "too short"))).await.unwrap();
        }
        register(Ok(())).await.unwrap();
        register(Err(Error::conflict("user_exists", "taken"))).await.unwrap();
        register(Ok(())).await.unwrap_err();
    }
}
