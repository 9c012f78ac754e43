//! Local files, memory, an S3 server and any other store prove themselves by the same suite.

#![cfg(feature = "local")]

use medianest_storage::ObjectBlobs;

medianest_core::blob_store_tests!(local, {
    let folder = tempfile::tempdir().unwrap();
    (ObjectBlobs::local(folder.path()).unwrap(), folder)
});

medianest_core::blob_store_tests!(memory, (ObjectBlobs::memory(), ()));

// Files by the way of foreign stores: whole objects, multipart uploads, aborts.
medianest_core::blob_store_tests!(foreign, {
    let folder = tempfile::tempdir().unwrap();
    let store = object_store::local::LocalFileSystem::new_with_prefix(folder.path()).unwrap();
    (ObjectBlobs::new(std::sync::Arc::new(store)), folder)
});

#[cfg(feature = "s3")]
mod s3 {
    use medianest_core::{BlobKey, PartUrl, bytes::Bytes, conformance::multipart::Answer};
    use medianest_storage::{ObjectBlobs, S3Options};
    use medianest_testkit::s3::{Place, place};

    fn options(place: &Place) -> S3Options {
        let mut options = S3Options::new(&place.bucket);
        options.endpoint = Some(place.endpoint.clone());
        options.region = place.region.clone();
        options.access_key_id = Some(place.access_key_id.clone());
        options.secret_access_key = Some(place.secret_access_key.clone());
        options
    }

    fn in_a_folder() -> (ObjectBlobs, Place) {
        let place = place();
        let mut options = options(&place);
        options.prefix = Some(BlobKey::new("nest/media").unwrap());
        (ObjectBlobs::s3(options).unwrap(), place)
    }

    fn without_checksums() -> (ObjectBlobs, Place) {
        let place = place();
        let mut options = options(&place);
        options.checksums = false;
        (ObjectBlobs::s3(options).unwrap(), place)
    }

    async fn send(to: PartUrl, body: Bytes) -> Answer {
        let mut request = reqwest::Client::new().put(to.url).body(body);
        for (name, value) in to.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        let etag = answer.headers().get("etag").map(|etag| etag.to_str().unwrap().to_owned());
        Answer { status: answer.status().as_u16(), etag }
    }

    medianest_core::blob_store_tests!(
        store,
        in_a_folder(),
        odd_names: ignore = "s3s-fs names files after whole keys, and takes folders for objects"
    );
    medianest_core::multipart_tests!(
        parts, in_a_folder(), send,
        strict: ignore = "s3s-fs looks at neither digests nor ETags of parts"
    );
    medianest_core::multipart_tests!(
        parts_without_checksums, without_checksums(), send,
        strict: ignore = "s3s-fs looks at neither digests nor ETags of parts"
    );
}
