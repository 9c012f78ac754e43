//! The suite of [`RateLimiter`].

use crate::{Rate, RateLimiter};
use futures::future::join_all;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Emits a test for each promise of [`RateLimiter`]; see [the module](crate::conformance).
#[macro_export]
macro_rules! rate_limiter_tests {
    ($name:ident, $make:expr) => {
        $crate::__conformance_tests! { $name, dyn $crate::RateLimiter, $make, rate_limiter {
            as_often_as_the_burst_and_not_more,
            what_is_left_is_told,
            after_a_while_once_more,
            what_is_refused_is_not_counted,
            what_is_given_back_can_be_taken_again,
            nobody_gets_more_than_the_burst_back,
            keys_are_apart,
            a_crowd_gets_no_more,
        } }
    };
}

type Limiter = Arc<dyn RateLimiter>;

/// So slow that a test does not see it.
const SLOW: Rate = Rate { burst: 5, every: Duration::from_secs(3600) };
const FAST: Rate = Rate { burst: 2, every: Duration::from_millis(300) };

async fn allowed(limiter: &Limiter, key: &str, rate: Rate) -> bool {
    limiter.take(key, rate).await.allowed
}

/// At once, when nothing happened before.
pub async fn as_often_as_the_burst_and_not_more(limiter: Limiter) {
    for _ in 0..SLOW.burst {
        assert!(allowed(&limiter, "ada", SLOW).await);
    }
    for _ in 0..3 {
        assert!(!allowed(&limiter, "ada", SLOW).await);
    }
    let once = Rate { burst: 1, ..SLOW };
    assert!(allowed(&limiter, "once", once).await && !allowed(&limiter, "once", once).await);
}

/// How many are left, and with none, how long until there is one.
pub async fn what_is_left_is_told(limiter: Limiter) {
    for left in (0..SLOW.burst).rev() {
        let answer = limiter.take("ada", SLOW).await;
        assert_eq!((answer.allowed, answer.remaining), (true, left));
        assert_eq!(answer.retry_after.is_zero(), left > 0, "{answer:?}");
    }
    let refused = limiter.take("ada", SLOW).await;
    assert_eq!((refused.allowed, refused.remaining), (false, 0));
    assert!(refused.retry_after > SLOW.every / 2 && refused.retry_after <= SLOW.every, "{refused:?}");
}

/// One for each time that went by, and not before it is over.
pub async fn after_a_while_once_more(limiter: Limiter) {
    let began = Instant::now();
    let mut taken = 0_u32;
    while taken < FAST.burst + 3 {
        let answer = limiter.take("ada", FAST).await;
        if answer.allowed {
            taken += 1;
        } else {
            tokio::time::sleep(answer.retry_after).await;
        }
    }
    assert!(began.elapsed() >= FAST.every * 3 - Duration::from_millis(5), "{:?}", began.elapsed());
}

/// Who goes on trying waits no longer for it.
pub async fn what_is_refused_is_not_counted(limiter: Limiter) {
    while allowed(&limiter, "ada", SLOW).await {}
    let first = limiter.take("ada", SLOW).await.retry_after;
    for _ in 0..20 {
        assert!(limiter.take("ada", SLOW).await.retry_after <= first);
    }
}

/// As often as it was given back.
pub async fn what_is_given_back_can_be_taken_again(limiter: Limiter) {
    while allowed(&limiter, "ada", SLOW).await {}
    limiter.give_back("ada", SLOW).await;
    limiter.give_back("ada", SLOW).await;
    assert!(allowed(&limiter, "ada", SLOW).await && allowed(&limiter, "ada", SLOW).await);
    assert!(!allowed(&limiter, "ada", SLOW).await);
}

/// However much is given back.
pub async fn nobody_gets_more_than_the_burst_back(limiter: Limiter) {
    assert!(allowed(&limiter, "ada", SLOW).await);
    for _ in 0..10 {
        limiter.give_back("ada", SLOW).await;
        limiter.give_back("nobody", SLOW).await;
    }
    assert_eq!(limiter.take("ada", SLOW).await.remaining, SLOW.burst - 1);
    assert_eq!(limiter.take("nobody", SLOW).await.remaining, SLOW.burst - 1);
}

/// What one does is not counted for another.
pub async fn keys_are_apart(limiter: Limiter) {
    while allowed(&limiter, "ada", SLOW).await {}
    assert!(allowed(&limiter, "bob", SLOW).await);
}

/// Many at the same time.
pub async fn a_crowd_gets_no_more(limiter: Limiter) {
    let crowd = (0..50).map(|_| {
        let limiter = Arc::clone(&limiter);
        tokio::spawn(async move { allowed(&limiter, "door", SLOW).await })
    });
    let let_in = join_all(crowd).await.into_iter().filter(|taken| *taken.as_ref().unwrap()).count();
    assert_eq!(let_in, SLOW.burst as usize);
}
