use crate::ByteStream;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};

/// The same bytes in chunks of at least `size`, the last one shorter: networks deliver crumbs, and stores want
/// loaves. Holds one chunk. An error is passed on at once; what was gathered before it is dropped.
pub fn gather(bytes: ByteStream, size: usize) -> ByteStream {
    let size = size.max(1);
    stream::try_unfold((bytes, BytesMut::new(), false), move |(mut bytes, mut held, mut ended)| async move {
        while !ended && held.len() < size {
            match bytes.next().await.transpose()? {
                // A chunk that is large enough by itself is not copied.
                Some(chunk) if held.is_empty() && chunk.len() >= size => {
                    return Ok(Some((chunk, (bytes, held, ended))));
                }
                Some(chunk) => {
                    if held.capacity() == 0 {
                        held.reserve(size + chunk.len());
                    }
                    held.extend_from_slice(&chunk);
                }
                None => ended = true,
            }
        }
        let whole: Bytes = held.split().freeze();
        Ok((!whole.is_empty()).then_some((whole, (bytes, held, ended))))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use futures::TryStreamExt;

    #[tokio::test]
    async fn crumbs_become_loaves() {
        let crumbs = (0..100_u8).map(|byte| Ok(Bytes::from(vec![byte; 7])));
        let gathered = gather(stream::iter(crumbs).boxed(), 64);
        let loaves: Vec<Bytes> = gathered.try_collect().await.unwrap();
        assert!(loaves[..loaves.len() - 1].iter().all(|loaf| loaf.len() >= 64 && loaf.len() < 71));
        let whole: Vec<u8> = (0..100_u8).flat_map(|byte| [byte; 7]).collect();
        assert_eq!(loaves.concat(), whole);
    }

    #[tokio::test]
    async fn an_error_is_passed_on() {
        let broken = stream::iter([Ok(Bytes::from_static(b"a")), Err(Error::internal("cut"))]).boxed();
        assert!(gather(broken, 8).try_collect::<Vec<_>>().await.is_err());
    }
}
