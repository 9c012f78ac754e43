//! Loudness over time as peaks.

/// Finer than the points asked for, so that the last step can make exactly as many of them.
const OVERSAMPLING: usize = 16;

/// Collects the peaks of sound of unknown length in constant memory: when there are too many
/// buckets, neighbours are joined and each stands for twice the time.
#[derive(Debug)]
pub(super) struct Waveform {
    points: usize,
    buckets: Vec<(f32, f32)>,
    per_bucket: usize,
    filled: usize,
}

impl Waveform {
    pub(super) fn new(points: u32) -> Self {
        Self { points: points as usize, buckets: Vec::new(), per_bucket: 1, filled: 0 }
    }

    /// Takes samples from -1 to 1.
    pub(super) fn add(&mut self, samples: &[f32]) {
        for &sample in samples {
            match self.buckets.last_mut() {
                Some((min, max)) if self.filled < self.per_bucket => {
                    *min = min.min(sample);
                    *max = max.max(sample);
                    self.filled += 1;
                }
                _ => {
                    if self.buckets.len() >= self.points * 2 * OVERSAMPLING {
                        self.join_neighbours();
                    }
                    self.buckets.push((sample, sample));
                    self.filled = 1;
                }
            }
        }
    }

    fn join_neighbours(&mut self) {
        self.buckets = self.buckets.chunks(2).map(peaks).collect();
        self.per_bucket *= 2;
    }

    /// The peaks, from -128 to 127: as many points as were asked for, fewer of very short sounds.
    pub(super) fn finish(self) -> Vec<(i8, i8)> {
        let count = self.points.min(self.buckets.len());
        (0..count)
            .map(|point| {
                let bucket = |edge: usize| edge * self.buckets.len() / count;
                let (min, max) = peaks(&self.buckets[bucket(point)..bucket(point + 1)]);
                (to_byte(min), to_byte(max))
            })
            .collect()
    }
}

fn peaks(buckets: &[(f32, f32)]) -> (f32, f32) {
    buckets.iter().fold((f32::MAX, f32::MIN), |(low, high), (min, max)| (low.min(*min), high.max(*max)))
}

fn to_byte(sample: f32) -> i8 {
    // `as` saturates, and makes 0 of what is no number.
    (sample * 128.0).round() as i8
}

/// The document of a waveform variant.
pub(super) fn json(sample_rate: u32, points: &[(i8, i8)]) -> Vec<u8> {
    let points: Vec<[i8; 2]> = points.iter().map(|(min, max)| [*min, *max]).collect();
    serde_json::json!({ "version": 1, "channels": 1, "sample_rate": sample_rate, "points": points })
        .to_string()
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_click_is_where_it_was() {
        let mut samples = vec![0.0_f32; 100_000];
        samples[50_000] = -1.0;
        let mut waveform = Waveform::new(100);
        waveform.add(&samples);
        let points = waveform.finish();
        assert_eq!(points.len(), 100);
        assert_eq!(points.iter().position(|point| *point == (-128, 0)), Some(50));
        assert_eq!(points.iter().filter(|point| **point != (0, 0)).count(), 1);
    }

    #[test]
    fn document() {
        assert_eq!(
            String::from_utf8(json(48_000, &[(-1, 2)])).unwrap(),
            r#"{"channels":1,"points":[[-1,2]],"sample_rate":48000,"version":1}"#
        );
    }

    proptest! {
        #[test]
        fn as_many_points_as_asked_for(
            points in 10_u32..500, chunks in proptest::collection::vec(0_usize..3_000, 0..40),
        ) {
            let mut waveform = Waveform::new(points);
            let total: usize = chunks.iter().sum();
            for chunk in chunks {
                waveform.add(&vec![0.5; chunk]);
            }
            prop_assert!(waveform.buckets.len() <= points as usize * 2 * OVERSAMPLING);
            let result = waveform.finish();
            prop_assert_eq!(result.len(), total.min(points as usize));
            prop_assert!(result.iter().all(|point| *point == (64, 64)));
        }
    }
}
