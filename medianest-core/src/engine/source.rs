//! Blobs as a [`ByteSource`], for code that blocks.

use crate::{BlobKey, BlobStore, BlobStoreExt, ByteSource, Error, ErrorKind};
use bytes::Bytes;
use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::runtime::Handle;

/// Bytes that are fetched at once: a decoder reads in small steps.
const BLOCK: u64 = 1 << 20;
/// Blocks that are kept: a demuxer jumps between the index at one end and media at the other.
const KEPT: usize = 4;

/// A blob, read by range. Must be used outside of the runtime's own threads.
pub(super) struct BlobSource {
    blobs: Arc<dyn BlobStore>,
    key: BlobKey,
    len: u64,
    runtime: Handle,
    /// Most recently used last.
    blocks: Mutex<Vec<(u64, Bytes)>>,
    /// The store is there, and the bytes are not.
    lost: AtomicBool,
}

impl BlobSource {
    pub(super) fn new(blobs: Arc<dyn BlobStore>, key: BlobKey, len: u64, runtime: Handle) -> Self {
        Self { blobs, key, len, runtime, blocks: Mutex::default(), lost: AtomicBool::new(false) }
    }

    /// The error of a processor that could not read this: bytes that are gone are no outage, and waiting
    /// for them helps nobody.
    pub(super) fn explain(&self, error: Error) -> Error {
        if error.code() != "source_unreadable" || !self.lost.load(Ordering::Relaxed) {
            return error;
        }
        Error::new(ErrorKind::Internal, "original_lost", "the stored bytes of the original are not there")
            .with("key", &self.key)
            .caused_by(error)
    }

    fn block(&self, index: u64) -> io::Result<Bytes> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = blocks.iter().position(|(kept, _)| *kept == index) {
            let block = blocks.remove(place);
            let bytes = block.1.clone();
            blocks.push(block);
            return Ok(bytes);
        }
        let (start, end) = (index * BLOCK, ((index + 1) * BLOCK).min(self.len));
        let bytes = self
            .runtime
            .block_on(self.blobs.get_bytes(&self.key, Some(start..end)))
            .inspect_err(|error| {
                self.lost.fetch_or(error.kind() == ErrorKind::NotFound, Ordering::Relaxed);
            })
            .map_err(io::Error::other)?;
        if bytes.len() as u64 != end - start {
            self.lost.store(true, Ordering::Relaxed);
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the blob is shorter than its row says",
            ));
        }
        if blocks.len() == KEPT {
            blocks.remove(0);
        }
        blocks.push((index, bytes.clone()));
        Ok(bytes)
    }
}

impl ByteSource for BlobSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.len || buffer.is_empty() {
            return Ok(0);
        }
        let block = self.block(offset / BLOCK)?;
        let rest = &block[(offset % BLOCK) as usize..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}
