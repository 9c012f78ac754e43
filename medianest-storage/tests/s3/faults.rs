//! D5, D6: nothing half visible, lengths checked, what may pass retried.

use crate::support::{MIB, Nest, body, key, nest, noise, options};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use medianest_core::{BlobStore, BlobStoreExt, Error, ErrorKind};
use medianest_storage::ObjectBlobs;
use medianest_testkit::faults::{
    Fault::{Answer, Corrupt, CutAnswer, CutRequest, Delay, LoseAnswer, Silence},
    FaultProxy,
};
use std::time::{Duration, Instant};

/// What may go wrong with a request and passes.
const PASSING: [medianest_testkit::faults::Fault; 6] = [
    Answer(500, "InternalError"),
    Answer(503, "SlowDown"),
    Answer(429, "TooManyRequests"),
    CutRequest(1000),
    LoseAnswer,
    Delay(Duration::from_millis(50)),
];

async fn assert_nothing(nest: &Nest) {
    nest.proxy.heal();
    assert_eq!(nest.blobs.list(None).try_collect::<Vec<_>>().await.unwrap(), []);
    assert_eq!(nest.objects(), Vec::<String>::new());
    assert_eq!(nest.bucket.unfinished_uploads(), 0);
}

#[tokio::test]
async fn d5_a_small_put_survives_what_passes() {
    for fault in PASSING {
        let nest = nest();
        nest.proxy.next("PUT", "k", fault);
        let bytes = noise(300_000);
        assert_eq!(nest.blobs.put_bytes(&key("k"), bytes.clone()).await.unwrap(), 300_000, "{fault:?}");
        assert_eq!(nest.proxy.to_come(), 0, "{fault:?} did not happen");
        assert_eq!(nest.blobs.get_bytes(&key("k"), None).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn d5_each_step_of_a_multipart_put_survives_what_passes() {
    // The last step is apart: a store that has done it knows the upload no more.
    for (method, part) in [("HEAD", "k"), ("POST", "uploads"), ("PUT", "unfinished"), ("PUT", "partNumber=2")]
    {
        for fault in PASSING {
            let nest = nest();
            nest.proxy.next(method, part, fault);
            let bytes = noise(9 * MIB);
            let written = nest.blobs.put(&key("k"), body(&bytes)).await;
            assert_eq!(written.unwrap(), bytes.len() as u64, "{method} {part} {fault:?}");
            assert_eq!(nest.proxy.to_come(), 0, "{method} {part} {fault:?} did not happen");
            assert_eq!(nest.objects(), ["k"], "{method} {part} {fault:?}");
            assert_eq!(nest.blobs.require(&key("k")).await.unwrap().size, bytes.len() as u64);
        }
    }
}

#[tokio::test]
async fn d5_the_last_step_of_a_multipart_put_survives_what_passes() {
    for fault in PASSING {
        let nest = nest();
        nest.blobs.put_bytes(&key("k"), "what was there".into()).await.unwrap();
        nest.proxy.next("POST", "uploadId", fault);
        let bytes = noise(9 * MIB);
        let written = nest.blobs.put(&key("k"), body(&bytes)).await;
        assert_eq!(written.unwrap(), bytes.len() as u64, "{fault:?}");
        assert_eq!(nest.proxy.to_come(), 0, "{fault:?} did not happen");
        assert_eq!(nest.blobs.get_bytes(&key("k"), None).await.unwrap(), bytes, "{fault:?}");
        assert_eq!((nest.objects().len(), nest.bucket.unfinished_uploads()), (1, 0), "{fault:?}");
    }
}

#[tokio::test]
async fn d5_a_multipart_put_that_comes_to_nothing_is_aborted() {
    let (begin, part, end) = (("POST", "uploads"), ("PUT", "partNumber=2"), ("POST", "uploadId"));
    for ((method, step), fault) in [
        (begin, Answer(503, "SlowDown")),
        (begin, Answer(403, "AccessDenied")),
        (part, Answer(503, "SlowDown")),
        (part, Answer(403, "AccessDenied")),
        (part, CutRequest(10)),
        (end, Answer(500, "InternalError")),
        (end, Answer(403, "AccessDenied")),
        // What a store says of a part whose ETag is not the one it was told.
        (end, Answer(400, "InvalidPart")),
        (end, CutRequest(10)),
    ] {
        let nest = nest();
        nest.proxy.always(method, step, fault);
        let error = nest.blobs.put(&key("k"), body(&noise(9 * MIB))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert_nothing(&nest).await;
    }
}

#[tokio::test]
async fn d5_what_is_damaged_on_the_way_is_not_stored() {
    for size in [100_000, 9 * MIB] {
        let nest = nest();
        nest.proxy.always("PUT", "k", Corrupt);
        nest.blobs.put(&key("k"), body(&noise(size))).await.unwrap_err();
        assert_nothing(&nest).await;
    }
}

#[tokio::test]
async fn d5_a_body_that_fails_aborts_its_upload() {
    let nest = nest();
    let broken = stream::iter([Err(Error::invalid("cut", "the client went away"))]).boxed();
    let error = nest.blobs.put(&key("k"), body(&noise(20 * MIB)).chain(broken).boxed()).await.unwrap_err();
    assert_eq!(error.code(), "cut");
    assert_nothing(&nest).await;
}

#[tokio::test]
async fn d5_a_download_goes_on_where_it_broke_off() {
    let nest = nest();
    let bytes = noise(3 * MIB);
    nest.blobs.put_bytes(&key("k"), bytes.clone()).await.unwrap();
    // More often than the store's client would by itself.
    for _ in 0..12 {
        nest.proxy.next("GET", "k", CutAnswer(200_000));
    }
    assert_eq!(nest.blobs.get_bytes(&key("k"), None).await.unwrap(), bytes);
    assert_eq!(nest.proxy.to_come(), 0);
    nest.proxy.next("GET", "k", CutAnswer(10));
    assert_eq!(nest.blobs.get_bytes(&key("k"), Some(1_000..50_000)).await.unwrap(), bytes[1_000..50_000]);
}

#[tokio::test]
async fn d5_a_download_that_never_gets_anywhere_ends_with_an_error() {
    let nest = nest();
    nest.blobs.put_bytes(&key("k"), noise(MIB)).await.unwrap();
    nest.proxy.always("GET", "k", CutAnswer(0));
    let error = nest.blobs.get_bytes(&key("k"), None).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "storage_unavailable"));
}

#[tokio::test]
async fn d5_a_download_is_not_gone_on_with_in_other_bytes() {
    let nest = nest();
    nest.blobs.put_bytes(&key("k"), noise(MIB)).await.unwrap();
    nest.proxy.next("GET", "k", CutAnswer(100_000));
    let mut reading = nest.blobs.get(&key("k"), None).await.unwrap();
    let first = reading.next().await.unwrap().unwrap();
    nest.blobs.put_bytes(&key("k"), vec![7; MIB].into()).await.unwrap();
    let rest: Result<Vec<Bytes>, _> = reading.try_collect().await;
    assert!(rest.is_err(), "after {} bytes came those of a successor", first.len());
}

/// By a store that shows late what it has: who reads was told that it is there.
#[tokio::test]
async fn d5_what_is_not_shown_just_after_a_put_is_waited_for() {
    let nest = nest();
    for size in [1000, 9 * MIB] {
        let bytes = noise(size);
        nest.blobs.put(&key("k"), body(&bytes)).await.unwrap();
        for range in [None, Some(100..200)] {
            nest.proxy.next("GET", "k", Answer(404, "NoSuchKey"));
            let got = nest.blobs.get_bytes(&key("k"), range.clone()).await.unwrap();
            assert_eq!(
                got,
                range.map_or(bytes.clone(), |range| bytes.slice(range.start as usize..range.end as usize))
            );
            assert_eq!(nest.proxy.to_come(), 0);
        }
    }
    let before = nest.proxy.seen().len();
    let missing = nest.blobs.get_bytes(&key("never"), None).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(nest.proxy.seen().len() - before, 3, "not for ever");
}

#[tokio::test]
async fn d5_refusals_are_told_apart() {
    let nest = nest();
    nest.blobs.put_bytes(&key("k"), "x".into()).await.unwrap();
    for (fault, code) in [
        (Answer(403, "AccessDenied"), "storage_refused"),
        (Answer(403, "RequestTimeTooSkewed"), "clock_skewed"),
        (Answer(500, "InternalError"), "storage_unavailable"),
    ] {
        nest.proxy.always("", "", fault);
        for result in [
            nest.blobs.get_bytes(&key("k"), None).await.map(drop),
            nest.blobs.put_bytes(&key("k"), "y".into()).await.map(drop),
            nest.blobs.delete(&key("k")).await,
        ] {
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, code), "{error:?}");
            assert!(!error.report().contains("not a secret"), "{}", error.report());
        }
        nest.proxy.heal();
    }
    assert_eq!(nest.blobs.get_bytes(&key("k"), None).await.unwrap(), "x");
}

