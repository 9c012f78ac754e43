use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Heads that are remembered, at most.
const KEPT: u32 = 32;

/// Where the head of the primary's log was, for as long as a replica may lag behind.
#[derive(Debug)]
pub(super) struct Horizon {
    max_lag: Duration,
    seen: VecDeque<(Instant, i64)>,
}

impl Horizon {
    pub(super) fn new(max_lag: Duration) -> Self {
        Self { max_lag, seen: VecDeque::new() }
    }

    /// Remembers a head, and tells how far a replica must have come that lags by `max_lag` at most. Where
    /// nobody asked for that long, that is the head itself.
    pub(super) fn see(&mut self, now: Instant, head: i64) -> i64 {
        while self.seen.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > self.max_lag) {
            self.seen.pop_front();
        }
        let apart = self.max_lag / KEPT;
        if self.seen.back().is_none_or(|(at, _)| now.saturating_duration_since(*at) > apart) {
            self.seen.push_back((now, head));
        }
        // After a failover the log may be shorter than it was.
        self.seen.front().map_or(head, |(_, oldest)| head.min(*oldest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_may_lag_so_far_and_no_further() {
        let begin = Instant::now();
        let at = |tenths: u32| begin + Duration::from_millis(100) * tenths;
        let mut horizon = Horizon::new(Duration::from_secs(10));
        assert_eq!(horizon.see(at(0), 7), 7);
        for tenths in 1..=100 {
            assert_eq!(horizon.see(at(tenths), 7 + i64::from(tenths)), 7, "{tenths}");
        }
        for tenths in 101..=1000 {
            let least = horizon.see(at(tenths), 7 + i64::from(tenths));
            let lag = i64::from(tenths) + 7 - least;
            assert!((95..=100).contains(&lag), "{tenths}: {lag}");
            assert!(horizon.seen.len() <= KEPT as usize + 1);
        }
        assert_eq!(horizon.see(at(2000), 5000), 5000, "nobody knows how far it has come meanwhile");
    }

    #[test]
    fn a_log_that_was_cut_is_reached() {
        let begin = Instant::now();
        let mut horizon = Horizon::new(Duration::from_secs(10));
        horizon.see(begin, 900);
        assert_eq!(horizon.see(begin + Duration::from_secs(1), 500), 500);
    }

    #[test]
    fn without_patience_a_replica_has_all() {
        let begin = Instant::now();
        let mut horizon = Horizon::new(Duration::ZERO);
        for second in 0..5 {
            let head = 10 * i64::try_from(second).unwrap();
            assert_eq!(horizon.see(begin + Duration::from_secs(second), head), head);
        }
    }
}
