//! Encoded packets as parts of fragmented MP4.
//!
//! The muxer writes into memory; what it writes up to a cut is one part. No edit list, no shifted
//! times, no trailer: a part made after an interruption fits between those of before and after.
#![expect(unsafe_code, reason = "flushing a fragment and two of the muxer's fields have no safe call")]

use super::error;
use ffmpeg_next::{
    Dictionary, Packet, Rational, codec,
    ffi::{AVFMT_FLAG_BITEXACT, av_write_frame, avio_flush},
    format::{
        self,
        context::{Output, StreamIo},
    },
};
use medianest_core::Result;
use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

/// Cuts the packets of one track into parts.
pub(super) struct Segmenter {
    output: Output,
    written: Written,
    base: Rational,
    track_base: Rational,
}

impl Segmenter {
    /// Starts with the fragment of this number (from 0). `base` is the time base of the packets.
    pub(super) fn new(encoder: &codec::Context, base: Rational, number: u32) -> Result<Self> {
        let written = Written::default();
        let io = StreamIo::from_write(written.clone()).map_err(failed)?;
        let mut output = format::output_to_stream(io, None, Some("mp4")).map_err(failed)?;
        output.add_stream_with(encoder).map_err(failed)?.set_time_base(base);
        // SAFETY: the muxer is ours and has written nothing yet, which is when these are set. 0 means
        // that negative times are left alone; there are none.
        unsafe {
            (*output.as_mut_ptr()).flags |= AVFMT_FLAG_BITEXACT;
            (*output.as_mut_ptr()).avoid_negative_ts = 0;
        }
        let mut options = Dictionary::new();
        options.set("movflags", "+frag_custom+empty_moov+default_base_moof+frag_discont+skip_trailer");
        options.set("use_editlist", "0");
        options.set("fragment_index", &(number + 1).to_string());
        options.set("brand", "cmf2");
        drop(output.write_header_with(options).map_err(failed)?);
        let track_base = output.stream(0).map_or(base, |stream| stream.time_base());
        Ok(Self { output, written, base, track_base })
    }

    /// Takes a packet, in the time base that was declared, shifted so that nothing is negative.
    pub(super) fn write(&mut self, packet: &mut Packet) -> Result<()> {
        packet.set_stream(0);
        packet.rescale_ts(self.base, self.track_base);
        packet.write(&mut self.output).map_err(failed).map(drop)
    }

    /// What was written since the last cut: first the init part, then a fragment each time.
    pub(super) fn cut(&mut self) -> Result<Vec<u8>> {
        // SAFETY: the muxer is open; no packet means that it writes its fragment.
        unsafe {
            let code = av_write_frame(self.output.as_mut_ptr(), std::ptr::null_mut());
            if code < 0 {
                return Err(failed(code.into()));
            }
            avio_flush((*self.output.as_mut_ptr()).pb);
        }
        Ok(self.written.take())
    }
}

fn failed(failure: ffmpeg_next::Error) -> medianest_core::Error {
    error::internal(failure, "write a segment")
}

impl std::fmt::Debug for Segmenter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Segmenter")
    }
}

/// Memory that the muxer writes to and we take from.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
