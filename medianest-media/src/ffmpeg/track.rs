//! One encoded track: its packets, cut into the parts of a task.

use super::{segment::Segmenter, sink::Parts, timeline::Grid};
use ffmpeg_next::{Packet, Rational, codec};
use medianest_core::{RenditionInfo, Result};

/// Cuts packets whose times count units of a [`Grid`] (frames, samples) into parts, and measures them.
#[derive(Debug)]
pub(super) struct Track {
    task: usize,
    first_part: u32,
    grid: Grid,
    segmenter: Segmenter,
    /// Where unit 0 is shown, in the muxer's time base of 1 / `grid.rate.num`.
    origin: i64,
    segment: u32,
    from: i64,
    end: i64,
    pending: bool,
    codecs: Option<String>,
    measured: Vec<(u64, u64)>,
}

impl Track {
    /// A track whose first packet belongs to segment `segment`, and whose unit 0 is shown at
    /// `origin` ticks of 1 / `grid.rate.num` seconds. Writes the init part, unless it is there.
    pub(super) fn new(
        task: usize,
        first_part: u32,
        grid: Grid,
        (segment, origin): (u32, i64),
        encoder: &codec::Context,
        parts: &mut Parts<'_>,
    ) -> Result<Self> {
        let base = Rational::new(1, i32::try_from(grid.rate.num).unwrap_or(i32::MAX));
        let mut segmenter = Segmenter::new(encoder, base, segment)?;
        let init = segmenter.cut()?;
        let codecs = codecs(&init);
        if first_part == 0 {
            parts.put(task, 0, 0, init)?;
        }
        let from = grid.start(segment);
        let (pending, measured) = (false, Vec::new());
        Ok(Self {
            task,
            first_part,
            grid,
            segmenter,
            origin,
            segment,
            from,
            end: from,
            pending,
            codecs,
            measured,
        })
    }

    /// Takes a packet whose times count units.
    pub(super) fn write(&mut self, packet: &mut Packet, parts: &mut Parts<'_>) -> Result<()> {
        let unit = packet.pts().unwrap_or(0);
        let next = self.grid.start(self.segment + 1);
        if packet.is_key() && unit >= next && self.pending {
            self.cut(next, parts)?;
        }
        let length = packet.duration().max(1);
        self.end = self.end.max(unit + length);
        let ticks = |units: i64| units * self.grid.rate.den;
        packet.set_pts(Some(ticks(unit) + self.origin));
        packet.set_dts(packet.dts().map(|dts| ticks(dts) + self.origin));
        packet.set_duration(ticks(length));
        self.pending = true;
        self.segmenter.write(packet)
    }

    /// The last part, and what came out of `units`, where that is known better than by the packets:
    /// after an interruption there may be none. Rates are of the parts that were made now.
    pub(super) fn finish(
        mut self,
        content_type: &str,
        units: Option<i64>,
        parts: &mut Parts<'_>,
    ) -> Result<RenditionInfo> {
        self.end = units.unwrap_or(self.end);
        if self.pending {
            self.cut(self.end, parts)?;
        }
        let mut info = RenditionInfo::default();
        content_type.clone_into(&mut info.content_type);
        info.codecs = self.codecs;
        info.duration_ms = Some(self.grid.duration_us(0, self.end) / 1000);
        let rate = |(bytes, micros): (u64, u64)| (micros > 0).then(|| bytes * 8_000_000 / micros);
        // RFC 8216 leaves segments out that are much shorter than the target: they say nothing.
        let least = u64::from(self.grid.seconds) * 500_000;
        let long = self.measured.iter().copied().filter(|(_, micros)| *micros >= least).filter_map(rate);
        info.average_bit_rate =
            rate(self.measured.iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1)));
        info.peak_bit_rate = long.max().max(info.average_bit_rate);
        Ok(info)
    }

    fn cut(&mut self, to: i64, parts: &mut Parts<'_>) -> Result<()> {
        let bytes = self.segmenter.cut()?;
        let duration = self.grid.duration_us(self.from, to);
        let ordinal = self.segment + 1;
        (self.segment, self.from, self.pending) = (ordinal, to, false);
        self.measured.push((bytes.len() as u64, duration));
        if ordinal >= self.first_part { parts.put(self.task, ordinal, duration, bytes) } else { Ok(()) }
    }
}

/// The codec of an init part by RFC 6381.
fn codecs(init: &[u8]) -> Option<String> {
    let at = |name: &[u8; 4]| init.windows(4).position(|four| four == name).map(|at| at + 4);
    if let Some(config) = at(b"avcC") {
        // AVCDecoderConfigurationRecord: version, then profile, constraints and level of the SPS.
        let [profile, constraints, level] = *init.get(config + 1..)?.first_chunk::<3>()?;
        return Some(format!("avc1.{profile:02x}{constraints:02x}{level:02x}"));
    }
    at(b"mp4a").map(|_| "mp4a.40.2".to_owned())
}
