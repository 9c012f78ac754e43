//! Sound: AAC renditions and waveforms, all of one decoder.

use super::{
    decode::Decoder,
    error,
    filter::Filter,
    sink::Parts,
    stream::{StreamInfo, rescale},
    timeline::{Grid, Rate, START_SECONDS},
    track::Track,
    waveform::{self, Waveform},
};
use ffmpeg_next::{
    ChannelLayout, Frame, Packet, Rational,
    codec::{self, encoder},
    format::{Sample, sample},
    frame,
};
use medianest_core::{AudioVariant, Error, Limits, RenditionInfo, Result, WaveformVariant};

const SAMPLE_RATE: u32 = 48_000;
/// FFmpeg's own AAC encoder.
pub(super) const ENCODER: &str = "aac";
/// Samples of an AAC frame, and of the priming that the encoder puts before the first.
const FRAME: i64 = 1024;

/// What a task makes of the sound.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish<'a> {
    /// An AAC rendition, and the first part of it that is missing.
    Voice(&'a AudioVariant, u32),
    /// Peaks.
    Waveform(&'a WaveformVariant),
}

/// All renditions of the sound of a file, and the way from its packets to them.
pub(super) struct Sound<'a> {
    stream: &'a StreamInfo,
    limits: &'a Limits,
    decoder: Decoder,
    wishes: Vec<(usize, Wish<'a>)>,
    /// When presentation starts, in microseconds of the container.
    origin: i64,
    /// Where that is in the renditions, in samples.
    start: i64,
    mixer: Option<Mixer>,
    outputs: Vec<Output>,
    /// Samples that were made so far.
    made: i64,
    /// Where the last frame ended, in microseconds.
    pub(super) end: i64,
}

/// A graph for frames of one kind.
struct Mixer {
    filter: Filter,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
struct Kind {
    format: Sample,
    rate: u32,
    layout: ChannelLayout,
}

struct Output {
    task: usize,
    /// Samples that it took so far.
    taken: i64,
    maker: Maker,
}

enum Maker {
    Voice { encoder: Box<encoder::audio::Encoder>, track: Box<Track>, channels: u8 },
    Waveform(Waveform),
}

impl<'a> Sound<'a> {
    /// Sound for these tasks. In music it starts at once; beside a video where that starts.
    pub(super) fn new(
        stream: &'a StreamInfo,
        origin: i64,
        is_music: bool,
        wishes: Vec<(usize, Wish<'a>)>,
        limits: &'a Limits,
    ) -> Result<Self> {
        let start = if is_music { FRAME } else { START_SECONDS * i64::from(SAMPLE_RATE) };
        let decoder = Decoder::open(stream, limits)?;
        let (mixer, outputs) = (None, Vec::new());
        Ok(Self { stream, limits, decoder, wishes, origin, start, mixer, outputs, made: 0, end: 0 })
    }

    /// Takes a packet, or the end.
    pub(super) fn decode(&mut self, packet: Option<&Packet>, parts: &mut Parts<'_>) -> Result<()> {
        let mut frames = Vec::new();
        self.decoder.decode(packet, |frame| {
            let mut taken = frame::Audio::empty();
            std::mem::swap(&mut *taken, frame);
            frames.push(taken);
            Ok(())
        })?;
        frames.into_iter().try_for_each(|frame| self.take(frame, parts))
    }

    fn take(&mut self, mut frame: frame::Audio, parts: &mut Parts<'_>) -> Result<()> {
        if frame.samples() == 0 || frame.rate() == 0 || frame.channels() == 0 {
            return Ok(());
        }
        let layout = match frame.channel_layout() {
            layout if layout.is_empty() || layout.bits() == 0 => {
                ChannelLayout::default(i32::from(frame.channels()))
            }
            layout => layout,
        };
        frame.set_channel_layout(layout);
        let kind = Kind { format: frame.format(), rate: frame.rate(), layout };
        if self.mixer.as_ref().is_none_or(|mixer| mixer.kind != kind) {
            self.drain_mixer(parts)?;
            if self.outputs.is_empty() {
                self.open_outputs(kind.layout.channels(), parts)?;
            }
            self.mixer = Some(Mixer { filter: self.build(kind)?, kind });
        }
        let time = match frame.timestamp() {
            Some(timestamp) => rescale(timestamp, self.stream.time_base) - self.origin,
            None => self.end,
        };
        if time / 1_000_000 > self.limits.max_decoded_seconds as i64 {
            return Err(Limits::exceeded("max_decoded_seconds", self.limits.max_decoded_seconds));
        }
        self.bridge(kind, time, parts)?;
        let rate = Rate { num: i64::from(kind.rate), den: 1 };
        frame.set_pts(Some(rate.nearest(time)));
        self.end = time + rate.micros(frame.samples() as i64);
        self.push(&mut frame, parts)
    }

    /// Fills a hole in the sound with silence, a second at a time. Short ones the resampler fills.
    fn bridge(&mut self, kind: Kind, until: i64, parts: &mut Parts<'_>) -> Result<()> {
        const SECOND: i64 = 1_000_000;
        while until - self.end > 2 * SECOND {
            let mut silence = frame::Audio::new(kind.format, kind.rate as usize, kind.layout);
            silence.set_rate(kind.rate);
            let zero = if matches!(kind.format, Sample::U8(_)) { 0x80 } else { 0 };
            (0..silence.planes()).for_each(|plane| silence.data_mut(plane).fill(zero));
            silence.set_pts(Some(Rate { num: i64::from(kind.rate), den: 1 }.nearest(self.end)));
            self.end += SECOND;
            self.push(&mut silence, parts)?;
            parts.tick()?;
        }
        Ok(())
    }

    fn push(&mut self, frame: &mut Frame, parts: &mut Parts<'_>) -> Result<()> {
        if let Some(mixer) = &mut self.mixer {
            mixer.filter.push(frame)?;
        }
        self.deliver(parts)
    }

    fn deliver(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        let Some(mixer) = &mut self.mixer else { return Ok(()) };
        for (number, output) in self.outputs.iter_mut().enumerate() {
            while let Some(frame) = mixer.filter.pull(number) {
                output.take(frame::Audio::from(frame), parts)?;
            }
            self.made = self.made.max(output.taken);
        }
        Ok(())
    }

    fn drain_mixer(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        if let Some(mixer) = &mut self.mixer {
            mixer.filter.finish()?;
        }
        self.deliver(parts)?;
        self.mixer = None;
        Ok(())
    }

    fn open_outputs(&mut self, channels: i32, parts: &mut Parts<'_>) -> Result<()> {
        for (task, wish) in &self.wishes {
            let maker = match wish {
                Wish::Voice(variant, first_part) => {
                    let channels = if channels == 1 { 1 } else { variant.channels };
                    let encoder = Box::new(open(variant, channels)?);
                    let rate = Rate { num: i64::from(SAMPLE_RATE), den: 1 };
                    let grid = Grid { rate, step: FRAME, seconds: variant.segment_seconds };
                    let track = Track::new(
                        *task,
                        *first_part,
                        grid,
                        (0, self.start),
                        encoder.as_ref().as_ref(),
                        parts,
                    )?;
                    Maker::Voice { encoder, track: Box::new(track), channels }
                }
                Wish::Waveform(variant) => Maker::Waveform(Waveform::new(variant.points)),
            };
            self.outputs.push(Output { task: *task, taken: 0, maker });
        }
        Ok(())
    }

    /// Lays sound on the time line (holes become silence, what overlaps is cut), then mixes it for each.
    fn build(&self, kind: Kind) -> Result<Filter> {
        let source = format!(
            "time_base=1/{0}:sample_rate={0}:sample_fmt={1}:channel_layout=0x{2:x}",
            kind.rate,
            kind.format.name(),
            kind.layout.bits()
        );
        let count = self.outputs.len();
        let taps: String = (0..count).map(|number| format!("[tap{number}]")).collect();
        let mut graph = format!(
            "[in]aresample={SAMPLE_RATE}:async=1:min_hard_comp=0.1:first_pts={},asplit={count}{taps}",
            self.made
        );
        for (number, output) in self.outputs.iter().enumerate() {
            let (format, layout) = match output.maker {
                Maker::Voice { channels: 2, .. } => ("fltp", "stereo"),
                Maker::Voice { .. } => ("fltp", "mono"),
                Maker::Waveform(_) => ("flt", "mono"),
            };
            graph.push_str(&format!(
                ";[tap{number}]aformat=sample_fmts={format}:sample_rates={SAMPLE_RATE}:channel_layouts={layout}[out{number}]"
            ));
        }
        let mut filter = Filter::audio(&source, &graph, count)?;
        (0..count).for_each(|number| filter.set_frame_size(number, FRAME as u32));
        Ok(filter)
    }

    /// The end: what is left, the last parts and what came out of each task.
    pub(super) fn finish(mut self, parts: &mut Parts<'_>) -> Result<Vec<(usize, Result<RenditionInfo>)>> {
        self.decode(None, parts)?;
        self.drain_mixer(parts)?;
        if self.made == 0 {
            return Err(Error::media("corrupt", "no sound of the file can be decoded"));
        }
        let damaged = self.decoder.errors > 0;
        let finish = |output: Output| {
            let task = output.task;
            let info = output.finish(parts).map(|mut info| {
                info.warnings.extend(damaged.then(|| "damaged".to_owned()));
                info
            });
            (task, info)
        };
        Ok(self.outputs.into_iter().map(finish).collect())
    }

    /// The tasks that are not finished.
    pub(super) fn tasks(&self) -> Vec<usize> {
        self.wishes.iter().map(|(task, _)| *task).collect()
    }
}

impl Output {
    fn take(&mut self, mut frame: frame::Audio, parts: &mut Parts<'_>) -> Result<()> {
        let samples = frame.samples() as i64;
        match &mut self.maker {
            Maker::Voice { encoder, track, .. } => {
                // A shorter frame than AAC's is only allowed at the end: at a change of the source's
                // kind the rest of it is silence.
                frame.set_pts(Some(self.taken));
                encoder.send_frame(&frame).map_err(failed)?;
                drain(encoder, track, parts)?;
            }
            Maker::Waveform(waveform) => waveform.add(frame.plane::<f32>(0)),
        }
        self.taken += samples;
        Ok(())
    }

    fn finish(self, parts: &mut Parts<'_>) -> Result<RenditionInfo> {
        match self.maker {
            Maker::Voice { mut encoder, mut track, .. } => {
                encoder.send_eof().map_err(failed)?;
                drain(&mut encoder, &mut track, parts)?;
                track.finish("audio/mp4", None, parts)
            }
            Maker::Waveform(waveform) => {
                parts.put(self.task, 0, 0, waveform::json(SAMPLE_RATE, &waveform.finish()))?;
                let mut info = RenditionInfo::default();
                "application/json".clone_into(&mut info.content_type);
                info.duration_ms = u64::try_from(self.taken * 1000 / i64::from(SAMPLE_RATE)).ok();
                Ok(info)
            }
        }
    }
}

fn drain(encoder: &mut encoder::audio::Encoder, track: &mut Track, parts: &mut Parts<'_>) -> Result<()> {
    let mut packet = Packet::empty();
    while encoder.receive_packet(&mut packet).is_ok() {
        if packet.duration() <= 0 {
            packet.set_duration(FRAME);
        }
        track.write(&mut packet, parts)?;
    }
    Ok(())
}

fn open(variant: &AudioVariant, channels: u8) -> Result<encoder::audio::Encoder> {
    let codec = super::encoder(ENCODER)?;
    let mut audio = codec::Context::new_with_codec(codec).encoder().audio().map_err(failed)?;
    audio.set_rate(SAMPLE_RATE as i32);
    audio.set_format(Sample::F32(sample::Type::Planar));
    audio.set_channel_layout(ChannelLayout::default(i32::from(channels)));
    audio.set_bit_rate(variant.kbps as usize * 1000);
    audio.set_time_base(Rational::new(1, SAMPLE_RATE as i32));
    audio.set_flags(codec::Flags::GLOBAL_HEADER);
    audio.open().map_err(failed)
}

fn failed(failure: ffmpeg_next::Error) -> Error {
    error::internal(failure, "encode")
}
