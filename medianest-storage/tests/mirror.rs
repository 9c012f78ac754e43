//! Everything twice.

#![cfg(feature = "local")]

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use medianest_core::{
    BlobKey, BlobMeta, BlobStore, BlobStoreExt, ByteStream, Error, ErrorKind, MemoryBlobs, Result,
};
use medianest_storage::{Mirror, ObjectBlobs};
use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

medianest_core::blob_store_tests!(mirror, (Mirror::new(MemoryBlobs::new(), MemoryBlobs::new()), ()));

medianest_core::blob_store_tests!(mirror_of_files, {
    let (first, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mirror =
        Mirror::new(ObjectBlobs::local(first.path()).unwrap(), ObjectBlobs::local(copy.path()).unwrap());
    (mirror, (first, copy))
});

// With a first store that has lost all it ever had, a mirror is as good.
medianest_core::blob_store_tests!(mirror_of_a_sieve, (Mirror::new(Sieve, MemoryBlobs::new()), ()));

/// Takes everything and keeps nothing.
#[derive(Debug)]
struct Sieve;

#[async_trait]
impl BlobStore for Sieve {
    async fn put(&self, _: &BlobKey, body: ByteStream) -> Result<u64> {
        body.try_fold(0, |size, chunk| async move { Ok(size + chunk.len() as u64) }).await
    }

    async fn get(&self, key: &BlobKey, _: Option<Range<u64>>) -> Result<ByteStream> {
        Err(medianest_core::blob_not_found(key))
    }

    async fn head(&self, _: &BlobKey) -> Result<Option<BlobMeta>> {
        Ok(None)
    }

    async fn delete(&self, _: &BlobKey) -> Result<()> {
        Ok(())
    }

    fn list(&self, _: Option<&BlobKey>) -> BoxStream<'static, Result<BlobMeta>> {
        stream::empty().boxed()
    }
}

/// A store that can be switched off, also in the middle of a body.
#[derive(Clone, Debug, Default)]
struct Switched {
    blobs: MemoryBlobs,
    off: Arc<AtomicBool>,
}

impl Switched {
    fn check(&self) -> Result<()> {
        match self.off.load(Ordering::SeqCst) {
            true => Err(Error::unavailable("storage_unavailable", "switched off")),
            false => Ok(()),
        }
    }

    fn switch(&self, off: bool) {
        self.off.store(off, Ordering::SeqCst);
    }
}

#[async_trait]
impl BlobStore for Switched {
    async fn put(&self, key: &BlobKey, body: ByteStream) -> Result<u64> {
        let this = self.clone();
        let watched = body.and_then(move |chunk| {
            let on = this.check();
            async move { on.map(|()| chunk) }
        });
        self.check()?;
        self.blobs.put(key, watched.boxed()).await
    }

    async fn get(&self, key: &BlobKey, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.check()?;
        let this = self.clone();
        let bytes = self.blobs.get(key, range).await?.and_then(move |chunk| {
            let on = this.check();
            async move { on.map(|()| chunk) }
        });
        Ok(bytes.boxed())
    }

    async fn head(&self, key: &BlobKey) -> Result<Option<BlobMeta>> {
        self.check()?;
        self.blobs.head(key).await
    }

    async fn delete(&self, key: &BlobKey) -> Result<()> {
        self.check()?;
        self.blobs.delete(key).await
    }

    fn list(&self, prefix: Option<&BlobKey>) -> BoxStream<'static, Result<BlobMeta>> {
        self.blobs.list(prefix)
    }
}

fn key() -> BlobKey {
    BlobKey::new("o/a").unwrap()
}

fn mirrored() -> (Switched, Switched, Mirror) {
    let (first, copy) = (Switched::default(), Switched::default());
    (first.clone(), copy.clone(), Mirror::new(first, copy))
}

