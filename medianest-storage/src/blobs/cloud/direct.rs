//! Multipart uploads whose parts come from somebody else, by presigned URLs.
//!
//! An upload is known by its [note](super::unfinished): its id holds the name of the note, so that any
//! process finds it, and when the note is gone the upload has ended.

use super::{
    super::{error::unavailable, path},
    CloudStore, Patience, sign, unfinished,
};
use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use medianest_core::{
    BlobKey, Error, ErrorKind, LONGEST_PRESIGNED, Multipart, MultipartId, PartRequest, PartRules, PartUrl,
    Result, SentPart, Sha256, StoredPart,
};
use object_store::{
    Error as StoreError, ObjectStoreExt,
    aws::AwsCredentialProvider,
    client::{HttpClient, HttpRequest, HttpRequestBody},
    multipart::PartId,
    path::Path,
    signer::{Method, SignedUrlOptions},
};
use quick_xml::escape::escape;
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

const CHECKSUM: &str = "x-amz-checksum-sha256";
/// How long a URL is good for that we use ourselves, at once.
const AT_ONCE: Duration = Duration::from_secs(60);
/// Bytes of a list of parts at most: one answer names a thousand, each with a few hundred.
const LONGEST_LIST: usize = 4 << 20;

/// The parts of an S3 store.
#[derive(Debug)]
pub(super) struct Direct {
    store: Arc<dyn CloudStore>,
    credentials: AwsCredentialProvider,
    /// Asks for lists of parts, which object_store does not.
    http: HttpClient,
    patience: Patience,
    /// Whether the store keeps the SHA-256 of each part: those who send it have to tell it then.
    checksums: bool,
}

impl Direct {
    pub(super) fn new(
        store: Arc<dyn CloudStore>,
        credentials: AwsCredentialProvider,
        http: HttpClient,
        patience: Patience,
        checksums: bool,
    ) -> Self {
        Self { store, credentials, http, patience, checksums }
    }

    async fn size(&self, key: &BlobKey) -> Result<Option<u64>> {
        match self.store.head(&path(key)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(unavailable(error).with("key", key)),
        }
    }

    /// One page of the parts, after the one with this number.
    async fn page(&self, upload: &Upload<'_>, after: u32) -> Result<ListParts> {
        let query = [("uploadId", upload.id.to_owned()), ("part-number-marker", after.to_string())];
        let options = SignedUrlOptions::new().with_query(query);
        let mut tried = 0;
        loop {
            let url = self.store.signed_url_opts(Method::GET, &upload.path, AT_ONCE, &options).await;
            let failed = match self.get(url.map_err(unavailable)?.as_str()).await {
                Ok((200, body)) => return quick_xml::de::from_reader(&body[..]).map_err(not_understood),
                Ok((404, body)) if says(&body, "NoSuchUpload") => return Err(upload_not_found()),
                Ok((status, body)) => refused(status, &body),
                Err(error) => unavailable(error),
            };
            let passes = failed.code() == "storage_unavailable" && tried < self.patience.retries;
            if !passes {
                return Err(failed.with("key", upload.key));
            }
            self.patience.pause(tried).await;
            tried += 1;
        }
    }

    async fn get(&self, url: &str) -> object_store::Result<(u16, Vec<u8>)> {
        let failed = |source| StoreError::Generic { store: "S3", source };
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = url.parse().map_err(|error| failed(Box::new(error)))?;
        let answer = self.http.execute(request).await.map_err(|error| failed(Box::new(error)))?;
        let (head, body) = answer.into_parts();
        let mut body = body.bytes_stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = futures::StreamExt::next(&mut body).await {
            bytes.extend_from_slice(&chunk.map_err(|error| failed(Box::new(error)))?);
            if bytes.len() > LONGEST_LIST {
                return Err(failed("the list of parts is too long".into()));
            }
        }
        Ok((head.status.as_u16(), bytes))
    }

    /// What the store is told of a part at the end, in the words in which it was told to object_store.
    fn told(&self, part: &SentPart) -> Result<PartId> {
        let etag = escape(&part.etag);
        let content_id = match part.sha256.filter(|_| self.checksums) {
            None if self.checksums => return Err(invalid_part("its SHA-256 is missing", part.number)),
            None => part.etag.clone(),
            Some(sha256) => format!(
                "<PartMetadata><e_tag>{etag}</e_tag><checksum_sha256>{}</checksum_sha256></PartMetadata>",
                base64(&sha256)
            ),
        };
        Ok(PartId { content_id })
    }
}

