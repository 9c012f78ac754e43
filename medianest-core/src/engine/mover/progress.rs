use crate::engine::sink::Pulse;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What an asset counts.
const WHOLE: u64 = 1 << 20;

/// How far a mover has come: assets, and of those under way the bytes.
pub(super) struct Progress {
    pulse: Arc<Pulse>,
    done: AtomicU64,
    all: u64,
}

impl Progress {
    pub(super) fn new(pulse: Arc<Pulse>, assets: u64) -> Self {
        Self { pulse, done: AtomicU64::new(0), all: assets.max(1) * WHOLE }
    }

    /// So many assets need nothing.
    pub(super) fn pass(&self, assets: u64) {
        self.add(assets * WHOLE);
    }

    /// The share of an asset of which so many bytes are to be brought.
    pub(super) fn share(self: &Arc<Self>, bytes: u64) -> Share {
        // Written, and read back.
        let bytes = bytes.max(1) * 2;
        Share(Arc::new(Of { progress: Arc::clone(self), bytes, come: AtomicU64::new(0) }))
    }

    fn add(&self, parts: u64) {
        let done = self.done.fetch_add(parts, Ordering::Relaxed) + parts;
        #[expect(clippy::cast_precision_loss, reason = "a progress needs no more precision")]
        self.pulse.come(done as f32 / self.all as f32);
    }
}

/// What an asset adds to the progress while its bytes flow; all of it when it is dropped.
#[derive(Clone)]
pub(super) struct Share(Arc<Of>);

struct Of {
    progress: Arc<Progress>,
    bytes: u64,
    come: AtomicU64,
}

impl Share {
    pub(super) fn came(&self, bytes: u64) {
        let before = self.0.come.fetch_add(bytes, Ordering::Relaxed);
        self.0.progress.add(self.0.parts(before + bytes) - self.0.parts(before));
    }
}

impl Of {
    fn parts(&self, bytes: u64) -> u64 {
        let parts = u128::from(bytes.min(self.bytes)) * u128::from(WHOLE) / u128::from(self.bytes);
        u64::try_from(parts).unwrap_or(WHOLE)
    }
}

impl Drop for Of {
    fn drop(&mut self) {
        self.progress.add(WHOLE - self.parts(self.come.load(Ordering::Relaxed)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_at_one() {
        let pulse = Arc::new(Pulse::default());
        let progress = Arc::new(Progress::new(Arc::clone(&pulse), 4));
        progress.pass(1);
        assert!((pulse.progress() - 0.25).abs() < 1e-6);
        let share = progress.share(100);
        share.came(100);
        assert!((pulse.progress() - 0.375).abs() < 1e-6);
        share.came(300);
        drop(share);
        assert!((pulse.progress() - 0.5).abs() < 1e-6);
        drop(progress.share(0));
        progress.pass(1);
        assert!((pulse.progress() - 1.0).abs() < 1e-6);
    }
}
