//! Frames at their own times, laid on a constant frame rate.

use super::timeline::Rate;

/// The slots of the output that show one frame of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The first slot.
    pub(super) first: i64,
    /// How many; none when the next frame takes its place.
    pub(super) count: i64,
}

/// Says for each frame which slots of a constant frame rate show it: a slot shows the last frame
/// whose time, rounded to the rate, has come. The first frame starts at slot 0, whatever its time.
#[derive(Debug)]
pub(super) struct Cadence {
    rate: Rate,
    next: i64,
}

impl Cadence {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, next: 0 }
    }

    /// The slots of a frame that is followed by another one (or the end) at `until` microseconds.
    pub(super) fn until(&mut self, until: i64) -> Span {
        let first = self.next;
        self.next = self.rate.nearest(until - self.bias()).max(first);
        Span { first, count: self.next - first }
    }

    /// How many slots there are so far.
    pub(super) fn slots(&self) -> i64 {
        self.next
    }

    /// Every other frame of a doubled rate falls between two slots, where rounding would be a matter of
    /// chance. A little earlier it is not.
    fn bias(&self) -> i64 {
        self.rate.micros(1) / 10
    }

    /// The slots of the last frame, which ends at `end`: at least one when nothing was shown yet.
    pub(super) fn finish(&mut self, end: i64) -> Span {
        let mut span = self.until(end);
        if self.next == 0 {
            span.count = 1;
            self.next = 1;
        }
        span
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn milliseconds_do_not_make_a_constant_rate_stutter() {
        let mut cadence = Cadence::new(Rate { num: 30, den: 1 });
        for (index, millis) in [33, 67, 100, 133, 167, 200].into_iter().enumerate() {
            assert_eq!(cadence.until(millis * 1000), Span { first: index as i64, count: 1 });
        }
    }

    #[test]
    fn half_the_rate_drops_every_other_frame() {
        let mut cadence = Cadence::new(Rate { num: 30, den: 1 });
        let counts: Vec<_> = (1..=60).map(|n| cadence.until(n * 1_000_000 / 60).count).collect();
        assert_eq!(counts.iter().sum::<i64>(), 30);
        assert!(counts.windows(2).all(|pair| pair[0] + pair[1] == 1));
    }

    #[test]
    fn a_still_is_shown_once() {
        assert_eq!(Cadence::new(Rate { num: 25, den: 1 }).finish(0), Span { first: 0, count: 1 });
    }

    proptest! {
        #[test]
        fn slots_are_contiguous_and_end_with_the_source(
            gaps in proptest::collection::vec(0_i64..3_000_000, 1..100), num in 1_000_i64..60_000,
        ) {
            let rate = Rate { num, den: 1001 };
            let mut cadence = Cadence::new(rate);
            let (mut time, mut next) = (0, 0);
            for gap in gaps {
                time += gap;
                let span = cadence.until(time);
                prop_assert_eq!(span.first, next);
                next += span.count;
            }
            prop_assert_eq!(next, rate.nearest(time - cadence.bias()).max(0));
        }
    }
}