#[tokio::test]
async fn what_is_put_is_in_both_or_in_none() {
    let (first, copy, mirror) = mirrored();
    mirror.put_bytes(&key(), "twice".into()).await.unwrap();
    for store in [&first, &copy] {
        assert_eq!(store.get_bytes(&key(), None).await.unwrap(), "twice");
    }
    mirror.delete(&key()).await.unwrap();
    for away in [&first, &copy] {
        away.switch(true);
        let error = mirror.put_bytes(&key(), "once".into()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "storage_unavailable"));
        away.switch(false);
        for store in [&first, &copy] {
            assert_eq!(store.head(&key()).await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn a_store_that_goes_away_in_the_middle_of_a_put_leaves_nothing() {
    for which in [0, 1] {
        let (first, copy, mirror) = mirrored();
        let away = [first.clone(), copy.clone()][which].clone();
        let chunks = stream::iter(0..10).map(move |n| {
            away.switch(n >= 5);
            Ok(Bytes::from(vec![n; 1000]))
        });
        mirror.put(&key(), chunks.boxed()).await.unwrap_err();
        first.switch(false);
        copy.switch(false);
        assert_eq!((first.head(&key()).await.unwrap(), copy.head(&key()).await.unwrap()), (None, None));
    }
}

#[tokio::test]
async fn reads_go_on_from_the_copy_while_the_first_is_away() {
    let (first, _, mirror) = mirrored();
    let bytes: Bytes = (0..5_000_000_u32).map(|n| n.to_le_bytes()[1]).collect::<Vec<u8>>().into();
    mirror.put_bytes(&key(), bytes.clone()).await.unwrap();
    first.switch(true);
    assert_eq!(mirror.get_bytes(&key(), Some(10..20)).await.unwrap(), bytes[10..20]);
    assert_eq!(mirror.require(&key()).await.unwrap().size, 5_000_000);
    first.switch(false);
    for range in [None, Some(1_000_000..4_500_000)] {
        let expected = range.clone().map_or(bytes.clone(), |r| bytes.slice(r.start as usize..r.end as usize));
        let mut reading = mirror.get(&key(), range).await.unwrap();
        let begin = reading.try_next().await.unwrap().unwrap();
        first.switch(true);
        let rest: Vec<Bytes> = reading.try_collect().await.unwrap();
        first.switch(false);
        assert_eq!([begin.to_vec(), rest.concat()].concat(), expected);
    }
}

#[tokio::test]
async fn what_the_first_has_lost_is_put_back() {
    let (first, copy, mirror) = mirrored();
    for n in 0..20 {
        mirror
            .put_bytes(&BlobKey::new(format!("o/{n}")).unwrap(), format!("bytes {n}").into())
            .await
            .unwrap();
    }
    let lost = BlobKey::new("o/7").unwrap();
    first.delete(&lost).await.unwrap();
    let listed: Vec<_> = mirror.list(None).try_collect().await.unwrap();
    assert_eq!(listed.len(), 20, "a list is complete");
    assert_eq!(mirror.get_bytes(&lost, None).await.unwrap(), "bytes 7");
    while first.head(&lost).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }

    for n in [1, 3] {
        first.delete(&BlobKey::new(format!("o/{n}")).unwrap()).await.unwrap();
    }
    first.put_bytes(&BlobKey::new("o/5").unwrap(), "cut".into()).await.unwrap();
    assert_eq!(mirror.heal().await.unwrap(), 3);
    assert_eq!(mirror.heal().await.unwrap(), 0);
    assert_eq!(first.get_bytes(&BlobKey::new("o/5").unwrap(), None).await.unwrap(), "bytes 5");
    copy.switch(true);
    assert_eq!(mirror.get_bytes(&lost, None).await.unwrap(), "bytes 7", "without the copy");
}

#[tokio::test]
async fn away_is_not_lost() {
    let (first, copy, mirror) = mirrored();
    mirror.put_bytes(&key(), "x".into()).await.unwrap();
    first.delete(&key()).await.unwrap();
    copy.switch(true);
    let error = mirror.get_bytes(&key(), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "nobody knows whether it is gone");
}
