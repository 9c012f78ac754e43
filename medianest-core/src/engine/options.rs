use crate::{Error, Limits, Result};
use std::time::Duration;

/// Retention, leases, limits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EngineOptions {
    /// Bytes of one upload at most.
    pub max_upload_bytes: u64,
    /// What a processor may spend on one piece of media.
    pub limits: Limits,
    /// How long a staged asset waits to be attached.
    pub staged_for: Duration,
    /// How long the trash keeps an asset.
    pub trash_retention: Duration,
    /// How long bytes outlive their rows: at least as far back as the catalog may be restored.
    pub delete_retention: Duration,
    /// How long unfinished bytes are left alone after they last grew.
    pub intent_ttl: Duration,
    /// How long a worker may be silent before its jobs are given to others.
    pub lease: Duration,
    /// How long a worker waits before it looks for jobs by itself.
    pub poll: Duration,
    /// How long a failed job waits before its second attempt; doubled for each further one, up to 256
    /// times, and spread by a quarter.
    pub retry_delay: Duration,
    /// Attempts of a job that fails for reasons outside the media. Those that found a dependency away do
    /// not count: they are repeated until it is back.
    pub max_failures: u32,
    /// Workers or decoders that a job may kill, without coming forward between, before its asset is
    /// quarantined.
    pub max_crashes: u32,
    /// How long events can be read.
    pub event_retention: Duration,
    /// How long finished jobs are shown.
    pub job_retention: Duration,
    /// How long the audit trail is kept.
    pub audit_retention: Duration,
}

impl Default for EngineOptions {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            max_upload_bytes: 64 << 30,
            limits: Limits::default(),
            staged_for: DAY,
            trash_retention: 30 * DAY,
            delete_retention: 7 * DAY,
            intent_ttl: Duration::from_secs(15 * 60),
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(2),
            retry_delay: Duration::from_secs(2),
            max_failures: 8,
            max_crashes: 3,
            event_retention: 30 * DAY,
            job_retention: 7 * DAY,
            audit_retention: 365 * DAY,
        }
    }
}

impl EngineOptions {
    pub(super) fn check(&self) -> Result<()> {
        let zero = [
            ("intent_ttl", self.intent_ttl),
            ("lease", self.lease),
            ("poll", self.poll),
            ("staged_for", self.staged_for),
        ];
        for (name, value) in zero {
            if value.is_zero() {
                return Err(Error::invalid("invalid_option", "must be longer than zero").with("option", name));
            }
        }
        if self.max_failures == 0 || self.max_crashes == 0 || self.max_upload_bytes == 0 {
            return Err(Error::invalid(
                "invalid_option",
                "max_failures, max_crashes and max_upload_bytes must be above zero",
            ));
        }
        Ok(())
    }
}
