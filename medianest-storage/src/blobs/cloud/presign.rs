use super::{
    super::{error::unavailable, path},
    Cloud,
};
use async_trait::async_trait;
use medianest_core::{BlobKey, Presign, PresignedHeaders, Result};
use object_store::signer::{Method, SignedUrlOptions};
use std::time::Duration;

#[async_trait]
impl Presign for Cloud {
    fn origin(&self) -> &str {
        self.origin.as_deref().unwrap_or_default()
    }

    async fn presign_get(
        &self,
        key: &BlobKey,
        headers: &PresignedHeaders,
        valid: Duration,
    ) -> Result<String> {
        let options = SignedUrlOptions::new().with_query([
            ("response-content-type", &headers.content_type),
            ("response-content-disposition", &headers.content_disposition),
            ("response-cache-control", &headers.cache_control),
        ]);
        let url = self.store.signed_url_opts(Method::GET, &path(key), valid, &options).await;
        url.map(String::from).map_err(|error| unavailable(error).with("key", key))
    }
}
