use crate::cli::output;
use medianest_core::{Clock, Error, Result, SystemClock, Timestamp};
use serde::Serialize;
use std::time::Duration;

/// Clocks may differ by so much before somebody should look after them.
const NOTICED: Duration = Duration::from_secs(1);
/// And by so much before signatures of requests and tokens are refused.
const ALLOWED: Duration = Duration::from_secs(60);

/// Something that was looked at. The form of its JSON stays.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    name: String,
    /// Whether it will do. With advice it does for now.
    fine: bool,
    /// What was found.
    detail: String,
    /// What to do.
    advice: Option<String>,
}

impl Check {
    pub(super) fn fine(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), fine: true, detail: detail.into(), advice: None }
    }

    pub(super) fn failed(name: impl Into<String>, error: &Error, advice: impl Into<String>) -> Self {
        Self { name: name.into(), fine: false, detail: error.report(), advice: Some(advice.into()) }
    }

    /// Fine with what was found, or failed with this advice.
    pub(super) fn of(name: impl Into<String>, found: Result<String>, advice: &str) -> Self {
        match found {
            Ok(detail) => Self::fine(name, detail),
            Err(error) => Self::failed(name, &error, advice),
        }
    }

    /// The same with advice, where that is due.
    pub(super) fn advised(self, due: bool, advice: impl Into<String>) -> Self {
        if due && self.advice.is_none() { Self { advice: Some(advice.into()), ..self } } else { self }
    }

    /// How far another clock is from ours.
    pub(super) fn clock(name: impl Into<String>, theirs: Timestamp) -> Self {
        let ours = SystemClock.now();
        let skew = theirs.since(ours).max(ours.since(theirs));
        let detail = format!("differs by {:.1} s from that of this machine", skew.as_secs_f64());
        let advice = "synchronise both clocks (chrony, systemd-timesyncd): tokens, signed URLs and requests to \
                      stores are judged by them";
        Self { fine: skew <= ALLOWED, ..Self::fine(name, detail) }.advised(skew > NOTICED, advice)
    }

    pub(super) fn is_fine(&self) -> bool {
        self.fine
    }

    pub(super) fn show(&self) -> Result<()> {
        let word = match (self.fine, &self.advice) {
            (true, None) => "ok  ",
            (true, Some(_)) => "WARN",
            (false, _) => "FAIL",
        };
        output::line(format_args!("{word} {}: {}", self.name, self.detail))?;
        match &self.advice {
            Some(advice) => output::line(format_args!("     -> {advice}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_judged_by_how_far_they_are_apart() {
        for (off, fine, advised) in [(0, true, false), (30, true, true), (3600, false, true)] {
            for theirs in
                [SystemClock.now() + Duration::from_secs(off), SystemClock.now() - Duration::from_secs(off)]
            {
                let check = Check::clock("clock", theirs);
                assert_eq!((check.fine, check.advice.is_some()), (fine, advised), "{check:?}");
            }
        }
    }
}
