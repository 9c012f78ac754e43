//! The one pass over a file that makes everything asked for.

use super::{
    audio::{Sound, Wish},
    error::Deadline,
    open::Input,
    probe,
    sink::Parts,
    stream::StreamInfo,
    video::Ladder,
};
use ffmpeg_next::Packet;
use medianest_core::{
    ByteSource, Error, Facts, Limits, MediaKind, PartSink, RenderTask, RenditionInfo, Result, StreamKind,
    Variant,
};
use std::collections::VecDeque;

/// Packets of pictures that tell the frame rate.
const LOOK_AHEAD: usize = 32;

/// Makes rungs, sound and waveforms of a video or an audio file with one decode.
///
/// What cannot be made fails alone. A file that ends too early or is damaged in places gives what
/// there is, with a warning. An interrupted rung goes on with the first part that is missing: what is
/// before is decoded but not encoded. (A seek is no shortcut: not every file can be trusted to
/// decode the same after one.) Sound is always encoded from the start, so that it has no seam.
pub(crate) fn render(
    source: &dyn ByteSource,
    facts: &Facts,
    tasks: &[(usize, &RenderTask)],
    limits: &Limits,
    sink: &mut dyn PartSink,
) -> Result<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let deadline = Deadline::of(limits);
    let mut parts = Parts::new(sink, limits, deadline);
    let mut input = Input::open(source, limits, deadline)?;
    let mut streams = input.streams();
    let (rungs, wishes) = sort(tasks, &mut parts)?;
    let pictures = probe::main(&streams, StreamKind::Video).filter(|_| !rungs.is_empty());
    let sound = probe::main(&streams, StreamKind::Audio).filter(|_| !wishes.is_empty());
    let used: Vec<usize> = [pictures, sound].into_iter().flatten().map(|stream| stream.index).collect();
    input.keep_only(&used);
    let pictures = pictures.map(|stream| stream.index);
    let sound = sound.map(|stream| stream.index);
    let ahead = match pictures {
        Some(index) => look_ahead(&mut input, &mut streams[index])?,
        None => VecDeque::new(),
    };

    // Both tracks of a file start together, also when only one of them is rendered.
    let origin = [StreamKind::Video, StreamKind::Audio]
        .into_iter()
        .filter_map(|kind| probe::main(&streams, kind).and_then(StreamInfo::start_us))
        .min()
        .unwrap_or(0);
    let is_music = facts.kind == MediaKind::Audio;
    let rung_tasks = rungs.iter().map(|(task, ..)| *task).collect::<Vec<_>>();
    let wish_tasks = wishes.iter().map(|(task, _)| *task).collect::<Vec<_>>();
    let ladder = match pictures {
        Some(index) => Ladder::new(&streams[index], origin, &rungs, limits, &mut parts),
        None => Err(absent("pictures")),
    };
    let voice = match sound {
        Some(index) => Sound::new(&streams[index], origin, is_music, wishes, limits),
        None => Err(absent("sound")),
    };
    let mut pass = Pass {
        ladder: keep(ladder, rung_tasks, &mut parts)?.filter(|ladder| !ladder.tasks().is_empty()),
        sound: keep(voice, wish_tasks, &mut parts)?,
        parts,
        ahead,
        duration_us: facts.duration_ms.map_or(0, |millis| millis as i64 * 1000),
    };
    pass.run(&mut input, pictures, sound)?;
    pass.finish(facts)
}

/// Reads a few packets to learn how far apart the frames are, where the container does not tell.
fn look_ahead(input: &mut Input<'_>, stream: &mut StreamInfo) -> Result<VecDeque<Packet>> {
    let (mut ahead, mut times) = (VecDeque::new(), Vec::new());
    while stream.frame_gap_us.is_none() && times.len() < LOOK_AHEAD && ahead.len() < 8 * LOOK_AHEAD {
        let mut packet = Packet::empty();
        if input.read(&mut packet)?.is_none() {
            break;
        }
        if packet.stream() == stream.index {
            times.extend(packet.pts().or(packet.dts()));
        }
        ahead.push_back(packet);
    }
    stream.learn_frame_gap(times);
    Ok(ahead)
}

type Rungs<'a> = Vec<(usize, &'a medianest_core::VideoVariant, u32)>;
type Wishes<'a> = Vec<(usize, Wish<'a>)>;

