//! Forms with a file ([RFC 7578](https://www.rfc-editor.org/rfc/rfc7578)), streamed: only what comes
//! before the file is ever in memory.

use super::About;
use crate::{api::model::TextValue, body::OneAtATime};
use futures::{StreamExt, TryStreamExt, stream};
use medianest_core::{ByteStream, Error, Result};
use multer::{Field, Multipart};
use poem::Request;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Bytes outside of the file: part headers, small parts, and the chunk in which the file begins.
const AROUND: u64 = 2 << 20;
/// Characters of a part other than the file.
pub(super) const SMALL_PART: usize = 1024;
/// Parts before the file.
const PARTS: usize = 16;

/// The boundary of a form; None when the body is no form.
pub(super) fn boundary(request: &Request) -> Result<Option<String>> {
    let content_type = request.content_type().unwrap_or_default();
    if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/") {
        return Ok(None);
    }
    multer::parse_boundary(content_type)
        .map(Some)
        .map_err(|source| invalid("a form needs a boundary in its content type").caused_by(source))
}

/// Reads what comes before the file, and gives the file as it comes.
pub(super) async fn open(
    body: ByteStream,
    boundary: String,
    mut about: About,
) -> Result<(About, ByteStream)> {
    let room = Arc::new(AtomicU64::new(AROUND));
    let counted = count(body, Arc::clone(&room));
    let mut form = Multipart::new(OneAtATime::new(counted), boundary);
    for _ in 0..=PARTS {
        let part = form.next_field().await.map_err(broken)?;
        let Some(part) = part else { return Err(invalid("the form has no part `file`")) };
        match part.name() {
            Some("file") => {
                if about.name.is_none() {
                    about.name = part.file_name().map(str::to_owned);
                }
                return Ok((about, file(form, part, room)));
            }
            Some("name") => about.name = Some(text(part).await?),
            Some("library_id") => about.library = Some(parse(&text(part).await?)?),
            Some("taken_at") => about.taken_at = Some(parse(&text(part).await?)?),
            Some("staged") => {
                about.staged = match text(part).await?.as_str() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(invalid("`staged` is true or false")),
                }
            }
            _ => return Err(invalid("the form has a part that is none of ours")),
        }
    }
    Err(invalid("the form has too many parts"))
}

/// The bytes of the file. Nothing may follow it: a second file would be lost without a word.
fn file(form: Multipart<'static>, part: Field<'static>, room: Arc<AtomicU64>) -> ByteStream {
    stream::try_unfold((form, Some(part), room), |(mut form, part, room)| async move {
        let Some(mut part) = part else { return Ok(None) };
        room.store(u64::MAX, Ordering::Relaxed);
        if let Some(chunk) = part.chunk().await.map_err(broken)? {
            return Ok(Some((chunk, (form, Some(part), room))));
        }
        drop(part);
        room.store(AROUND, Ordering::Relaxed);
        match form.next_field().await.map_err(broken)? {
            None => Ok(None),
            Some(_) => Err(invalid("the form has a part after `file`; `file` comes last, and once")),
        }
    })
    .boxed()
}

async fn text(mut part: Field<'static>) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = part.chunk().await.map_err(broken)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > SMALL_PART * 4 {
            return Err(too_long());
        }
    }
    let text = String::from_utf8(bytes).map_err(|source| invalid("a part is not UTF-8").caused_by(source))?;
    if text.chars().count() > SMALL_PART { Err(too_long()) } else { Ok(text) }
}

fn parse<T: TextValue>(text: &str) -> Result<T> {
    T::parse(text)
        .ok_or_else(|| Error::invalid("invalid_form", format!("a part of the form is not a {}", T::NAME)))
}

/// Ends the body when more comes than there is room for while no file is being read.
fn count(body: ByteStream, room: Arc<AtomicU64>) -> ByteStream {
    body.and_then(move |chunk| {
        let size = chunk.len() as u64;
        let left = room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| match left {
            u64::MAX => Some(left),
            left => left.checked_sub(size),
        });
        std::future::ready(match left {
            Ok(_) => Ok(chunk),
            Err(_) => Err(invalid("the parts around `file` are too large")),
        })
    })
    .boxed()
}

