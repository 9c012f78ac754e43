//! URLs that the store answers itself.

use crate::support::{key, nest, noise};
use medianest_core::{BlobStore, BlobStoreExt, ErrorKind, MemoryBlobs, PresignedHeaders};
use medianest_storage::{Mirror, ObjectBlobs};
use std::time::Duration;

fn headers() -> PresignedHeaders {
    PresignedHeaders {
        content_type: "image/svg+xml".into(),
        content_disposition: "attachment; filename=\"a b.svg\"; filename*=UTF-8''%C3%A9.svg".into(),
        cache_control: "private, max-age=3600".into(),
    }
}

#[tokio::test]
async fn a_url_reads_one_blob_and_does_nothing_else() {
    let nest = nest();
    let bytes = noise(100_000);
    nest.blobs.put_bytes(&key("o/one"), bytes.clone()).await.unwrap();
    nest.blobs.put_bytes(&key("o/two"), "other".into()).await.unwrap();
    let presign = nest.blobs.presign().unwrap();
    let url = presign.presign_get(&key("o/one"), &headers(), Duration::from_secs(60)).await.unwrap();
    assert_eq!(presign.origin(), nest.proxy.endpoint());
    assert!(url.starts_with(&format!("{}/", presign.origin())), "{url}");
    assert!(!url.contains("not a secret"));

    let http = reqwest::Client::new();
    let whole = http.get(&url).send().await.unwrap();
    assert_eq!(whole.status(), 200);
    let header = |name: &str| whole.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), headers().content_type);
    assert_eq!(header("content-disposition"), headers().content_disposition);
    assert_eq!(header("cache-control"), headers().cache_control);
    assert_eq!(whole.bytes().await.unwrap(), bytes);

    let part = http.get(&url).header("range", "bytes=10-19").send().await.unwrap();
    assert_eq!(
        (part.status().as_u16(), part.headers()["content-range"].to_str().unwrap()),
        (206, "bytes 10-19/100000")
    );
    assert_eq!(part.bytes().await.unwrap(), bytes[10..20]);

    for (method, url) in [
        (reqwest::Method::PUT, url.clone()),
        (reqwest::Method::DELETE, url.clone()),
        (reqwest::Method::GET, url.replace("o/one", "o/two")),
        (reqwest::Method::GET, url.replace("svg%2Bxml", "png")),
        (reqwest::Method::GET, url.split('?').next().unwrap().to_owned()),
    ] {
        let refused = http.request(method.clone(), &url).body("x").send().await.unwrap();
        assert_eq!(refused.status(), 403, "{method} {url}");
    }
    assert_eq!(nest.blobs.get_bytes(&key("o/one"), None).await.unwrap(), bytes);
}

#[test]
fn stores_that_give_out_no_urls_say_so() {
    let nest = nest();
    let stores: [&dyn BlobStore; 3] = [
        &MemoryBlobs::new(),
        &ObjectBlobs::memory(),
        // Parts would be in one of the two alone.
        &Mirror::new(nest.blobs.clone(), ObjectBlobs::memory()),
    ];
    for store in stores {
        for error in [store.presign().map(drop).unwrap_err(), store.multipart().map(drop).unwrap_err()] {
            assert_eq!((error.kind(), error.code()), (ErrorKind::Unsupported, "presign_unsupported"));
        }
    }
}