#[tokio::test]
async fn d5_a_bucket_that_is_not_there_is_not_a_missing_blob_to_who_writes() {
    let nest = nest();
    for method in ["PUT", "POST"] {
        nest.proxy.always(method, "", Answer(404, "NoSuchBucket"));
    }
    for size in [10, 9 * MIB] {
        let error = nest.blobs.put_bytes(&key("k"), noise(size)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.report().contains("NoSuchBucket"), "{}", error.report());
    }
}

#[tokio::test]
async fn d5_silence_ends() {
    let nest = nest();
    nest.proxy.next("HEAD", "k", Silence);
    let before = Instant::now();
    assert_eq!(nest.blobs.head(&key("k")).await.unwrap(), None);
    assert!(before.elapsed() >= Duration::from_secs(2), "the first request was not given its time");
}

/// With a server that nobody answers for.
#[tokio::test]
async fn d6_a_store_that_is_away_says_so_and_comes_back() {
    let gone = nest();
    let blobs = gone.blobs.clone();
    blobs.put_bytes(&key("k"), "x".into()).await.unwrap();
    let Nest { proxy, bucket, .. } = gone;
    drop(proxy);
    let error = blobs.put_bytes(&key("k"), "y".into()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "storage_unavailable"), "{error:?}");
    let proxy = FaultProxy::start(bucket.address());
    let again = ObjectBlobs::s3(options(&bucket, proxy.endpoint())).unwrap();
    assert_eq!(again.get_bytes(&key("k"), None).await.unwrap(), "x");
}

#[tokio::test]
async fn parts_under_way_are_bounded() {
    let nest = nest();
    nest.proxy.always("PUT", "partNumber", Delay(Duration::from_millis(100)));
    nest.blobs.put(&key("k"), body(&noise(60 * MIB))).await.unwrap();
    assert!(nest.proxy.most_under_way() <= 3, "{} at once", nest.proxy.most_under_way());
    assert!(nest.proxy.most_under_way() > 1, "one after the other");
}

/// A decoder reads pieces; it never makes us fetch the whole.
#[tokio::test]
async fn a_range_is_all_that_is_fetched() {
    let nest = nest();
    let bytes = noise(20 * MIB);
    nest.blobs.put(&key("k"), body(&bytes)).await.unwrap();
    nest.proxy.always("GET", "k", CutAnswer(MIB));
    for at in [0, 7 * MIB, 19 * MIB] {
        let range = at as u64..(at + MIB) as u64;
        let got = nest.blobs.get_bytes(&key("k"), Some(range)).await.unwrap();
        assert_eq!(got, bytes[at..at + MIB]);
    }
}
