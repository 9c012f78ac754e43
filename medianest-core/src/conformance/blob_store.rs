//! The suite of [`BlobStore`].

use super::{Random, assert_fails};
use crate::{BlobKey, BlobStore, BlobStoreExt, ByteStream, Error, ErrorKind, Result, Sha256};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, channel::mpsc, future::join_all, stream};
use sha2::Digest;
use std::{collections::BTreeSet, sync::Arc};

/// Emits a test for each promise of [`BlobStore`]; see [the module](crate::conformance).
///
/// ```
/// medianest_core::blob_store_tests!(memory, (medianest_core::MemoryBlobs::new(), ()));
/// # fn main() {}
/// ```
///
/// Two cases are about names: the longest key, and a folder that is no key. For a peer that has limits of
/// its own there, `odd_names: ignore = "why"` lets them be shown as ignored.
#[macro_export]
macro_rules! blob_store_tests {
    ($name:ident, $make:expr $(, odd_names: $ignored:meta)?) => {
        $crate::__conformance_tests! { $name, dyn $crate::BlobStore, $make, blob_store {
            what_was_put_is_got,
            an_empty_body_is_stored,
            an_empty_chunk_is_not_the_end,
            a_body_of_odd_chunks_comes_back_bit_for_bit,
            a_body_of_single_bytes_comes_back_bit_for_bit,
            $(#[$ignored])? the_longest_key_is_stored,
            a_missing_key_is_not_found,
            putting_again_replaces,
            a_shorter_body_leaves_nothing_of_the_longer,
            a_body_that_fails_leaves_nothing,
            a_body_that_fails_leaves_the_old_bytes,
            the_error_of_a_body_is_passed_on,
            a_dropped_put_leaves_nothing,
            a_dropped_put_leaves_the_old_bytes,
            nothing_is_visible_before_the_last_byte,
            a_reader_sees_the_old_or_the_new_as_a_whole,
            putting_one_key_at_the_same_time_leaves_one_body,
            many_keys_can_be_put_at_the_same_time,
            deleting_removes,
            deleting_what_is_absent_succeeds,
            deleting_leaves_the_neighbours,
            a_key_can_be_put_again_after_it_was_deleted,
            a_range_is_cut_at_the_end,
            a_range_past_the_end_gives_nothing,
            an_empty_range_gives_nothing,
            a_range_of_a_missing_key_is_not_found,
            every_range_is_what_a_slice_would_be,
            a_range_within_a_long_body,
            head_tells_size_and_time,
            $(#[$ignored])? a_folder_is_not_a_key,
            list_is_of_all_keys,
            list_of_a_folder_is_not_of_its_namesakes,
            list_of_nothing_is_empty,
            list_does_not_show_what_is_unfinished,
            list_is_complete_when_it_is_long,
        } }
    };
}

type Store = Arc<dyn BlobStore>;

fn key(text: &str) -> BlobKey {
    BlobKey::new(text).unwrap()
}

fn noise(seed: u64, length: usize) -> Bytes {
    let mut random = Random(seed);
    let words = std::iter::repeat_with(|| random.next().to_le_bytes());
    words.flatten().take(length).collect::<Vec<u8>>().into()
}

/// A body in chunks of these lengths, over and over.
fn in_chunks(bytes: &Bytes, lengths: &'static [usize]) -> ByteStream {
    let mut rest = bytes.clone();
    let mut lengths = lengths.iter().cycle();
    stream::iter(std::iter::from_fn(move || {
        let chunk = rest.split_to((*lengths.next()?).min(rest.len()));
        (!chunk.is_empty()).then_some(Ok(chunk))
    }))
    .boxed()
}

fn digest(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

async fn whole(store: &Store, key: &BlobKey) -> Bytes {
    store.get_bytes(key, None).await.unwrap()
}

async fn keys(store: &Store, prefix: Option<&BlobKey>) -> BTreeSet<String> {
    let found: Vec<_> = store.list(prefix).try_collect().await.unwrap();
    let keys: BTreeSet<_> = found.iter().map(|meta| meta.key.to_string()).collect();
    assert_eq!(keys.len(), found.len(), "a key was listed twice");
    keys
}

/// Asserts that there is nothing at all under a key.
async fn assert_absent(store: &Store, key: &BlobKey) {
    assert_eq!(store.head(key).await.unwrap(), None);
    assert_fails(store.get_bytes(key, None).await, ErrorKind::NotFound, "blob_not_found");
    assert!(!keys(store, None).await.contains(key.as_str()));
}

/// A put that has taken all that it was sent and waits for more, with what it waits for.
async fn unfinished(
    store: &Store,
    key: &BlobKey,
    bytes: Bytes,
) -> (mpsc::Sender<Result<Bytes>>, tokio::task::JoinHandle<Result<u64>>) {
    let (mut sender, body) = mpsc::channel(0);
    let (store, key) = (Arc::clone(store), key.clone());
    let put = tokio::spawn(async move { store.put(&key, body.boxed()).await });
    let mut rest = bytes;
    while !rest.is_empty() {
        let chunk = rest.split_to(rest.len().min(64 * 1024));
        futures::SinkExt::send(&mut sender, Ok(chunk)).await.unwrap();
    }
    futures::future::poll_fn(|context| sender.poll_ready(context)).await.unwrap();
    (sender, put)
}

/// The whole, and how many bytes it was.
pub async fn what_was_put_is_got(store: Store) {
    let bytes = Bytes::from_static(b"once upon a time");
    assert_eq!(store.put_bytes(&key("o/a"), bytes.clone()).await.unwrap(), 16);
    assert_eq!(whole(&store, &key("o/a")).await, bytes);
}

/// No byte is a body too.
pub async fn an_empty_body_is_stored(store: Store) {
    assert_eq!(store.put(&key("empty"), stream::empty().boxed()).await.unwrap(), 0);
    assert_eq!(store.head(&key("empty")).await.unwrap().unwrap().size, 0);
    assert!(whole(&store, &key("empty")).await.is_empty());
    assert!(store.get_bytes(&key("empty"), Some(0..10)).await.unwrap().is_empty());
    assert!(keys(&store, None).await.contains("empty"));
}

/// A stream may yield nothing for a while.
pub async fn an_empty_chunk_is_not_the_end(store: Store) {
    let chunks = ["", "a", "", "", "bc", ""].map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())));
    assert_eq!(store.put(&key("gaps"), stream::iter(chunks).boxed()).await.unwrap(), 3);
    assert_eq!(&whole(&store, &key("gaps")).await[..], b"abc");
}

