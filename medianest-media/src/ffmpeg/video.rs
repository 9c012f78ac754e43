//! The rungs of a ladder: H.264 without sound, one encoder each, fed from one decoder.

use super::{
    cadence::{Cadence, Span},
    color::{Painter, Target},
    decode::Decoder,
    error,
    sink::Parts,
    stream::{StreamInfo, rescale},
    timeline::{Grid, Rate, START_SECONDS},
    track::Track,
};
use ffmpeg_next::{
    Dictionary, Frame, Packet, Rational,
    codec::{self, encoder},
    color, format, frame, picture,
};
use medianest_core::{Error, Limits, RenditionInfo, Result, VideoVariant};
use std::collections::VecDeque;

pub(super) const ENCODER: &str = "libx264";
/// Threads of an encoder. Part of the definition: x264 makes other bytes with another number.
const THREADS: &str = "4";

/// All rungs of a file, and the way from its packets to them.
pub(super) struct Ladder<'a> {
    stream: &'a StreamInfo,
    limits: &'a Limits,
    decoder: Decoder,
    painter: Painter,
    rungs: Vec<Rung>,
    /// When presentation starts, in microseconds of the container.
    origin: i64,
    held: Option<frame::Video>,
    /// Where the held frame ends.
    pub(super) end: i64,
    gap: i64,
}

impl<'a> Ladder<'a> {
    /// A ladder for these tasks: index, variant, first part that is missing. Tasks whose encoder
    /// cannot be opened fail alone.
    pub(super) fn new(
        stream: &'a StreamInfo,
        origin: i64,
        tasks: &[(usize, &VideoVariant, u32)],
        limits: &'a Limits,
        parts: &mut Parts<'_>,
    ) -> Result<Self> {
        limits.check_frame(stream.width, stream.height)?;
        let decoder = Decoder::open(stream, limits)?;
        let mut rungs = Vec::new();
        for (task, variant, first_part) in tasks {
            match Rung::new(*task, variant, *first_part, stream, parts) {
                Ok(rung) => rungs.push(rung),
                Err(error) => parts.fail([*task], error)?,
            }
        }
        rungs.sort_by_key(|rung| std::cmp::Reverse(rung.size));
        let painter = Painter::new(stream, Target::Yuv, rungs.iter().map(|rung| rung.size).collect());
        let gap = rungs.first().map_or(40_000, |rung| rung.grid.rate.micros(1));
        Ok(Self { stream, limits, decoder, painter, rungs, origin, held: None, end: 0, gap })
    }

    /// Takes a packet, or the end.
    pub(super) fn decode(&mut self, packet: Option<&Packet>, parts: &mut Parts<'_>) -> Result<()> {
        let mut frames = Vec::new();
        self.decoder.decode(packet, |frame| {
            let mut taken = frame::Video::empty();
            std::mem::swap(&mut *taken, frame);
            frames.push(taken);
            Ok(())
        })?;
        frames.into_iter().try_for_each(|frame| self.take(frame, parts))
    }

    fn take(&mut self, frame: frame::Video, parts: &mut Parts<'_>) -> Result<()> {
        self.limits.check_frame(frame.width(), frame.height())?;
        let time = match frame.timestamp() {
            Some(timestamp) => rescale(timestamp, self.stream.time_base) - self.origin,
            None => self.end,
        };
        if time / 1_000_000 > self.limits.max_decoded_seconds as i64 {
            return Err(Limits::exceeded("max_decoded_seconds", self.limits.max_decoded_seconds));
        }
        // Some containers declare next to nothing as the length of a frame.
        self.end = time + rescale(frame.packet().duration, self.stream.time_base).max(self.gap);
        match self.held.replace(frame) {
            Some(held) => self.show(held, |cadence| cadence.until(time), parts),
            None => Ok(()),
        }
    }

    fn show(
        &mut self,
        mut frame: frame::Video,
        span: impl Fn(&mut Cadence) -> Span,
        parts: &mut Parts<'_>,
    ) -> Result<()> {
        let mut visible = false;
        for rung in &mut self.rungs {
            let span = span(&mut rung.cadence);
            rung.spans.push_back(span);
            visible |= span.count > 0 && span.first + span.count > rung.first_slot;
        }
        if !visible {
            self.rungs.iter_mut().for_each(|rung| rung.spans.truncate(rung.spans.len() - 1));
            return Ok(());
        }
        let rungs = &mut self.rungs;
        self.painter.paint(&mut frame, |size, picture| rungs[size].show(picture, parts))
    }

