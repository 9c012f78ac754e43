//! The suite of [`Cache`], while it can be reached and nothing else wants its room.

use crate::{Cache, LARGEST_CACHED};
use bytes::Bytes;
use futures::future::join_all;
use std::{sync::Arc, time::Duration};

/// Emits a test for each promise of [`Cache`]; see [the module](crate::conformance).
#[macro_export]
macro_rules! cache_tests {
    ($name:ident, $make:expr) => {
        $crate::__conformance_tests! { $name, dyn $crate::Cache, $make, cache {
            what_was_put_is_there,
            nothing_is_under_another_key,
            any_bytes_can_be_kept,
            what_was_removed_is_gone,
            nothing_is_kept_for_longer_than_it_was_to_be,
            the_largest_is_kept_and_a_larger_one_is_not,
            a_crowd_finds_each_its_own,
        } }
    };
}

type Shared = Arc<dyn Cache>;

const LONG: Duration = Duration::from_secs(3600);

async fn put(cache: &Shared, key: &str, value: &'static [u8]) {
    cache.put(key, Bytes::from_static(value), LONG).await;
}

/// As often as it is asked for.
pub async fn what_was_put_is_there(cache: Shared) {
    put(&cache, "key", b"value").await;
    for _ in 0..3 {
        assert_eq!(cache.get("key").await.as_deref(), Some(&b"value"[..]));
    }
    put(&cache, "key", b"value").await;
    assert_eq!(cache.get("key").await.as_deref(), Some(&b"value"[..]));
}

/// However alike.
pub async fn nothing_is_under_another_key(cache: Shared) {
    assert_eq!(cache.get("key").await, None);
    put(&cache, "key", b"value").await;
    for other in ["", "ke", "key ", "KEY", "key:1", "{key}", "key\0"] {
        assert_eq!(cache.get(other).await, None, "{other:?}");
    }
}

/// None at all, and such as are no text.
pub async fn any_bytes_can_be_kept(cache: Shared) {
    put(&cache, "empty", b"").await;
    assert_eq!(cache.get("empty").await, Some(Bytes::new()));
    let all: Bytes = (0..=255).collect();
    cache.put("all \r\n ü", all.clone(), LONG).await;
    assert_eq!(cache.get("all \r\n ü").await, Some(all));
}

/// Also when it is removed again, or never was there.
pub async fn what_was_removed_is_gone(cache: Shared) {
    cache.remove("key").await;
    put(&cache, "key", b"value").await;
    put(&cache, "other", b"value").await;
    for _ in 0..2 {
        cache.remove("key").await;
        assert_eq!(cache.get("key").await, None);
    }
    assert!(cache.get("other").await.is_some());
    put(&cache, "key", b"value").await;
    assert!(cache.get("key").await.is_some());
}

/// Whether somebody looked at it meanwhile or not.
pub async fn nothing_is_kept_for_longer_than_it_was_to_be(cache: Shared) {
    let short = Duration::from_millis(200);
    for key in ["seen", "unseen"] {
        cache.put(key, Bytes::from_static(b"value"), short).await;
    }
    cache.get("seen").await;
    cache.put("never", Bytes::from_static(b"value"), Duration::ZERO).await;
    assert_eq!(cache.get("never").await, None);
    tokio::time::sleep(short + Duration::from_millis(50)).await;
    for key in ["seen", "unseen"] {
        assert_eq!(cache.get(key).await, None, "{key}");
    }
}

/// A larger one is as if it had not been put.
pub async fn the_largest_is_kept_and_a_larger_one_is_not(cache: Shared) {
    let bytes = Bytes::from(vec![7; LARGEST_CACHED + 1]);
    cache.put("largest", bytes.slice(1..), LONG).await;
    cache.put("larger", bytes.clone(), LONG).await;
    assert_eq!(cache.get("largest").await, Some(bytes.slice(1..)));
    assert_eq!(cache.get("larger").await, None);
}

/// Many at the same time.
pub async fn a_crowd_finds_each_its_own(cache: Shared) {
    let crowd = (0..50_u32).map(|number| {
        let cache = Arc::clone(&cache);
        tokio::spawn(async move {
            let (key, value) = (format!("key {number}"), Bytes::from(number.to_string()));
            cache.put(&key, value.clone(), LONG).await;
            assert_eq!(cache.get(&key).await, Some(value));
        })
    });
    join_all(crowd).await.into_iter().for_each(|done| done.unwrap());
}