/// 12 MiB and a bit, larger than the parts of any store, in chunks that fit to nothing.
pub async fn a_body_of_odd_chunks_comes_back_bit_for_bit(store: Store) {
    let bytes = noise(1, 12 * 1024 * 1024 + 4321);
    let body = in_chunks(&bytes, &[1, 65_537, 4_095, 1_000_003, 17]);
    assert_eq!(store.put(&key("long"), body).await.unwrap(), bytes.len() as u64);
    let mut hash = sha2::Sha256::new();
    let mut chunks = store.get(&key("long"), None).await.unwrap();
    while let Some(chunk) = chunks.try_next().await.unwrap() {
        assert!(chunk.len() <= 8 * 1024 * 1024, "a chunk of {} bytes", chunk.len());
        hash.update(&chunk);
    }
    assert_eq!(Sha256(hash.finalize().into()), digest(&bytes));
    assert_eq!(store.head(&key("long")).await.unwrap().unwrap().size, bytes.len() as u64);
}

/// Slow senders send so.
pub async fn a_body_of_single_bytes_comes_back_bit_for_bit(store: Store) {
    let bytes = noise(2, 10_000);
    store.put(&key("drops"), in_chunks(&bytes, &[1])).await.unwrap();
    assert_eq!(digest(&whole(&store, &key("drops")).await), digest(&bytes));
}

