//! Where segments begin: known before anything is encoded, from the frame rate alone.

/// Where presentation starts in renditions of video. Nothing on the time line is negative then, so
/// that no edit list is needed and a part has the same times whether it is made alone or in a row.
pub(super) const START_SECONDS: i64 = 10;

/// A rate in units (frames, samples) per second, as a reduced fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) num: i64,
    pub(super) den: i64,
}

impl Rate {
    /// The rate as a number.
    pub(super) fn as_f64(self) -> f64 {
        self.num as f64 / self.den as f64
    }

    /// The number of the unit that is shown at this time, rounded to the nearest.
    pub(super) fn nearest(self, micros: i64) -> i64 {
        let scale = i128::from(self.den) * 1_000_000;
        (i128::from(micros) * i128::from(self.num) + scale / 2).div_euclid(scale) as i64
    }

    /// When this unit starts, in microseconds.
    pub(super) fn micros(self, unit: i64) -> i64 {
        let (num, den) = (i128::from(self.num), i128::from(self.den));
        (i128::from(unit) * den * 1_000_000 + num / 2).div_euclid(num) as i64
    }
}

/// Cuts a row of equally long units into segments of about `seconds`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// Units per second.
    pub(super) rate: Rate,
    /// Segments begin at multiples of so many units: 1 frame, or the 1024 samples of an AAC frame.
    pub(super) step: i64,
    /// Target length of a segment.
    pub(super) seconds: u32,
}

impl Grid {
    /// The first unit of segment `k`: the first on the grid at or after `k` × `seconds`.
    pub(super) fn start(&self, k: u32) -> i64 {
        let units = i128::from(k) * i128::from(self.seconds) * i128::from(self.rate.num);
        let per_step = i128::from(self.rate.den) * i128::from(self.step);
        (units.div_euclid(per_step) + i128::from(units.rem_euclid(per_step) != 0)) as i64 * self.step
    }

    /// The playing time of the units from `from` to before `to`. Sums of neighbours do not drift.
    pub(super) fn duration_us(&self, from: i64, to: i64) -> u64 {
        u64::try_from(self.rate.micros(to) - self.rate.micros(from)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NTSC: Rate = Rate { num: 30_000, den: 1001 };

    #[test]
    fn segments_of_29_97_frames_last_as_long_as_their_frames() {
        let grid = Grid { rate: NTSC, step: 1, seconds: 4 };
        assert_eq!(grid.start(1), 120);
        assert_eq!(grid.duration_us(grid.start(0), grid.start(1)), 4_004_000);
    }

    #[test]
    fn audio_is_cut_at_whole_aac_frames() {
        let grid = Grid { rate: Rate { num: 48_000, den: 1 }, step: 1024, seconds: 4 };
        assert_eq!(grid.start(1), 188 * 1024);
        assert_eq!(grid.start(2), 375 * 1024);
    }

    proptest! {
        #[test]
        fn boundaries_are_the_first_units_in_time(
            num in 1_000_i64..120_000, den in 1000_i64..=1001, seconds in 1_u32..20, k in 0_u32..20_000,
        ) {
            let grid = Grid { rate: Rate { num, den }, step: 1, seconds };
            let first = grid.start(k);
            let boundary = i128::from(k) * i128::from(seconds) * i128::from(num);
            prop_assert!(i128::from(first) * i128::from(den) >= boundary);
            prop_assert!(i128::from(first - 1) * i128::from(den) < boundary);
        }

        #[test]
        fn durations_add_up(num in 1_000_i64..120_000, cuts in proptest::collection::vec(1_i64..500, 1..50)) {
            let grid = Grid { rate: Rate { num, den: 1001 }, step: 1, seconds: 4 };
            let (mut at, mut sum) = (0, 0);
            for cut in cuts {
                sum += grid.duration_us(at, at + cut);
                at += cut;
            }
            prop_assert_eq!(sum, grid.duration_us(0, at));
        }

        #[test]
        fn a_unit_is_nearest_to_its_own_time(num in 1_000_i64..120_000, unit in 0_i64..10_000_000) {
            let rate = Rate { num, den: 1001 };
            prop_assert_eq!(rate.nearest(rate.micros(unit)), unit);
        }
    }
}