fn too_long() -> Error {
    invalid("a part other than `file` has more than 1024 characters")
}

fn invalid(message: &'static str) -> Error {
    Error::invalid("invalid_form", message)
}

/// The error of the body below when it was that which failed, else of the form.
fn broken(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamReadFailed(source) => match source.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(source) => invalid("the form cannot be read").caused_by(source),
        },
        other => invalid("the form is damaged or ends too early").caused_by(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use medianest_core::LibraryId;

    const BOUNDARY: &str = "xx";

    fn body(text: impl Into<Bytes>, chunk: usize) -> ByteStream {
        let text: Bytes = text.into();
        let chunks: Vec<_> = text.chunks(chunk).map(Bytes::copy_from_slice).map(Ok).collect();
        stream::iter(chunks).boxed()
    }

    async fn read(text: impl Into<Bytes>, chunk: usize) -> Result<(About, Vec<u8>)> {
        let (about, file) = open(body(text, chunk), BOUNDARY.into(), About::default()).await?;
        let chunks: Vec<Bytes> = file.try_collect().await?;
        Ok((about, chunks.concat()))
    }

    fn part(name: &str, value: &str) -> String {
        format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    fn file(bytes: &str) -> String {
        format!(
            "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\
             Content-Type: image/jpeg\r\n\r\n{bytes}\r\n"
        )
    }

    #[tokio::test]
    async fn a_form_is_read_however_it_is_cut() {
        let library = LibraryId::new();
        let bytes = "\r\n--x\r\n".repeat(50);
        let form = format!(
            "{}{}{}--xx--\r\n",
            part("library_id", &library.to_string()),
            part("staged", "true"),
            file(&bytes)
        );
        for chunk in [1, 2, 7, 64, 10_000] {
            let (about, read) = read(form.clone(), chunk).await.unwrap();
            assert_eq!(read, bytes.as_bytes(), "chunks of {chunk}");
            assert_eq!(
                (about.library, about.staged, about.name.as_deref()),
                (Some(library), true, Some("a.jpg"))
            );
        }
    }

    #[tokio::test]
    async fn broken_forms_are_refused() {
        for form in [
            String::new(),
            "nonsense".into(),
            "--xx--\r\n".into(),
            part("name", "x") + "--xx--\r\n",
            part("other", "x") + &file("x") + "--xx--\r\n",
            part("library_id", "x") + &file("x") + "--xx--\r\n",
            part("staged", "maybe") + &file("x") + "--xx--\r\n",
            part("name", &"x".repeat(2000)) + &file("x") + "--xx--\r\n",
            part("name", "x").repeat(100) + &file("x") + "--xx--\r\n",
            file("cut short"),
            file("one") + &file("two") + "--xx--\r\n",
            file("one") + &part("name", "late") + "--xx--\r\n",
        ] {
            let error = read(form.clone(), 64).await.map(|(_, bytes)| bytes).unwrap_err();
            assert_eq!(error.code(), "invalid_form", "{form}");
        }
    }

    #[tokio::test]
    async fn endless_headers_are_cut_off() {
        let form = format!("--xx\r\nContent-Disposition: form-data; name=\"{}", "x".repeat(4 << 20));
        let error = read(form, 64 << 10).await.map(|_| ()).unwrap_err();
        assert_eq!(error.message(), "the parts around `file` are too large");
    }

    #[tokio::test]
    async fn an_error_of_the_body_comes_through() {
        let start = file("x").into_bytes();
        let chunks = vec![Ok(Bytes::from(start)), Err(Error::invalid("upload_interrupted", "gone"))];
        let (_, file) = open(stream::iter(chunks).boxed(), BOUNDARY.into(), About::default()).await.unwrap();
        let error = file.try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(error.code(), "upload_interrupted");
    }
}