/// 512 bytes, in segments as long as file systems take.
pub async fn the_longest_key_is_stored(store: Store) {
    let long = key(&format!("{}/{}/{}", "a".repeat(255), "0-_.".repeat(63), "z".repeat(3)));
    assert_eq!(long.as_str().len(), 512);
    store.put_bytes(&long, Bytes::from_static(b"deep")).await.unwrap();
    assert_eq!(&whole(&store, &long).await[..], b"deep");
    assert_eq!(keys(&store, None).await, BTreeSet::from([long.to_string()]));
    store.delete(&long).await.unwrap();
    assert_absent(&store, &long).await;
}

/// `blob_not_found`; None.
pub async fn a_missing_key_is_not_found(store: Store) {
    assert_absent(&store, &key("o/nobody")).await;
    assert_fails(store.require(&key("o/nobody")).await, ErrorKind::NotFound, "blob_not_found");
}

/// Bytes that are there already are replaced.
pub async fn putting_again_replaces(store: Store) {
    for text in ["one", "three", "two"] {
        store.put_bytes(&key("k"), Bytes::from_static(text.as_bytes())).await.unwrap();
        assert_eq!(whole(&store, &key("k")).await, text);
    }
    assert_eq!(keys(&store, None).await.len(), 1);
}

/// Replacing is not writing over.
pub async fn a_shorter_body_leaves_nothing_of_the_longer(store: Store) {
    store.put_bytes(&key("k"), noise(3, 9 * 1024 * 1024)).await.unwrap();
    store.put_bytes(&key("k"), Bytes::from_static(b"short")).await.unwrap();
    assert_eq!(&whole(&store, &key("k")).await[..], b"short");
    assert_eq!(store.head(&key("k")).await.unwrap().unwrap().size, 5);
}

fn failing(bytes: &Bytes) -> ByteStream {
    let broken = stream::once(async { Err(Error::invalid("sender_left", "the sender left")) });
    in_chunks(bytes, &[64 * 1024]).chain(broken).boxed()
}

/// Neither a short nor a long one, nor one that fails at once.
pub async fn a_body_that_fails_leaves_nothing(store: Store) {
    for length in [0, 100, 10 * 1024 * 1024] {
        store.put(&key("broken"), failing(&noise(4, length))).await.unwrap_err();
        assert_absent(&store, &key("broken")).await;
    }
}

/// The old bytes stay whole.
pub async fn a_body_that_fails_leaves_the_old_bytes(store: Store) {
    store.put_bytes(&key("k"), Bytes::from_static(b"old")).await.unwrap();
    store.put(&key("k"), failing(&noise(5, 10 * 1024 * 1024))).await.unwrap_err();
    assert_eq!(&whole(&store, &key("k")).await[..], b"old");
}

/// As it is: the caller made it.
pub async fn the_error_of_a_body_is_passed_on(store: Store) {
    for length in [0, 10 * 1024 * 1024] {
        let put = store.put(&key("k"), failing(&noise(6, length))).await;
        assert_fails(put, ErrorKind::InvalidInput, "sender_left");
    }
}

/// Neither after a byte nor after many.
pub async fn a_dropped_put_leaves_nothing(store: Store) {
    for length in [1, 10 * 1024 * 1024] {
        let (_sender, put) = unfinished(&store, &key("dropped"), noise(7, length)).await;
        put.abort();
        assert!(put.await.unwrap_err().is_cancelled());
        assert_absent(&store, &key("dropped")).await;
    }
}

/// The old bytes stay whole.
pub async fn a_dropped_put_leaves_the_old_bytes(store: Store) {
    store.put_bytes(&key("k"), Bytes::from_static(b"old")).await.unwrap();
    let (_sender, put) = unfinished(&store, &key("k"), noise(8, 10 * 1024 * 1024)).await;
    put.abort();
    let _ = put.await;
    assert_eq!(&whole(&store, &key("k")).await[..], b"old");
}