fn sort<'a>(tasks: &[(usize, &'a RenderTask)], parts: &mut Parts<'_>) -> Result<(Rungs<'a>, Wishes<'a>)> {
    let (mut rungs, mut wishes) = (Vec::new(), Vec::new());
    for (index, task) in tasks {
        match &task.variant {
            Variant::Video(video) => rungs.push((*index, video, task.first_part)),
            Variant::Audio(audio) => wishes.push((*index, Wish::Voice(audio, task.first_part))),
            Variant::Waveform(waveform) => wishes.push((*index, Wish::Waveform(waveform))),
            _ => parts.fail([*index], absent("such a variant"))?,
        }
    }
    Ok((rungs, wishes))
}

fn absent(what: &'static str) -> Error {
    Error::media("unsupported_media_type", format!("the file has no {what} to make this of"))
}

fn keep<T>(made: Result<T>, tasks: Vec<usize>, parts: &mut Parts<'_>) -> Result<Option<T>> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(error) => parts.fail(tasks, error).map(|()| None),
    }
}

struct Pass<'a, 's> {
    ladder: Option<Ladder<'a>>,
    sound: Option<Sound<'a>>,
    parts: Parts<'s>,
    /// Packets that were read before the work began.
    ahead: VecDeque<Packet>,
    duration_us: i64,
}

impl Pass<'_, '_> {
    /// Decodes these two streams. Others are passed over: FFmpeg hands out covers, and what it read to
    /// find out what there is, also of streams that are not wanted.
    fn run(&mut self, input: &mut Input<'_>, pictures: Option<usize>, sound: Option<usize>) -> Result<()> {
        let mut packet = Packet::empty();
        while self.ladder.is_some() || self.sound.is_some() {
            match self.ahead.pop_front() {
                Some(next) => packet = next,
                None if input.read(&mut packet)?.is_none() => break,
                None => {}
            }
            let stream = Some(packet.stream());
            if stream == pictures {
                if let Some(Err(error)) =
                    self.ladder.as_mut().map(|ladder| ladder.decode(Some(&packet), &mut self.parts))
                {
                    let tasks = self.ladder.take().map(|ladder| ladder.tasks()).unwrap_or_default();
                    self.parts.fail(tasks, error)?;
                }
            } else if stream == sound
                && let Some(Err(error)) =
                    self.sound.as_mut().map(|sound| sound.decode(Some(&packet), &mut self.parts))
            {
                let tasks = self.sound.take().map(|sound| sound.tasks()).unwrap_or_default();
                self.parts.fail(tasks, error)?;
            }
            self.parts.progress(self.done())?;
        }
        Ok(())
    }

    /// How far the decoding is, by the time of what was decoded last.
    fn done(&self) -> f32 {
        let ends =
            [self.ladder.as_ref().map(|ladder| ladder.end), self.sound.as_ref().map(|sound| sound.end)];
        match ends.into_iter().flatten().min() {
            Some(end) if self.duration_us > 0 => end as f32 / self.duration_us as f32,
            _ => 0.0,
        }
    }

    fn finish(mut self, facts: &Facts) -> Result<()> {
        let ends =
            [self.ladder.as_ref().map(|ladder| ladder.end), self.sound.as_ref().map(|sound| sound.end)];
        // A subtitle may outlast a short clip.
        let most_missing = (self.duration_us / 10).max(1_000_000);
        let early = ends.into_iter().flatten().max().is_some_and(|end| end + most_missing < self.duration_us);
        let truncated = early || facts.warnings.iter().any(|warning| warning == probe::TRUNCATED);
        let ladder = self.ladder.take().map(|ladder| (ladder.tasks(), ladder.finish(&mut self.parts)));
        self.close(ladder, truncated)?;
        let sound = self.sound.take().map(|sound| (sound.tasks(), sound.finish(&mut self.parts)));
        self.close(sound, truncated)
    }

    fn close(&mut self, made: Option<Made>, truncated: bool) -> Result<()> {
        match made {
            None => Ok(()),
            Some((tasks, Err(error))) => self.parts.fail(tasks, error),
            Some((_, Ok(outcomes))) => outcomes.into_iter().try_for_each(|(task, outcome)| match outcome {
                Ok(mut info) => {
                    info.warnings.extend(truncated.then(|| probe::TRUNCATED.to_owned()));
                    self.parts.finish(task, Ok(info))
                }
                Err(error) => self.parts.fail([task], error),
            }),
        }
    }
}

type Made = (Vec<usize>, Result<Vec<(usize, Result<RenditionInfo>)>>);
