//! The suite of [`Multipart`].

use super::assert_fails;
use crate::{
    BlobKey, BlobStore, BlobStoreExt, ErrorKind, LONGEST_PRESIGNED, Multipart, MultipartId, PartRequest,
    PartUrl, SentPart, Sha256,
};
use bytes::Bytes;
use futures::{TryStreamExt, future::BoxFuture};
use sha2::Digest;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Emits a test for each promise of [`Multipart`]; see [the module](crate::conformance).
///
/// Beside the store it wants an async function that sends a body by `PUT` to a [`PartUrl`], with its
/// headers, by whatever client of HTTP you have: `async fn(PartUrl, Bytes) -> Answer`, which is an
/// [`Answer`](crate::conformance::multipart::Answer).
///
/// For a peer that neither looks at the digests of parts nor compares ETags, `strict: ignore = "why"` lets
/// the two cases about them be shown as ignored.
#[macro_export]
macro_rules! multipart_tests {
    ($name:ident, $make:expr, $send:expr $(, strict: $ignored:meta)?) => {
        $crate::__conformance_tests! {
            $name, $crate::conformance::multipart::Peer,
            {
                let (store, guard) = $make;
                ($crate::conformance::multipart::Peer::new(store, |to, body| Box::pin($send(to, body))), guard)
            },
            multipart {
                parts_become_one_blob,
                one_small_part_is_enough,
                nothing_is_visible_before_completion,
                parts_are_listed,
                a_part_can_be_sent_again,
                completing_again_gives_the_size_again,
                nothing_is_written_after_completion,
                nothing_is_written_after_an_abort,
                aborting_leaves_nothing_and_can_be_repeated,
                an_abort_spares_what_is_complete,
                what_was_not_sent_cannot_be_completed,
                $(#[$ignored])? a_part_by_another_etag_cannot_be_completed,
                only_the_last_part_may_be_small,
                an_upload_begins_where_nothing_is,
                an_unknown_upload_is_not_found,
                a_part_against_the_rules_gets_no_url,
                a_part_of_another_length_is_refused,
                $(#[$ignored])? a_part_of_other_bytes_is_refused,
                a_digest_is_bound,
                a_url_that_was_tampered_with_is_refused,
                a_url_ends,
                a_url_is_never_good_for_long,
                uploads_are_apart,
                an_unfinished_upload_is_swept,
            }
        }
    };
}

/// What a store answered to a part.
#[derive(Debug)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The header `ETag`.
    pub etag: Option<String>,
}

/// Sends a part.
pub type SendPart = fn(PartUrl, Bytes) -> BoxFuture<'static, Answer>;

/// A store, and somebody who sends it parts.
#[derive(Debug)]
pub struct Peer {
    store: Arc<dyn BlobStore>,
    send: SendPart,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Peer {
    /// Of a store and a client of HTTP.
    pub fn new(store: impl BlobStore, send: SendPart) -> Self {
        Self { store: Arc::new(store), send }
    }

    fn multipart(&self) -> &dyn Multipart {
        self.store.multipart().expect("a store that takes parts says so")
    }

    fn min_size(&self) -> usize {
        usize::try_from(self.multipart().rules().min_size).unwrap()
    }

    async fn begin(&self, name: &str) -> Upload<'_> {
        let key = key(name);
        let id = self.multipart().begin(&key).await.unwrap();
        Upload { peer: self, key, id }
    }
}

struct Upload<'a> {
    peer: &'a Peer,
    key: BlobKey,
    id: MultipartId,
}

