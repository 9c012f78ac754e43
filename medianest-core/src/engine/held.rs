use metrics::Gauge;

/// Adds to a gauge for as long as it lives: also what is dropped in the middle stops counting.
pub(super) struct Held {
    gauge: Gauge,
    by: f64,
}

impl Held {
    pub(super) fn new(gauge: Gauge, by: f64) -> Self {
        gauge.increment(by);
        Self { gauge, by }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gauge.decrement(self.by);
    }
}