    /// The end: what is left, the last parts and what came out of each task.
    pub(super) fn finish(mut self, parts: &mut Parts<'_>) -> Result<Vec<(usize, Result<RenditionInfo>)>> {
        self.decode(None, parts)?;
        let Some(held) = self.held.take() else {
            return Err(Error::media("corrupt", "no frame of the video can be decoded"));
        };
        let end = self.end;
        self.show(held, |cadence| cadence.finish(end), parts)?;
        let rungs = &mut self.rungs;
        self.painter.finish(|size, picture| rungs[size].show(picture, parts))?;
        let damaged = self.decoder.errors > 0;
        Ok(self
            .rungs
            .into_iter()
            .map(|rung| {
                let task = rung.task;
                let info = rung.finish(parts).map(|mut info| {
                    info.warnings.extend(damaged.then(|| "damaged".to_owned()));
                    info
                });
                (task, info)
            })
            .collect())
    }

    /// The tasks that are not finished.
    pub(super) fn tasks(&self) -> Vec<usize> {
        self.rungs.iter().map(|rung| rung.task).collect()
    }
}

struct Rung {
    task: usize,
    size: (u32, u32),
    grid: Grid,
    encoder: encoder::video::Encoder,
    track: Track,
    cadence: Cadence,
    /// The slots of the frames that are in the painter.
    spans: VecDeque<Span>,
    /// Slots before this one are stored already.
    first_slot: i64,
    /// The next segment that has not begun.
    next_segment: u32,
}

impl Rung {
    fn new(
        task: usize,
        variant: &VideoVariant,
        first_part: u32,
        stream: &StreamInfo,
        parts: &mut Parts<'_>,
    ) -> Result<Self> {
        let rate = output_rate(stream, variant.max_frame_rate);
        let grid = Grid { rate, step: 1, seconds: variant.segment_seconds };
        let size = size(stream.display_size(), variant.lines);
        let segment = first_part.saturating_sub(1);
        let encoder = open(variant, size, rate)?;
        let origin = START_SECONDS * rate.num;
        let track = Track::new(task, first_part, grid, (segment, origin), encoder.as_ref(), parts)?;
        Ok(Self {
            task,
            size,
            grid,
            encoder,
            track,
            cadence: Cadence::new(rate),
            spans: VecDeque::new(),
            first_slot: grid.start(segment),
            next_segment: segment,
        })
    }

    /// Encodes a picture for each of its slots.
    fn show(&mut self, picture: Frame, parts: &mut Parts<'_>) -> Result<()> {
        let Some(span) = self.spans.pop_front() else { return Ok(()) };
        let mut picture = frame::Video::from(picture);
        for slot in span.first.max(self.first_slot)..span.first + span.count {
            let begins = slot >= self.grid.start(self.next_segment);
            self.next_segment += u32::from(begins);
            picture.set_kind(if begins { picture::Type::I } else { picture::Type::None });
            picture.set_pts(Some(slot));
            self.encoder.send_frame(&picture).map_err(failed)?;
            self.drain(parts)?;
        }
        Ok(())
    }

    fn drain(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let mut packet = Packet::empty();
        while self.encoder.receive_packet(&mut packet).is_ok() {
            packet.set_duration(1);
            self.track.write(&mut packet, parts)?;
            parts.tick()?;
        }
        Ok(())
    }

    fn finish(mut self, parts: &mut Parts<'_>) -> Result<RenditionInfo> {
        self.encoder.send_eof().map_err(failed)?;
        self.drain(parts)?;
        let mut info = self.track.finish("video/mp4", Some(self.cadence.slots()), parts)?;
        (info.width, info.height) = (Some(self.size.0), Some(self.size.1));
        info.frame_rate = Some(self.grid.rate.as_f64());
        Ok(info)
    }
}