/// And everything after it.
pub async fn nothing_is_visible_before_the_last_byte(store: Store) {
    for length in [1, 10 * 1024 * 1024] {
        let (sender, put) = unfinished(&store, &key("slow"), noise(9, length)).await;
        assert_absent(&store, &key("slow")).await;
        drop(sender);
        assert_eq!(put.await.unwrap().unwrap(), length as u64);
        assert_eq!(whole(&store, &key("slow")).await.len(), length);
        store.delete(&key("slow")).await.unwrap();
    }
}

/// Never a mixture, while others replace them; who reads may be told to begin anew.
pub async fn a_reader_sees_the_old_or_the_new_as_a_whole(store: Store) {
    let bodies: Vec<_> = (0..2).map(|seed| noise(seed, 3 * 1024 * 1024 + seed as usize)).collect();
    let known: BTreeSet<_> = bodies.iter().map(|body| digest(body).0).collect();
    store.put_bytes(&key("k"), bodies[0].clone()).await.unwrap();
    let writer = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            for round in 0..10 {
                store.put(&key("k"), in_chunks(&bodies[round % 2], &[100_000])).await.unwrap();
            }
        }
    });
    let mut rounds = 0;
    while rounds < 5 || !writer.is_finished() {
        match store.get_bytes(&key("k"), None).await {
            Ok(bytes) => assert!(known.contains(&digest(&bytes).0), "a mixture of two bodies"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
        }
        rounds += 1;
    }
    writer.await.unwrap();
    assert!(known.contains(&digest(&whole(&store, &key("k")).await).0));
}

/// One of them, as a whole.
pub async fn putting_one_key_at_the_same_time_leaves_one_body(store: Store) {
    let bodies: Vec<_> = (0..6).map(|seed| noise(seed, 1_500_000 + seed as usize)).collect();
    let key = key("k");
    let puts = bodies.iter().map(|body| store.put(&key, in_chunks(body, &[70_001])));
    for (size, body) in join_all(puts).await.into_iter().zip(&bodies) {
        assert_eq!(size.unwrap(), body.len() as u64);
    }
    assert!(bodies.contains(&whole(&store, &key).await));
    assert_eq!(keys(&store, None).await.len(), 1);
}

/// Also when their folder is not there yet.
pub async fn many_keys_can_be_put_at_the_same_time(store: Store) {
    let puts = (0..40).map(|n| {
        let (store, key) = (Arc::clone(&store), key(&format!("r/{}/x/{n}", n % 3)));
        tokio::spawn(async move { store.put_bytes(&key, noise(n, 1000)).await })
    });
    for put in join_all(puts).await {
        assert_eq!(put.unwrap().unwrap(), 1000);
    }
    for n in 0..40 {
        assert_eq!(whole(&store, &key(&format!("r/{}/x/{n}", n % 3))).await, noise(n, 1000));
    }
}

/// It is not there any more.
pub async fn deleting_removes(store: Store) {
    store.put_bytes(&key("o/a"), Bytes::from_static(b"x")).await.unwrap();
    store.delete(&key("o/a")).await.unwrap();
    assert_absent(&store, &key("o/a")).await;
}

/// Also twice.
pub async fn deleting_what_is_absent_succeeds(store: Store) {
    store.delete(&key("never/there")).await.unwrap();
    store.put_bytes(&key("o/a"), Bytes::from_static(b"x")).await.unwrap();
    store.delete(&key("o/a")).await.unwrap();
    store.delete(&key("o/a")).await.unwrap();
}

/// In the same folder, with the same beginning.
pub async fn deleting_leaves_the_neighbours(store: Store) {
    let neighbours = ["o/ab", "o/b", "p/a", "a"];
    for name in neighbours.iter().chain(&["o/a"]) {
        store.put_bytes(&key(name), Bytes::from_static(b"x")).await.unwrap();
    }
    store.delete(&key("o/a")).await.unwrap();
    assert_eq!(keys(&store, None).await, neighbours.map(String::from).into());
}