#[async_trait]
impl Multipart for Direct {
    fn rules(&self) -> PartRules {
        PartRules::s3(self.checksums)
    }

    async fn begin(&self, key: &BlobKey) -> Result<MultipartId> {
        if self.size(key).await?.is_some() {
            return Err(Error::conflict("blob_exists", "there are bytes under this key").with("key", key));
        }
        let failed = |error| unavailable(error).with("key", key);
        let path = path(key);
        let id = self.store.create_multipart(&path).await.map_err(failed)?;
        let note = unfinished::Note { path: path.to_string(), upload: id.clone() };
        let name = Uuid::now_v7();
        if let Err(error) = note.write(&*self.store, name).await {
            let _ = self.store.abort_multipart(&path, &id).await;
            return Err(failed(error));
        }
        Ok(MultipartId(format!("{}.{id}", name.simple())))
    }

    async fn presign_part(
        &self,
        key: &BlobKey,
        upload: &MultipartId,
        part: &PartRequest,
        valid: Duration,
    ) -> Result<PartUrl> {
        let (upload, rules) = (Upload::of(key, upload)?, self.rules());
        if !(1..=rules.max_parts).contains(&part.number) {
            return Err(invalid_part("its number is out of range", part.number));
        }
        if !(1..=rules.max_size).contains(&part.size) {
            return Err(invalid_part("its size is out of range", part.number));
        }
        if rules.sha256 && part.sha256.is_none() {
            return Err(invalid_part("its SHA-256 is missing", part.number));
        }
        let valid = valid.min(LONGEST_PRESIGNED);
        let failed = |error| unavailable(error).with("key", key);
        let query = [("partNumber", part.number.to_string()), ("uploadId", upload.id.to_owned())];
        let options = SignedUrlOptions::new().with_query(query);
        let url =
            self.store.signed_url_opts(Method::PUT, &upload.path, valid, &options).await.map_err(failed)?;
        let credential = self.credentials.get_credential().await.map_err(failed)?;
        let (length, checksum) = (part.size.to_string(), part.sha256.as_ref().map(base64));
        let checksum = checksum.filter(|_| rules.sha256);
        let mut bound = vec![("content-length", length.as_str())];
        bound.extend(checksum.as_deref().map(|checksum| (CHECKSUM, checksum)));
        let url = sign::with_headers(url.as_str(), "PUT", &bound, &credential).ok_or_else(|| {
            Error::unavailable("storage_unavailable", "the credentials of the blob store have just changed")
        })?;
        let headers = checksum.map(|checksum| (CHECKSUM.to_owned(), checksum)).into_iter().collect();
        Ok(PartUrl { url, headers, valid })
    }

    async fn parts(&self, key: &BlobKey, upload: &MultipartId) -> Result<Vec<StoredPart>> {
        let upload = Upload::of(key, upload)?;
        let mut found: Vec<StoredPart> = Vec::new();
        loop {
            let after = found.last().map_or(0, |part| part.number);
            let page = self.page(&upload, after).await?;
            let full = page.is_truncated;
            let mut parts: Vec<_> = page.parts.into_iter().map(StoredPart::from).collect();
            parts.retain(|part| part.number > after);
            parts.sort_by_key(|part| part.number);
            let grown = !parts.is_empty();
            found.append(&mut parts);
            if !full || !grown {
                break;
            }
        }
        // Not every store knows an upload that has ended from one that has nothing yet.
        let there = unfinished::is_noted(&*self.store, upload.note).await.map_err(unavailable)?;
        if found.is_empty() && !there { Err(upload_not_found()) } else { Ok(found) }
    }

    async fn complete(&self, key: &BlobKey, upload: &MultipartId, parts: &[SentPart]) -> Result<u64> {
        // The key had nothing when the upload began.
        if let Some(size) = self.size(key).await? {
            return Ok(size);
        }
        let there = self.parts(key, upload).await?;
        let upload = Upload::of(key, upload)?;
        let size = compared(parts, &there, &self.rules())?;
        let told = parts.iter().map(|part| self.told(part)).collect::<Result<_>>()?;
        let completed = self.store.complete_multipart(&upload.path, &upload.id.to_owned(), told).await;
        // Whether or not it said so: what counts is what is there.
        let mut written = self.size(key).await?;
        if completed.is_ok() && written.is_none() {
            self.patience.pause(0).await;
            written = self.size(key).await?;
        }
        match (completed, written) {
            (_, Some(written)) if written == size => {}
            (_, Some(written)) => {
                return Err(Error::internal("the blob store made other bytes of the parts than it had")
                    .with("key", key)
                    .with("sent", size)
                    .with("written", written));
            }
            (Err(error), None)
                if ["InvalidPart", "BadDigest"].iter().any(|code| error.to_string().contains(code)) =>
            {
                return Err(parts_differ().caused_by(error));
            }
            (Err(error), None) => return Err(unavailable(error).with("key", key)),
            (Ok(_), None) => {
                return Err(Error::unavailable(
                    "storage_unavailable",
                    "the blob store does not show yet what it has written",
                )
                .with("key", key));
            }
        }
        unfinished::forget(&*self.store, upload.note).await;
        Ok(size)
    }