fn open(variant: &VideoVariant, (width, height): (u32, u32), rate: Rate) -> Result<encoder::video::Encoder> {
    let codec = super::encoder(ENCODER)?;
    let mut video = codec::Context::new_with_codec(codec).encoder().video().map_err(failed)?;
    let (num, den) =
        (i32::try_from(rate.num).unwrap_or(i32::MAX), i32::try_from(rate.den).unwrap_or(i32::MAX));
    video.set_width(width);
    video.set_height(height);
    video.set_format(format::Pixel::YUV420P);
    video.set_time_base(Rational::new(den, num));
    video.set_frame_rate(Some(Rational::new(num, den)));
    video.set_aspect_ratio(Rational::new(1, 1));
    video.set_colorspace(color::Space::BT709);
    video.set_color_primaries(color::Primaries::BT709);
    video.set_color_transfer_characteristic(color::TransferCharacteristic::BT709);
    video.set_color_range(color::Range::MPEG);
    video.set_flags(codec::Flags::GLOBAL_HEADER);
    let mut options = Dictionary::new();
    options.set("preset", variant.preset.as_str());
    options.set("profile", "high");
    options.set("crf", &variant.crf.to_string());
    options.set("maxrate", &format!("{}k", variant.max_kbps));
    options.set("bufsize", &format!("{}k", variant.max_kbps * 2));
    options.set("threads", THREADS);
    // Key frames are where segments begin, in every rung at the same times, and nowhere else.
    options.set("g", "10000");
    options.set("sc_threshold", "0");
    options.set("forced-idr", "1");
    video.open_with(options).map_err(failed)
}

fn failed(failure: ffmpeg_next::Error) -> Error {
    error::internal(failure, "encode")
}

/// The size of a rung: the shorter side `lines` at most, never enlarged, both sides even.
fn size((width, height): (u32, u32), lines: u32) -> (u32, u32) {
    let shorter = width.min(height);
    let even = |side: u32| (side & !1).max(2);
    if shorter <= lines {
        return (even(width), even(height));
    }
    let lines = even(lines);
    let longer =
        (f64::from(width.max(height)) * f64::from(lines) / f64::from(shorter) / 2.0).round() as u32 * 2;
    if width < height { (lines, longer) } else { (longer, lines) }
}

/// The constant rate that frames are laid on: the source's own, or an even part of it.
fn output_rate(stream: &StreamInfo, max: u32) -> Rate {
    let near = |rate: f64, wanted: f64| (rate / wanted - 1.0).abs() < 0.02;
    let declared =
        stream.guessed_rate.or(stream.average_rate).map(Rate::as_f64).filter(|rate| *rate <= 1_000.0);
    // What most frames last beats what is declared: that is an average where the rate varies, and may
    // count fields. But it is exact, when it is the same or a multiple.
    let rate = match (declared, stream.frame_gap_us.map(|gap| 1e6 / gap as f64)) {
        (Some(declared), Some(typical)) => {
            let parts = (1..=4).map(|part| declared / f64::from(part));
            parts.into_iter().find(|part| near(*part, typical)).unwrap_or(typical)
        }
        (Some(rate), None) | (None, Some(rate)) => rate,
        (None, None) => 25.0,
    };
    let divisor = (rate / (f64::from(max) * 1.001)).ceil().max(1.0);
    exact((rate / divisor).clamp(1.0, f64::from(max)))
}

/// The rate as television writes it, when it is one of those.
fn exact(rate: f64) -> Rate {
    let whole = Rate { num: rate.round() as i64, den: 1 };
    let ntsc = Rate { num: (rate * 1.001).round() as i64 * 1000, den: 1001 };
    let is = |candidate: Rate| (candidate.as_f64() / rate - 1.0).abs() < 4e-4;
    [whole, ntsc]
        .into_iter()
        .find(|candidate| is(*candidate))
        .unwrap_or(Rate { num: (rate * 1000.0).round() as i64, den: 1000 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        assert_eq!(size((1920, 1080), 720), (1280, 720));
        assert_eq!(size((1080, 1920), 720), (720, 1280));
        assert_eq!(size((854, 480), 720), (854, 480));
        assert_eq!(size((321, 241), 480), (320, 240));
        assert_eq!(size((3026, 1386), 1080), (2358, 1080));
    }

    #[test]
    fn rates() {
        assert_eq!(exact(29.970_6), Rate { num: 30_000, den: 1001 });
        assert_eq!(exact(29.99), Rate { num: 30, den: 1 });
        assert_eq!(exact(23.976), Rate { num: 24_000, den: 1001 });
        assert_eq!(exact(7.22), Rate { num: 7_220, den: 1000 });
    }

    proptest! {
        #[test]
        fn a_rung_is_even_and_never_larger(width in 2_u32..8_000, height in 2_u32..8_000, lines in 64_u32..4_320) {
            let (w, h) = size((width, height), lines);
            prop_assert!(w % 2 == 0 && h % 2 == 0 && w >= 2 && h >= 2);
            prop_assert!(w <= width && h <= height && w.min(h) <= lines);
        }
    }
}