/// Also while others delete the last key of the same folder.
pub async fn a_key_can_be_put_again_after_it_was_deleted(store: Store) {
    let churn = |n: u64| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let key = key(&format!("deep/er/{n}"));
            for round in 0..20 {
                store.put_bytes(&key, noise(round, 10)).await.unwrap();
                assert_eq!(whole(&store, &key).await, noise(round, 10));
                store.delete(&key).await.unwrap();
            }
        })
    };
    for done in join_all((0..4).map(churn)).await {
        done.unwrap();
    }
    assert!(keys(&store, None).await.is_empty());
}

async fn abc(store: &Store) -> BlobKey {
    store.put_bytes(&key("abc"), Bytes::from_static(b"abcdefghij")).await.unwrap();
    key("abc")
}

/// As HTTP ranges are.
pub async fn a_range_is_cut_at_the_end(store: Store) {
    let key = abc(&store).await;
    for (range, expected) in [(7..100, "hij"), (0..u64::MAX, "abcdefghij"), (9..10, "j"), (9..11, "j")] {
        assert_eq!(store.get_bytes(&key, Some(range)).await.unwrap(), expected);
    }
}

/// No error: nothing.
pub async fn a_range_past_the_end_gives_nothing(store: Store) {
    let key = abc(&store).await;
    for range in [10..11, 10..10, 11..20, 1 << 40..1 << 41, u64::MAX - 1..u64::MAX] {
        assert!(store.get_bytes(&key, Some(range.clone())).await.unwrap().is_empty(), "{range:?}");
    }
}

/// At the start, in the middle, at the end.
pub async fn an_empty_range_gives_nothing(store: Store) {
    let key = abc(&store).await;
    for at in [0, 5, 10] {
        assert!(store.get_bytes(&key, Some(at..at)).await.unwrap().is_empty());
    }
}

/// Also an empty one.
pub async fn a_range_of_a_missing_key_is_not_found(store: Store) {
    for range in [0..0, 0..1, 5..10] {
        let got = store.get_bytes(&key("missing"), Some(range)).await;
        assert_fails(got, ErrorKind::NotFound, "blob_not_found");
    }
}

/// All of a short body.
pub async fn every_range_is_what_a_slice_would_be(store: Store) {
    let key = abc(&store).await;
    for start in 0..=10_usize {
        for end in start..=10 {
            let got = store.get_bytes(&key, Some(start as u64..end as u64)).await.unwrap();
            assert_eq!(&got[..], &b"abcdefghij"[start..end]);
        }
    }
}

/// Over the seams of chunks and parts.
pub async fn a_range_within_a_long_body(store: Store) {
    let bytes = noise(10, 9 * 1024 * 1024);
    store.put(&key("long"), in_chunks(&bytes, &[300_000])).await.unwrap();
    let mut random = Random(10);
    for _ in 0..20 {
        let start = random.below(bytes.len() as u64);
        let end = start + random.below(3 * 1024 * 1024);
        let got = store.get_bytes(&key("long"), Some(start..end)).await.unwrap();
        let expected = &bytes[start as usize..(end as usize).min(bytes.len())];
        assert_eq!((got.len(), digest(&got)), (expected.len(), digest(expected)), "{start}..{end}");
    }
}

/// The time does not go back when the bytes are replaced.
pub async fn head_tells_size_and_time(store: Store) {
    store.put_bytes(&key("k"), Bytes::from_static(b"123")).await.unwrap();
    let first = store.require(&key("k")).await.unwrap();
    assert_eq!((first.key.as_str(), first.size), ("k", 3));
    assert!(first.modified.as_secs() > 1_700_000_000, "{}", first.modified);
    store.put_bytes(&key("k"), Bytes::from_static(b"12345")).await.unwrap();
    let second = store.require(&key("k")).await.unwrap();
    assert_eq!(second.size, 5);
    assert!(second.modified >= first.modified);
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!((listed[0].size, &listed[0].key), (5, &key("k")));
}