    async fn abort(&self, key: &BlobKey, upload: &MultipartId) -> Result<()> {
        let Ok(upload) = Upload::of(key, upload) else { return Ok(()) };
        let failed = |error| unavailable(error).with("key", key);
        if !unfinished::is_noted(&*self.store, upload.note).await.map_err(failed)? {
            return Ok(());
        }
        if self.size(key).await?.is_none() {
            match self.store.abort_multipart(&upload.path, &upload.id.to_owned()).await {
                Err(StoreError::NotFound { .. }) => {}
                aborted => aborted.map_err(failed)?,
            }
        }
        unfinished::forget(&*self.store, upload.note).await;
        Ok(())
    }
}

/// What a [`MultipartId`] says.
struct Upload<'a> {
    key: &'a BlobKey,
    path: Path,
    note: Uuid,
    id: &'a str,
}

impl<'a> Upload<'a> {
    fn of(key: &'a BlobKey, upload: &'a MultipartId) -> Result<Self> {
        let (note, id) = upload.0.split_once('.').ok_or_else(upload_not_found)?;
        let note = Uuid::try_parse(note).map_err(|_| upload_not_found())?;
        Ok(Self { key, path: path(key), note, id })
    }
}

/// Whether the store has what was sent, and how many bytes that is.
fn compared(sent: &[SentPart], there: &[StoredPart], rules: &PartRules) -> Result<u64> {
    let mut sizes = Vec::new();
    for (at, part) in (1..).zip(sent) {
        let stored = there.iter().find(|stored| stored.number == part.number);
        let stored = stored.filter(|_| part.number == at).ok_or_else(parts_differ)?;
        let same = |etag: &str| etag.trim_matches('"') == part.etag.trim_matches('"');
        if !stored.etag.as_deref().is_none_or(same) {
            return Err(parts_differ().with("part", part.number));
        }
        sizes.push(stored.size);
    }
    let (_, full) = sizes.split_last().ok_or_else(parts_differ)?;
    if let Some((small, _)) = (1..).zip(full).find(|(_, size)| **size < rules.min_size) {
        return Err(invalid_part("only the last may be so small", small));
    }
    Ok(sizes.iter().sum())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListParts {
    #[serde(default)]
    is_truncated: bool,
    #[serde(default, rename = "Part")]
    parts: Vec<ListedPart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedPart {
    part_number: u32,
    size: u64,
    #[serde(rename = "ETag")]
    etag: Option<String>,
}

impl From<ListedPart> for StoredPart {
    fn from(part: ListedPart) -> Self {
        Self { number: part.part_number, size: part.size, etag: part.etag.filter(|etag| !etag.is_empty()) }
    }
}

fn base64(sha256: &Sha256) -> String {
    BASE64_STANDARD.encode(sha256.0)
}

fn says(body: &[u8], code: &str) -> bool {
    String::from_utf8_lossy(body).contains(code)
}

/// As for what object_store asks: what may pass is told from what does not.
fn refused(status: u16, body: &[u8]) -> Error {
    let text = String::from_utf8_lossy(&body[..body.len().min(500)]).into_owned();
    let source: Box<dyn std::error::Error + Send + Sync> = format!("answered {status}: {text}").into();
    let path = String::from("the list of parts");
    unavailable(match status {
        401 | 403 => StoreError::PermissionDenied { path, source },
        _ => StoreError::Generic { store: "S3", source },
    })
}

fn not_understood(source: quick_xml::DeError) -> Error {
    Error::internal("the list of parts of the blob store cannot be read").caused_by(source)
}

fn upload_not_found() -> Error {
    Error::new(ErrorKind::NotFound, "upload_not_found", "there is no such upload, or it has ended")
}

fn parts_differ() -> Error {
    Error::conflict(
        "parts_differ",
        "the blob store has other parts of this upload than were named; list them, and send what is missing",
    )
}

fn invalid_part(why: &'static str, number: u32) -> Error {
    Error::invalid("invalid_part", why).with("part", number)
}
