//! Things near at hand that would have to be asked for again.

use async_trait::async_trait;
use bytes::Bytes;
use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Bytes of one value at most; a larger one is not kept.
pub const LARGEST_CACHED: usize = 1 << 20;

/// Keeps values that never change under their key, so that it can be asked instead of whoever knows. It may
/// lose any of them at any moment, and never fails: one that cannot be reached, or not at once, has
/// nothing.
///
/// What may change does not belong here, nor does what somebody may lose the right to see, unless that right
/// is looked at first: a cache that several processes share may still have in one of them what was removed
/// in another.
#[async_trait]
pub trait Cache: fmt::Debug + Send + Sync + 'static {
    /// The value that was put under `key`.
    async fn get(&self, key: &str) -> Option<Bytes>;

    /// Keeps a value for so long at most, unless it is larger than [`LARGEST_CACHED`].
    async fn put(&self, key: &str, value: Bytes, keep: Duration);

    /// Makes room. Succeeds when there is nothing.
    async fn remove(&self, key: &str);
}

/// A cache within one process, of bounded size.
pub struct MemoryCache {
    kept: Mutex<Kept>,
}

/// Two generations: what is used goes into the young one, and when that is full it becomes the old one, and
/// what was the old one is dropped as a whole.
struct Kept {
    capacity: usize,
    young: Generation,
    old: Generation,
}

#[derive(Default)]
struct Generation {
    entries: HashMap<String, Entry>,
    bytes: usize,
}

#[derive(Clone)]
struct Entry {
    value: Bytes,
    until: Instant,
}

/// What an entry takes beside key and value, about.
const ENTRY: usize = 128;

impl MemoryCache {
    /// A cache that takes `capacity` bytes at most, and keeps at least what was last used of half of that.
    pub fn new(capacity: usize) -> Self {
        let (young, old) = (Generation::default(), Generation::default());
        Self { kept: Mutex::new(Kept { capacity, young, old }) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Generation {
    fn remove(&mut self, key: &str) -> Option<(String, Entry)> {
        let (key, entry) = self.entries.remove_entry(key)?;
        self.bytes -= size(&key, &entry);
        Some((key, entry))
    }
}

impl Kept {
    fn insert(&mut self, key: String, entry: Entry) {
        let bytes = size(&key, &entry);
        if bytes > self.capacity / 2 {
            return;
        }
        if self.young.bytes + bytes > self.capacity / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.bytes += bytes;
        self.young.entries.insert(key, entry);
    }

    fn get(&mut self, key: &str) -> Option<Entry> {
        if let Some(entry) = self.young.entries.get(key) {
            return Some(entry.clone());
        }
        let (key, entry) = self.old.remove(key)?;
        self.insert(key, entry.clone());
        Some(entry)
    }

    fn remove(&mut self, key: &str) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

fn size(key: &str, entry: &Entry) -> usize {
    key.len() + entry.value.len() + ENTRY
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").finish_non_exhaustive()
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Option<Bytes> {
        let entry = self.with(|kept| kept.get(key))?;
        if entry.until > Instant::now() {
            return Some(entry.value);
        }
        self.with(|kept| kept.remove(key));
        None
    }

    async fn put(&self, key: &str, value: Bytes, keep: Duration) {
        let until =
            Instant::now().checked_add(keep).filter(|_| value.len() <= LARGEST_CACHED && !keep.is_zero());
        let Some(until) = until else { return };
        // A copy: a slice would keep alive what it was cut from.
        let entry = Entry { value: Bytes::copy_from_slice(&value), until };
        self.with(|kept| {
            kept.remove(key);
            kept.insert(key.to_owned(), entry);
        });
    }

    async fn remove(&self, key: &str) {
        self.with(|kept| kept.remove(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn what_is_used_stays_and_the_size_is_bounded() {
        let cache = MemoryCache::new(100_000);
        cache.put("used", Bytes::from_static(b"used"), LONG).await;
        for number in 0..10_000 {
            cache.put(&number.to_string(), vec![0; number % 2_000].into(), LONG).await;
            assert_eq!(cache.get("used").await.as_deref(), Some(&b"used"[..]));
            cache.with(|kept| {
                assert!(kept.young.bytes + kept.old.bytes <= 100_000);
                for generation in [&kept.young, &kept.old] {
                    let sizes = generation.entries.iter().map(|(key, entry)| size(key, entry));
                    assert_eq!(sizes.sum::<usize>(), generation.bytes);
                }
            });
        }
        assert_eq!(cache.get("1").await, None);
        cache.put("vast", vec![0; 60_000].into(), LONG).await;
        assert_eq!(cache.get("vast").await, None);
        assert!(cache.get("used").await.is_some());
        // The same key again takes no more room.
        for _ in 0..1_000 {
            cache.put("same", vec![0; 1_000].into(), LONG).await;
        }
        assert!(cache.get("used").await.is_some());
    }

    #[tokio::test]
    async fn a_slice_does_not_keep_alive_what_it_was_cut_from() {
        let whole = Bytes::from(vec![7; 1 << 16]);
        let cache = MemoryCache::new(10_000);
        cache.put("slice", whole.slice(..10), LONG).await;
        assert!(whole.is_unique());
    }
}