impl Upload<'_> {
    fn request(number: u32, body: &Bytes) -> PartRequest {
        PartRequest { number, size: body.len() as u64, sha256: Some(digest(body)) }
    }

    async fn url(&self, number: u32, body: &Bytes) -> PartUrl {
        let part = Self::request(number, body);
        self.peer.multipart().presign_part(&self.key, &self.id, &part, MINUTE).await.unwrap()
    }

    async fn send(&self, number: u32, body: &Bytes) -> SentPart {
        let url = self.url(number, body).await;
        let answer = (self.peer.send)(url, body.clone()).await;
        assert!((200..300).contains(&answer.status), "part {number}: {answer:?}");
        let etag = answer.etag.expect("the store tells an ETag");
        SentPart { number, etag, sha256: Some(digest(body)) }
    }

    async fn assert_refused(&self, url: PartUrl, body: &Bytes, what: &str) {
        let answer = (self.peer.send)(url, body.clone()).await;
        assert!(answer.status >= 400, "{what} was answered with {answer:?}");
    }

    async fn complete(&self, parts: &[SentPart]) -> crate::Result<u64> {
        self.peer.multipart().complete(&self.key, &self.id, parts).await
    }

    async fn numbers(&self) -> Vec<u32> {
        let parts = self.peer.multipart().parts(&self.key, &self.id).await.unwrap();
        parts.iter().map(|part| part.number).collect()
    }

    async fn assert_holds(&self, bytes: &[u8]) {
        let stored = self.peer.store.get_bytes(&self.key, None).await.unwrap();
        assert_eq!((stored.len(), digest(&stored)), (bytes.len(), digest(bytes)));
    }
}

fn key(text: &str) -> BlobKey {
    BlobKey::new(text).unwrap()
}

