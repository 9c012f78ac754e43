//! The parts of renditions that are complete, near at hand: players ask for one after the other.

use super::Engine;
use crate::{BlobKey, Part, Rendition, RenditionState, Result};
use bytes::Bytes;
use std::time::Duration;

/// For so long parts are kept near at hand. They never change: it only bounds how much room they take.
const KEEP: Duration = Duration::from_secs(600);

impl Engine {
    /// The parts of a rendition that the catalog has just given as one to be served.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn parts_of(&self, rendition: &Rendition) -> Result<Vec<Part>> {
        let key = format!("parts:{}", rendition.id);
        if let Some(parts) = self.cached(&key, rendition).await {
            return Ok(parts);
        }
        let parts = self.catalog().list_parts(rendition.id).await?;
        self.remember(&key, rendition, || write(&parts)).await;
        Ok(parts)
    }

    /// One part of such a rendition.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn part_of(&self, rendition: &Rendition, ordinal: u32) -> Result<Option<Part>> {
        let key = format!("part:{}:{ordinal}", rendition.id);
        let known = self.cached(&key, rendition).await.and_then(|parts| parts.into_iter().next());
        if let Some(part) = known.filter(|part| part.ordinal == ordinal) {
            return Ok(Some(part));
        }
        let part = self.catalog().get_part(rendition.id, ordinal).await?;
        if let Some(part) = &part {
            self.remember(&key, rendition, || write(std::slice::from_ref(part))).await;
        }
        Ok(part)
    }

    /// What is remembered of the parts of this rendition, and of none else: whoever may write to the cache must
    /// not decide which bytes are delivered.
    async fn cached(&self, key: &str, rendition: &Rendition) -> Option<Vec<Part>> {
        if !is_complete(rendition) {
            return None;
        }
        let folder = BlobKey::rendition(rendition.tenant, rendition.id);
        let ours = |parts: &Vec<Part>| parts.iter().all(|part| part.key.is_below(&folder));
        let found = self.cache().get(key).await.and_then(|value| read(&value)).filter(ours);
        let outcome = if found.is_some() { "hit" } else { "miss" };
        metrics::counter!("medianest_cache_lookups_total", "outcome" => outcome).increment(1);
        found
    }

    async fn remember(&self, key: &str, rendition: &Rendition, value: impl FnOnce() -> Option<Bytes>) {
        if let Some(value) = is_complete(rendition).then(value).flatten() {
            self.cache().put(key, value, KEEP).await;
        }
    }
}

/// Whether no part will be added any more.
fn is_complete(rendition: &Rendition) -> bool {
    matches!(rendition.state, RenditionState::Ready | RenditionState::Tombstoned)
}

/// Parts as rows of ordinal, key, size and playing time.
fn write(parts: &[Part]) -> Option<Bytes> {
    let row = |part: &Part| (part.ordinal, part.key.to_string(), part.size, part.duration_us);
    serde_json::to_vec(&parts.iter().map(row).collect::<Vec<_>>()).ok().map(Bytes::from)
}

/// What [`write`] wrote; None for what another version did.
fn read(bytes: &[u8]) -> Option<Vec<Part>> {
    let rows: Vec<(u32, String, u64, u64)> = serde_json::from_slice(bytes).ok()?;
    let part = |(ordinal, key, size, duration_us)| {
        Some(Part { ordinal, key: crate::BlobKey::new(key).ok()?, size, duration_us })
    };
    rows.into_iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_they_were_written_and_anything_else_is_a_miss() {
        let part = |ordinal| Part {
            ordinal,
            key: BlobKey::new(format!("r/{ordinal}")).unwrap(),
            size: u64::MAX,
            duration_us: 6_006_000,
        };
        let parts = vec![part(0), part(1)];
        assert_eq!(read(&write(&parts).unwrap()), Some(parts));
        for other in [&b""[..], b"{}", b"[[0,\"r/0\",1]]", b"[[0,\"../x\",1,1]]", b"\xff"] {
            assert_eq!(read(other), None);
        }
    }
}
