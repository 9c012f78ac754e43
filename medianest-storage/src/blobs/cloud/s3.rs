use super::{super::ObjectBlobs, Cloud, Patience, direct::Direct, invalid, is_plain, trusted::Trusted};
use medianest_core::{BlobKey, Result};
use object_store::{
    aws::{AmazonS3Builder, Checksum},
    client::HttpConnector,
};
use std::{fmt, path::PathBuf, sync::Arc};

/// Where an S3 bucket is, and how it is talked to.
#[derive(Clone)]
#[non_exhaustive]
pub struct S3Options {
    /// The bucket; it has to be there.
    pub bucket: String,
    /// The region that requests are signed for; for many stores but Amazon's any word does.
    pub region: String,
    /// The address of the store (`https://s3.example.org`); by default Amazon's in the region.
    pub endpoint: Option<String>,
    /// Whether the bucket is in the path of requests instead of in their host; by default where an
    /// endpoint is given.
    pub path_style: Option<bool>,
    /// Keys are below this folder of the bucket.
    pub prefix: Option<BlobKey>,
    /// The id of the key that requests are signed with. Without one, what the process finds around it is
    /// used: `AWS_…` variables, a web identity, the role of the container or the machine.
    pub access_key_id: Option<String>,
    /// The secret of that key.
    pub secret_access_key: Option<String>,
    /// The session that a temporary key belongs to.
    pub session_token: Option<String>,
    /// Whether the store is told the SHA-256 of each object and part to keep beside it. Requests are
    /// signed with the SHA-256 of what they carry in any case, so that a store does not take what was
    /// damaged on the way; turn this off for one that refuses the header.
    pub checksums: bool,
    /// A file with the certificates, in PEM, of those who may vouch for the store beside those whom the system
    /// trusts. When others are put into it, they count within a second.
    pub ca_file: Option<PathBuf>,
    /// How long the store is waited for.
    pub patience: Patience,
}

impl S3Options {
    /// This bucket, in `us-east-1`, with what credentials the process finds.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            region: String::from("us-east-1"),
            endpoint: None,
            path_style: None,
            prefix: None,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            checksums: true,
            ca_file: None,
            patience: Patience::default(),
        }
    }

    /// What requests begin with, and whether the bucket is in their path.
    fn address(&self) -> (String, bool) {
        let (bucket, region) = (&self.bucket, &self.region);
        let path_style = self.path_style.unwrap_or(self.endpoint.is_some());
        let endpoint = match &self.endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => format!("https://s3.{region}.amazonaws.com"),
        };
        match endpoint.split_once("://").filter(|_| !path_style) {
            Some((scheme, host)) => (format!("{scheme}://{bucket}.{host}"), false),
            None => (endpoint, true),
        }
    }
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Options")
            .field("bucket", &self.bucket)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("path_style", &self.path_style)
            .field("prefix", &self.prefix)
            .field("access_key_id", &self.access_key_id)
            .field("checksums", &self.checksums)
            .field("ca_file", &self.ca_file)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl ObjectBlobs {
    /// Blobs in an S3 bucket, of Amazon or of anybody who speaks the same. Nothing is asked of the store
    /// yet.
    ///
    /// # Errors
    /// `invalid_store` when the options cannot be right; `invalid_ca_file`.
    pub fn s3(options: S3Options) -> Result<Self> {
        let (address, path_style) = options.address();
        let (plain, trusted) = (is_plain(&address)?, Trusted::by(options.ca_file)?);
        let mut builder = match (&options.access_key_id, &options.secret_access_key) {
            (None, None) => AmazonS3Builder::from_env(),
            _ => AmazonS3Builder::new(),
        };
        if let Some(id) = options.access_key_id {
            builder = builder.with_access_key_id(id);
        }
        if let Some(secret) = options.secret_access_key {
            builder = builder.with_secret_access_key(secret);
        }
        if let Some(token) = options.session_token {
            builder = builder.with_token(token);
        }
        if options.checksums {
            builder = builder.with_checksum_algorithm(Checksum::SHA256);
        }
        let store = builder
            .with_bucket_name(options.bucket)
            .with_region(options.region)
            .with_endpoint(&address)
            .with_virtual_hosted_style_request(!path_style)
            // We delete one by one, and not every store knows the other way.
            .with_disable_bulk_delete(true)
            .with_retry(options.patience.retry())
            .with_client_options(options.patience.client(plain))
            .with_http_connector(trusted.clone())
            .build()
            .map_err(invalid)?;
        let credentials = Arc::clone(store.credentials());
        let cloud = Cloud::below(store, options.prefix.as_ref(), options.patience.clone());
        let (whole, checksums) = (Arc::clone(&cloud.store), options.checksums);
        let http = trusted.connect(&options.patience.client(plain)).map_err(invalid)?;
        let direct = Direct::new(whole, credentials, http, options.patience, checksums);
        Ok(Self::cloud(Cloud {
            origin: Some(origin(&address)),
            keeps_unfinished: true,
            direct: Some(direct),
            ..cloud
        }))
    }
}

/// The scheme and the host of an address.
fn origin(address: &str) -> String {
    match address.match_indices('/').nth(2) {
        Some((slash, _)) => address[..slash].to_owned(),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(endpoint: Option<&str>, path_style: Option<bool>) -> (String, bool) {
        let endpoint = endpoint.map(str::to_owned);
        S3Options { endpoint, path_style, ..S3Options::new("media") }.address()
    }

    #[test]
    fn the_bucket_is_in_the_host_or_in_the_path() {
        let amazon = "https://media.s3.us-east-1.amazonaws.com";
        assert_eq!(address(None, None), (amazon.to_owned(), false));
        assert_eq!(address(None, Some(true)), ("https://s3.us-east-1.amazonaws.com".to_owned(), true));
        assert_eq!(address(Some("http://nas:9000/"), None), ("http://nas:9000".to_owned(), true));
        let hosted = address(Some("https://s3.example.org"), Some(false));
        assert_eq!(hosted, ("https://media.s3.example.org".to_owned(), false));
    }

    #[test]
    fn an_origin_has_no_path() {
        assert_eq!(origin("https://s3.example.org"), "https://s3.example.org");
        assert_eq!(origin("http://nas:9000/s3/x"), "http://nas:9000");
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut options = S3Options::new("media");
        options.access_key_id = Some("the id".into());
        options.secret_access_key = Some("hunter2".into());
        options.session_token = Some("hunter3".into());
        assert!(!format!("{options:?}").contains("hunter"));
        assert!(!format!("{:?}", ObjectBlobs::s3(options).unwrap()).contains("hunter"));
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        let mut half = S3Options::new("media");
        half.access_key_id = Some("the id".into());
        let mut nowhere = S3Options::new("media");
        nowhere.endpoint = Some("s3.example.org".into());
        for options in [half, nowhere] {
            assert_eq!(ObjectBlobs::s3(options).unwrap_err().code(), "invalid_store");
        }
    }
}
