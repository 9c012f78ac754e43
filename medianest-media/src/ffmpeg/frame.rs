//! The poster: one frame that shows what a video is about.

use super::{
    color::{Painter, Target},
    decode::Decoder,
    error::Deadline,
    open::Input,
    probe,
    stream::StreamInfo,
};
use crate::Picture;
use ffmpeg_next::{Frame, Packet, frame::Video};
use medianest_core::{ByteSource, Error, Facts, Limits, Result, StreamKind};

/// A tenth into the video, but not more than this.
const LATEST_US: i64 = 10_000_000;
/// Frames that are looked at for one that is not black.
const CANDIDATES: u32 = 8;
/// Frames between two of them.
const STRIDE: u32 = 12;
/// Frames that are decoded on the way to the place, when the container cannot be searched.
const MOST_DECODED: u32 = 2_000;

/// A representative frame, upright, with square pixels, in sRGB.
pub(crate) fn frame(source: &dyn ByteSource, facts: &Facts, limits: &Limits) -> Result<Picture> {
    let deadline = Deadline::of(limits);
    let target = facts.duration_ms.map_or(0, |millis| (millis as i64 * 100).min(LATEST_US));
    // What some files give after a seek is damaged: then the way from the start is the only one.
    let mut last = None;
    for seek in [true, false] {
        let mut input = Input::open(source, limits, deadline)?;
        let streams = input.streams();
        let stream = probe::main(&streams, StreamKind::Video)
            .ok_or_else(|| Error::media("corrupt", "the video has no pictures"))?;
        match search(&mut input, stream, limits, target, seek) {
            Ok(Some(picture)) => return Ok(picture),
            Ok(None) => {}
            Err(error) if matches!(error.code(), "timed_out" | "source_unreadable" | "limit_exceeded") => {
                return Err(error);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| Error::media("corrupt", "no frame of the video can be decoded")))
}

/// The first frame at or after `target` microseconds that is not almost black; else the brightest.
/// None when there is none, or when what comes after a seek is damaged.
fn search(
    input: &mut Input<'_>,
    stream: &StreamInfo,
    limits: &Limits,
    target: i64,
    seek: bool,
) -> Result<Option<Picture>> {
    limits.check_frame(stream.width, stream.height)?;
    input.keep_only(&[stream.index]);
    let mut decoder = Decoder::open(stream, limits)?;
    let from = stream.timestamp(target).saturating_add(stream.start.unwrap_or(0));
    if seek && (target == 0 || !input.seek(stream.index, from)) {
        return Ok(None);
    }
    let mut search = Search { from, best: None, seen: 0, decoded: 0, done: false };
    let mut packet = Packet::empty();
    while !search.done && input.read(&mut packet)?.is_some() {
        if packet.stream() == stream.index {
            decoder.decode(Some(&packet), |frame| search.consider(frame))?;
        }
        if seek && decoder.errors > 0 {
            return Ok(None);
        }
    }
    if !search.done {
        decoder.decode(None, |frame| search.consider(frame))?;
    }
    let Some((_, mut frame)) = search.best else { return Ok(None) };
    limits.check_frame(frame.width(), frame.height())?;
    paint(stream, &mut frame).map(Some)
}

struct Search {
    from: i64,
    best: Option<(f32, Video)>,
    seen: u32,
    decoded: u32,
    done: bool,
}

impl Search {
    fn consider(&mut self, frame: &mut Frame) -> Result<()> {
        self.decoded += 1;
        let early = frame.timestamp().is_some_and(|time| time < self.from);
        if self.done || (early && self.best.is_some()) && self.decoded < MOST_DECODED {
            return Ok(());
        }
        let mut video = Video::empty();
        std::mem::swap(&mut *video, frame);
        if early && self.decoded < MOST_DECODED {
            // Kept in case that the target lies behind the last frame.
            self.best = Some((-1.0, video));
            return Ok(());
        }
        self.seen += 1;
        if !(self.seen - 1).is_multiple_of(STRIDE) {
            return Ok(());
        }
        let brightness = brightness(&video);
        if self.best.as_ref().is_none_or(|(best, _)| brightness > *best) {
            self.best = Some((brightness, video));
        }
        self.done = brightness > 0.1 || self.seen > CANDIDATES * STRIDE;
        Ok(())
    }
}

/// How bright the first plane is, 0 to 1, by a sample of its pixels. Limited range has its black at
/// 16 of 255, which is below what counts as bright.
fn brightness(frame: &Video) -> f32 {
    use ffmpeg_next::format::Pixel;
    let deep = matches!(
        frame.format(),
        Pixel::YUV420P10LE | Pixel::YUV422P10LE | Pixel::YUV444P10LE | Pixel::P010LE
    );
    let (bytes, scale) = match frame.format() {
        Pixel::P010LE => (2, 65_535.0),
        _ if deep => (2, 1_023.0),
        _ => (1, 255.0),
    };
    let (stride, width) = (frame.stride(0), frame.width() as usize * bytes);
    let plane = frame.data(0);
    let (mut sum, mut count) = (0.0_f32, 0.0_f32);
    for line in (0..frame.height() as usize).step_by(16) {
        let Some(row) = plane.get(line * stride..line * stride + width) else { break };
        for pixel in row.chunks_exact(bytes).step_by(16) {
            sum += f32::from(pixel.iter().rev().fold(0_u16, |value, byte| value << 8 | u16::from(*byte)));
            count += 1.0;
        }
    }
    if count == 0.0 { 0.0 } else { sum / count / scale }
}

fn paint(stream: &StreamInfo, frame: &mut Video) -> Result<Picture> {
    let mut picture = None;
    let mut painter = Painter::new(stream, Target::Rgb, vec![stream.display_size()]);
    let mut keep = |_, frame: Frame| {
        picture = Some(copy(&Video::from(frame)));
        Ok(())
    };
    painter.paint(frame, &mut keep)?;
    painter.finish(&mut keep)?;
    picture.ok_or_else(|| Error::internal("the video library gave no picture"))
}

fn copy(frame: &Video) -> Picture {
    let row = frame.width() as usize * 3;
    let pixels = frame.data(0).chunks(frame.stride(0)).take(frame.height() as usize);
    Picture {
        width: frame.width(),
        height: frame.height(),
        alpha: false,
        pixels: pixels.flat_map(|line| &line[..row]).copied().collect(),
    }
}
