//! A decoder with limits.
#![expect(unsafe_code, reason = "limits are fields of FFmpeg's decoder without a safe setter")]

use super::{error, stream::StreamInfo};
use ffmpeg_next::{
    Error as Ffmpeg, Frame, Packet,
    codec::{self, decoder::Opened, threading},
    util::error::EAGAIN,
};
use medianest_core::{Limits, Result};

/// Threads of a video decoder: enough to keep the encoders busy, few enough to keep memory down.
const THREADS: usize = 4;
/// Failures in a row after which a decoder is asked no more until the next packet.
const MOST_FAILURES: u32 = 64;

/// Decodes one stream. What is damaged is left out and counted.
pub(super) struct Decoder {
    opened: Opened,
    /// Packets and frames that were damaged.
    pub(super) errors: u32,
    drained: bool,
}

impl Decoder {
    pub(super) fn open(stream: &StreamInfo, limits: &Limits) -> Result<Self> {
        let failed = |failure| error::media(failure, "open the decoder").with("codec", &stream.codec);
        let mut context = codec::Context::from_parameters(stream.parameters.clone()).map_err(failed)?;
        context.set_threading(threading::Config { count: THREADS, ..threading::Config::default() });
        // SAFETY: the context is ours and not open yet, which is when these fields are set.
        unsafe {
            let raw = context.as_mut_ptr();
            (*raw).max_pixels = i64::try_from(limits.max_pixels).unwrap_or(i64::MAX);
            (*raw).pkt_timebase = stream.time_base.into();
        }
        let decoder = context.decoder();
        let codec = codec::decoder::find(decoder.id()).ok_or(Ffmpeg::DecoderNotFound).map_err(failed)?;
        let opened = decoder.open_as(codec).map_err(failed)?;
        Ok(Self { opened, errors: 0, drained: false })
    }

    /// Decodes a packet, or what is left when there is none, and passes the frames on.
    pub(super) fn decode<F: FnMut(&mut Frame) -> Result<()>>(
        &mut self,
        packet: Option<&Packet>,
        mut each: F,
    ) -> Result<()> {
        let sent = match packet {
            Some(packet) => self.opened.send_packet(packet),
            None if self.drained => return Ok(()),
            None => {
                self.drained = true;
                self.opened.send_eof()
            }
        };
        // The decoder is emptied after every packet, so that it never asks to wait.
        if let Err(failure) = sent {
            self.damaged(failure)?;
        }
        let mut failures = 0;
        while failures < MOST_FAILURES {
            // SAFETY: an empty frame of our own, into which the decoder puts a reference.
            let mut frame = unsafe { Frame::empty() };
            match self.opened.receive_frame(&mut frame) {
                Ok(()) => {
                    if frame.is_corrupt() || frame.has_decode_errors() {
                        self.errors += 1;
                    }
                    each(&mut frame)?;
                }
                Err(Ffmpeg::Eof | Ffmpeg::Other { errno: EAGAIN }) => return Ok(()),
                Err(failure) => {
                    self.damaged(failure)?;
                    failures += 1;
                }
            }
        }
        Ok(())
    }

    fn damaged(&mut self, failure: Ffmpeg) -> Result<()> {
        self.errors += 1;
        match failure {
            Ffmpeg::Other { errno: ffmpeg_next::util::error::ENOMEM } => Err(error::media(failure, "decode")),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Decoder({} errors)", self.errors)
    }
}
