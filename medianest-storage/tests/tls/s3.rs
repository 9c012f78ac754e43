use crate::support::{Trust, in_the_end, refused};
use bytes::Bytes;
use medianest_core::{BlobKey, BlobStoreExt, Result};
use medianest_storage::{ObjectBlobs, Patience, S3Options};
use medianest_testkit::{
    authority::Authority,
    front::Front,
    s3::{ACCESS_KEY_ID, Bucket, REGION, SECRET_ACCESS_KEY, bucket},
};
use std::time::Duration;

struct Guarded {
    bucket: Bucket,
    front: Front,
}

impl Guarded {
    fn start(trust: &Trust) -> Self {
        let bucket = bucket();
        let front = Front::tls(bucket.address(), &trust.server.certificate, &trust.server.key);
        Self { bucket, front }
    }

    fn connect(&self, trust: Option<&Trust>) -> ObjectBlobs {
        let mut options = S3Options::new(self.bucket.name());
        options.endpoint = Some(format!("https://{}", self.front.address()));
        options.region = REGION.into();
        options.access_key_id = Some(ACCESS_KEY_ID.into());
        options.secret_access_key = Some(SECRET_ACCESS_KEY.into());
        options.ca_file = trust.map(Trust::ca_file);
        // Who is not trusted is not asked often.
        let mut patience = Patience::default();
        (patience.retries, patience.retry_for) = (1, Duration::from_secs(30));
        options.patience = patience;
        ObjectBlobs::s3(options).unwrap()
    }

    /// New connections have to be made.
    fn renew(&self) {
        self.front.begin_again();
    }
}

async fn round_trip(blobs: &ObjectBlobs) -> Result<()> {
    let key = BlobKey::new("d11").unwrap();
    blobs.put_bytes(&key, Bytes::from_static(b"whole")).await?;
    assert_eq!(blobs.get_bytes(&key, None).await?, "whole");
    Ok(())
}

#[tokio::test]
async fn d11_a_certificate_that_expired_is_refused_until_it_is_renewed() {
    let trust = Trust::new();
    let server = Guarded::start(&trust);
    let blobs = server.connect(Some(&trust));
    in_the_end(|| round_trip(&blobs)).await;

    trust.server.replace_by(&trust.authority.issue(-1));
    server.renew();
    refused("storage_untrusted", || round_trip(&blobs)).await;
    trust.server.replace_by(&trust.authority.issue(30));
    in_the_end(|| round_trip(&blobs)).await;
}

#[tokio::test]
async fn d11_another_authority_is_trusted_when_it_is_in_the_file() {
    let (trust, other) = (Trust::new(), Authority::new());
    let server = Guarded::start(&trust);
    let blobs = server.connect(Some(&trust));
    in_the_end(|| round_trip(&blobs)).await;
    let without = server.connect(None);
    refused("storage_untrusted", || round_trip(&without)).await;

    trust.server.replace_by(&other.issue(30));
    server.renew();
    refused("storage_untrusted", || round_trip(&blobs)).await;
    trust.is_in(&other);
    in_the_end(|| round_trip(&blobs)).await;
    // What cannot be read changes nothing.
    std::fs::write(trust.ca_file(), "nonsense").unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    round_trip(&blobs).await.unwrap();
    let mut options = S3Options::new("bucket");
    options.ca_file = Some(trust.ca_file());
    assert_eq!(ObjectBlobs::s3(options).unwrap_err().code(), "invalid_ca_file");
}