fn digest(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

fn noise(seed: u64, length: usize) -> Bytes {
    let mut random = super::Random(seed);
    (0..length.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).take(length).collect()
}

/// In the order of their numbers, whatever the order in which they were sent; not the same size each.
pub async fn parts_become_one_blob(peer: Arc<Peer>) {
    let upload = peer.begin("o/whole").await;
    let (first, second) = (noise(1, peer.min_size()), noise(2, peer.min_size() + 1));
    let third = noise(3, 1000);
    let mut sent = Vec::new();
    for (number, body) in [(3, &third), (1, &first), (2, &second)] {
        sent.push(upload.send(number, body).await);
    }
    sent.sort_by_key(|part| part.number);
    let whole = [first, second, third].concat();
    assert_eq!(upload.complete(&sent).await.unwrap(), whole.len() as u64);
    assert_eq!(peer.store.require(&upload.key).await.unwrap().size, whole.len() as u64);
    upload.assert_holds(&whole).await;
}

/// Smaller than any part but the last may be.
pub async fn one_small_part_is_enough(peer: Arc<Peer>) {
    let upload = peer.begin("o/small").await;
    let sent = upload.send(1, &"x".into()).await;
    assert_eq!(upload.complete(&[sent]).await.unwrap(), 1);
    upload.assert_holds(b"x").await;
}

/// Neither to readers nor in lists.
pub async fn nothing_is_visible_before_completion(peer: Arc<Peer>) {
    let upload = peer.begin("o/unseen").await;
    upload.send(1, &noise(4, 1000)).await;
    assert_eq!(peer.store.head(&upload.key).await.unwrap(), None);
    assert_eq!(peer.store.list(None).try_collect::<Vec<_>>().await.unwrap(), []);
    assert_fails(peer.store.get(&upload.key, None).await.map(drop), ErrorKind::NotFound, "blob_not_found");
}

/// With their sizes, by their numbers, also with gaps; more than a page of any store is not tried.
pub async fn parts_are_listed(peer: Arc<Peer>) {
    let upload = peer.begin("o/listed").await;
    assert!(upload.numbers().await.is_empty());
    let sent = [upload.send(12, &noise(5, 12)).await, upload.send(2, &noise(6, 2)).await];
    let parts = peer.multipart().parts(&upload.key, &upload.id).await.unwrap();
    assert_eq!(parts.iter().map(|part| (part.number, part.size)).collect::<Vec<_>>(), [(2, 2), (12, 12)]);
    for (part, sent) in parts.iter().rev().zip(&sent) {
        let plain = |etag: &str| etag.trim_matches('"').to_owned();
        assert!(
            part.etag.as_deref().is_none_or(|etag| plain(etag) == plain(&sent.etag)),
            "{part:?} {sent:?}"
        );
    }
}

/// The later one counts.
pub async fn a_part_can_be_sent_again(peer: Arc<Peer>) {
    let upload = peer.begin("o/again").await;
    upload.send(1, &noise(7, 2000)).await;
    let bytes = noise(8, 1500);
    let sent = upload.send(1, &bytes).await;
    assert_eq!(upload.numbers().await, [1]);
    assert_eq!(upload.complete(&[sent]).await.unwrap(), 1500);
    upload.assert_holds(&bytes).await;
}

/// To whoever lost the first answer.
pub async fn completing_again_gives_the_size_again(peer: Arc<Peer>) {
    let upload = peer.begin("o/twice").await;
    let sent = upload.send(1, &noise(9, 321)).await;
    for _ in 0..2 {
        assert_eq!(upload.complete(std::slice::from_ref(&sent)).await.unwrap(), 321);
    }
    upload.assert_holds(&noise(9, 321)).await;
}

/// By URLs that are still good.
pub async fn nothing_is_written_after_completion(peer: Arc<Peer>) {
    let upload = peer.begin("o/closed").await;
    let (bytes, other) = (noise(10, 700), noise(11, 700));
    let sent = upload.send(1, &bytes).await;
    let later = [upload.url(1, &bytes).await, upload.url(1, &other).await, upload.url(2, &other).await];
    upload.complete(&[sent]).await.unwrap();
    for (url, body) in later.into_iter().zip([&bytes, &other, &other]) {
        upload.assert_refused(url, body, "a part after completion").await;
    }
    upload.assert_holds(&bytes).await;
    let ended = peer.multipart().parts(&upload.key, &upload.id).await;
    assert_fails(ended, ErrorKind::NotFound, "upload_not_found");
}

/// Nor can it be completed.
pub async fn nothing_is_written_after_an_abort(peer: Arc<Peer>) {
    let upload = peer.begin("o/aborted").await;
    let bytes = noise(12, 700);
    let sent = upload.send(1, &bytes).await;
    let url = upload.url(1, &bytes).await;
    peer.multipart().abort(&upload.key, &upload.id).await.unwrap();
    upload.assert_refused(url, &bytes, "a part after the abort").await;
    assert_fails(upload.complete(&[sent]).await, ErrorKind::NotFound, "upload_not_found");
    assert_eq!(peer.store.head(&upload.key).await.unwrap(), None);
}

/// Nothing to sweep either.
pub async fn aborting_leaves_nothing_and_can_be_repeated(peer: Arc<Peer>) {
    let upload = peer.begin("o/nothing").await;
    upload.send(1, &noise(13, 10)).await;
    for _ in 0..2 {
        peer.multipart().abort(&upload.key, &upload.id).await.unwrap();
    }
    assert_eq!(peer.store.list(None).try_collect::<Vec<_>>().await.unwrap(), []);
    assert_eq!(peer.store.sweep(Duration::ZERO).await.unwrap(), 0);
}

/// Whoever comes too late ends nothing.
pub async fn an_abort_spares_what_is_complete(peer: Arc<Peer>) {
    let upload = peer.begin("o/late").await;
    let bytes = noise(14, 10);
    let sent = upload.send(1, &bytes).await;
    upload.complete(&[sent]).await.unwrap();
    peer.multipart().abort(&upload.key, &upload.id).await.unwrap();
    upload.assert_holds(&bytes).await;
}

/// And the upload goes on afterwards.
pub async fn what_was_not_sent_cannot_be_completed(peer: Arc<Peer>) {
    let upload = peer.begin("o/missing").await;
    let bytes = noise(15, 100);
    let sent = upload.send(1, &bytes).await;
    let second = SentPart { number: 2, ..sent.clone() };
    for parts in
        [vec![], vec![second.clone()], vec![sent.clone(), second.clone()], vec![sent.clone(), sent.clone()]]
    {
        assert_fails(upload.complete(&parts).await, ErrorKind::Conflict, "parts_differ");
    }
    assert_eq!(peer.store.head(&upload.key).await.unwrap(), None);
    assert_eq!(upload.complete(&[sent]).await.unwrap(), 100);
    upload.assert_holds(&bytes).await;
}

/// It may be another part that was sent meanwhile.
pub async fn a_part_by_another_etag_cannot_be_completed(peer: Arc<Peer>) {
    let upload = peer.begin("o/etag").await;
    let bytes = noise(26, 100);
    let earlier = upload.send(1, &noise(27, 100)).await;
    let sent = upload.send(1, &bytes).await;
    assert_fails(upload.complete(&[earlier]).await, ErrorKind::Conflict, "parts_differ");
    assert_eq!(peer.store.head(&upload.key).await.unwrap(), None);
    upload.complete(&[sent]).await.unwrap();
    upload.assert_holds(&bytes).await;
}

/// As stores do it.
pub async fn only_the_last_part_may_be_small(peer: Arc<Peer>) {
    let upload = peer.begin("o/crumbs").await;
    let sent = [upload.send(1, &noise(16, 10)).await, upload.send(2, &noise(17, 10)).await];
    assert_fails(upload.complete(&sent).await, ErrorKind::InvalidInput, "invalid_part");
    assert_eq!(peer.store.head(&upload.key).await.unwrap(), None);
}

/// Stored bytes never change.
pub async fn an_upload_begins_where_nothing_is(peer: Arc<Peer>) {
    let key = key("o/there");
    peer.store.put_bytes(&key, "x".into()).await.unwrap();
    assert_fails(peer.multipart().begin(&key).await, ErrorKind::Conflict, "blob_exists");
    assert_eq!(peer.store.get_bytes(&key, None).await.unwrap(), "x");
}

/// Whatever it is called.
pub async fn an_unknown_upload_is_not_found(peer: Arc<Peer>) {
    let key = key("o/unknown");
    let sent = SentPart { number: 1, etag: "\"x\"".into(), sha256: Some(digest(b"x")) };
    for id in ["", "x", ".", "a/b", "../x", "0192f0c1d2e37f00a000000000000000.x"] {
        let id = MultipartId(id.to_owned());
        let multipart = peer.multipart();
        if id.0.ends_with(".x") {
            // Well formed: the store may tell in its own words that it does not know it.
            multipart.parts(&key, &id).await.unwrap_err();
            multipart.complete(&key, &id, std::slice::from_ref(&sent)).await.unwrap_err();
        } else {
            assert_fails(multipart.parts(&key, &id).await, ErrorKind::NotFound, "upload_not_found");
            let completed = multipart.complete(&key, &id, std::slice::from_ref(&sent)).await;
            assert_fails(completed, ErrorKind::NotFound, "upload_not_found");
        }
        multipart.abort(&key, &id).await.unwrap();
    }
}

/// Number, size, and the digest where it is wanted.
pub async fn a_part_against_the_rules_gets_no_url(peer: Arc<Peer>) {
    let (upload, rules) = (peer.begin("o/rules").await, peer.multipart().rules());
    let fine = PartRequest { number: 1, size: 1, sha256: Some(digest(b"x")) };
    let mut against = vec![
        PartRequest { number: 0, ..fine.clone() },
        PartRequest { number: rules.max_parts + 1, ..fine.clone() },
        PartRequest { size: 0, ..fine.clone() },
        PartRequest { size: rules.max_size + 1, ..fine.clone() },
    ];
    if rules.sha256 {
        against.push(PartRequest { sha256: None, ..fine });
    }
    for part in against {
        let url = peer.multipart().presign_part(&upload.key, &upload.id, &part, MINUTE).await;
        assert_fails(url, ErrorKind::InvalidInput, "invalid_part");
    }
}

/// Longer or shorter.
pub async fn a_part_of_another_length_is_refused(peer: Arc<Peer>) {
    let upload = peer.begin("o/length").await;
    let body = noise(18, 1000);
    for other in [noise(18, 1001), body.slice(..999)] {
        upload.assert_refused(upload.url(1, &body).await, &other, "a part of another length").await;
    }
    assert!(upload.numbers().await.is_empty());
}

/// Of the same length, where the store is told what they are; elsewhere it is told nothing.
pub async fn a_part_of_other_bytes_is_refused(peer: Arc<Peer>) {
    let upload = peer.begin("o/bytes").await;
    let (body, other) = (noise(19, 1000), noise(20, 1000));
    let url = upload.url(1, &body).await;
    assert_eq!(!url.headers.is_empty(), peer.multipart().rules().sha256);
    if !url.headers.is_empty() {
        upload.assert_refused(url, &other, "a part of other bytes").await;
        assert!(upload.numbers().await.is_empty());
    }
}

/// To the URL that was made for it.
pub async fn a_digest_is_bound(peer: Arc<Peer>) {
    let upload = peer.begin("o/digest").await;
    let (body, other) = (noise(19, 1000), noise(20, 1000));
    let (mut url, theirs) = (upload.url(1, &body).await, upload.url(1, &other).await);
    let differs = url.headers != theirs.headers;
    assert_eq!(differs, peer.multipart().rules().sha256);
    if differs {
        url.headers = theirs.headers;
        upload.assert_refused(url, &other, "another digest than was signed").await;
        assert!(upload.numbers().await.is_empty());
    }
}

/// In whatever it says: for another key or part, of another upload, with another end or signature.
pub async fn a_url_that_was_tampered_with_is_refused(peer: Arc<Peer>) {
    let (upload, other) = (peer.begin("o/mine").await, peer.begin("o/yours").await);
    let body = noise(21, 1000);
    let url = upload.url(1, &body).await;
    let (plain, query) = url.url.split_once('?').expect("what is signed is in the query");
    let mut tampered = vec![plain.to_owned(), url.url.replace("o/mine", "o/yours")];
    let pairs: Vec<_> = query.split('&').collect();
    for at in 0..pairs.len() {
        let mut pairs: Vec<_> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        let last = pairs[at].pop().unwrap();
        pairs[at].push(if last == '1' { '2' } else { '1' });
        tampered.push(format!("{plain}?{}", pairs.join("&")));
    }
    let theirs = other.url(1, &body).await;
    let pair =
        |url: &str| url.split(['?', '&']).find(|pair| pair.starts_with("uploadId=")).map(str::to_owned);
    if let (Some(mine), Some(theirs)) = (pair(&url.url), pair(&theirs.url)) {
        tampered.push(url.url.replace(&mine, &theirs));
    }
    for text in tampered {
        assert_ne!(text, url.url);
        upload.assert_refused(PartUrl { url: text.clone(), ..url.clone() }, &body, &text).await;
    }
    assert_eq!((upload.numbers().await, other.numbers().await), (vec![], vec![]));
    for key in [&upload.key, &other.key] {
        assert_eq!(peer.store.head(key).await.unwrap(), None);
    }
    upload.send(1, &body).await;
}

/// When it says so, by the store's clock.
pub async fn a_url_ends(peer: Arc<Peer>) {
    let upload = peer.begin("o/short").await;
    let body = noise(22, 10);
    let part = Upload::request(1, &body);
    let second = Duration::from_secs(1);
    let url = peer.multipart().presign_part(&upload.key, &upload.id, &part, second).await.unwrap();
    assert_eq!(url.valid, second);
    let begun = Instant::now();
    while (peer.send)(url.clone(), body.clone()).await.status < 400 {
        assert!(begun.elapsed() < MINUTE, "a URL outlives its end");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// However long was asked for.
pub async fn a_url_is_never_good_for_long(peer: Arc<Peer>) {
    let upload = peer.begin("o/long").await;
    let part = Upload::request(1, &"x".into());
    let day = Duration::from_secs(24 * 3600);
    let url = peer.multipart().presign_part(&upload.key, &upload.id, &part, day).await.unwrap();
    assert_eq!(url.valid, LONGEST_PRESIGNED);
}

/// What happens to one does not happen to the other.
pub async fn uploads_are_apart(peer: Arc<Peer>) {
    let (first, second) = (peer.begin("o/1").await, peer.begin("o/2").await);
    let (one, two) = (noise(23, 100), noise(24, 200));
    let (sent, _) = (first.send(1, &one).await, second.send(1, &two).await);
    peer.multipart().abort(&second.key, &second.id).await.unwrap();
    assert_eq!(first.complete(&[sent]).await.unwrap(), 100);
    first.assert_holds(&one).await;
    assert_eq!(peer.store.head(&second.key).await.unwrap(), None);
}

/// As those of processes that died; what is complete stays.
pub async fn an_unfinished_upload_is_swept(peer: Arc<Peer>) {
    let (left, complete) = (peer.begin("o/left").await, peer.begin("o/complete").await);
    let body = noise(25, 100);
    let url = left.url(1, &body).await;
    let sent = complete.send(1, &body).await;
    complete.complete(&[sent]).await.unwrap();
    assert_eq!(peer.store.sweep(Duration::from_secs(24 * 3600)).await.unwrap(), 0);
    left.send(1, &body).await;
    assert_eq!(peer.store.sweep(Duration::ZERO).await.unwrap(), 1);
    left.assert_refused(url, &body, "a part after the sweep").await;
    complete.assert_holds(&body).await;
}