/// It has no bytes, and deleting it deletes nothing below it.
pub async fn a_folder_is_not_a_key(store: Store) {
    store.put_bytes(&key("a/b/c"), Bytes::from_static(b"x")).await.unwrap();
    for folder in ["a", "a/b"] {
        assert_absent(&store, &key(folder)).await;
        store.delete(&key(folder)).await.unwrap();
    }
    assert_absent(&store, &key("a/b/c/d")).await;
    store.delete(&key("a/b/c/d")).await.unwrap();
    assert_eq!(&whole(&store, &key("a/b/c")).await[..], b"x");
}

async fn put_all(store: &Store, names: &[&str]) {
    for name in names {
        store.put_bytes(&key(name), Bytes::copy_from_slice(name.as_bytes())).await.unwrap();
    }
}

/// At any depth, with their sizes.
pub async fn list_is_of_all_keys(store: Store) {
    let names = ["a", "b/c", "b/d/e", "b.c", "b-c/d"];
    put_all(&store, &names).await;
    assert_eq!(keys(&store, None).await, names.map(String::from).into());
    for meta in store.list(None).try_collect::<Vec<_>>().await.unwrap() {
        assert_eq!(meta.size, meta.key.as_str().len() as u64);
        assert_eq!(Some(meta.clone()), store.head(&meta.key).await.unwrap());
    }
}

/// `r/1/…` and not `r/1x`, `r/10/…` or `r/1` itself.
pub async fn list_of_a_folder_is_not_of_its_namesakes(store: Store) {
    put_all(&store, &["r/1/a", "r/1/b/c", "r/10/a", "r/1x", "r/1-/a", "r/1.", "q/r/1/a"]).await;
    let below = BTreeSet::from(["r/1/a", "r/1/b/c"].map(String::from));
    assert_eq!(keys(&store, Some(&key("r/1"))).await, below);
    assert_eq!(keys(&store, Some(&key("r/1/b"))).await, BTreeSet::from([String::from("r/1/b/c")]));
}

/// No folder, no key, nothing at all; a key has nothing below it.
pub async fn list_of_nothing_is_empty(store: Store) {
    assert!(keys(&store, None).await.is_empty());
    assert!(keys(&store, Some(&key("nowhere/near"))).await.is_empty());
    put_all(&store, &["a/b"]).await;
    assert!(keys(&store, Some(&key("a/b"))).await.is_empty());
    assert!(keys(&store, Some(&key("a/b/c"))).await.is_empty());
}

/// Neither the key nor anything else of it.
pub async fn list_does_not_show_what_is_unfinished(store: Store) {
    let (sender, put) = unfinished(&store, &key("a/slow"), noise(11, 10 * 1024 * 1024)).await;
    assert!(keys(&store, None).await.is_empty());
    assert!(keys(&store, Some(&key("a"))).await.is_empty());
    drop(sender);
    put.await.unwrap().unwrap();
    assert_eq!(keys(&store, None).await, BTreeSet::from([String::from("a/slow")]));
}

/// More than a page of any store.
pub async fn list_is_complete_when_it_is_long(store: Store) {
    let names: BTreeSet<_> = (0..1_100).map(|n| format!("l/{:02x}/{n}", n % 7)).collect();
    let all: Vec<_> = names.iter().map(|name| key(name)).collect();
    for some in all.chunks(50) {
        for put in join_all(some.iter().map(|key| store.put_bytes(key, Bytes::new()))).await {
            put.unwrap();
        }
    }
    assert_eq!(keys(&store, None).await, names);
    assert_eq!(keys(&store, Some(&key("l"))).await, names);
}
