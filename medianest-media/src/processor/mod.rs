//! The processor that works in the calling process.

#[cfg(any(not(feature = "image"), not(feature = "metadata"), not(feature = "ffmpeg")))]
mod absent;

#[cfg(not(feature = "ffmpeg"))]
use absent::ffmpeg;
#[cfg(not(feature = "image"))]
use absent::image;
#[cfg(not(feature = "metadata"))]
use absent::metadata;

#[cfg(feature = "ffmpeg")]
use crate::ffmpeg;
#[cfg(feature = "image")]
use crate::image;
#[cfg(feature = "metadata")]
use crate::metadata;

use crate::{Picture, sniff};
use medianest_core::{
    ByteSource, Error, Facts, Failure, ImageVariant, Limits, MediaKind, MediaProcessor, MediaType, PartSink,
    RenderTask, Result, Variant,
};

/// Bytes of the head that is sniffed.
const HEAD: usize = 4096;

/// Decodes in the calling process, on the calling thread. For files that you trust, and for platforms
/// without the sandbox: a decoder that crashes takes the process with it, and neither
/// [`Limits::max_memory`] nor the deadline holds against code that does not look at them.
///
/// What it understands depends on the [features](crate#features) of this crate.
#[derive(Clone, Copy, Debug, Default)]
pub struct InProcess;

impl MediaProcessor for InProcess {
    fn sniff(&self, head: &[u8]) -> Option<MediaType> {
        sniff::sniff(head)
    }

    fn understand(&self, source: &dyn ByteSource, limits: &Limits) -> Result<Facts> {
        let head = head(source)?;
        if sniff::looks_dangerous(&head) {
            return Err(Error::media(
                "dangerous_content",
                "text that names or runs other things poses as media",
            ));
        }
        let media_type = sniff::sniff(&head)
            .ok_or_else(|| Error::media("unsupported_media_type", "no type of media that is supported"))?;
        match media_type.kind {
            MediaKind::Image => image::understand(source, &media_type, limits),
            MediaKind::Video => ffmpeg::understand(source, &media_type, limits),
            MediaKind::Audio if cfg!(feature = "ffmpeg") => ffmpeg::understand(source, &media_type, limits),
            MediaKind::Audio => metadata::audio(source, &media_type, limits),
        }
    }

    fn render(
        &self,
        source: &dyn ByteSource,
        facts: &Facts,
        tasks: &[RenderTask],
        limits: &Limits,
        sink: &mut dyn PartSink,
    ) -> Result<()> {
        let (pictures, others) = split(tasks);
        match facts.kind {
            MediaKind::Image => {
                refuse(&others, sink)?;
                image::render(source, facts, &pictures, limits, sink)
            }
            MediaKind::Video => {
                let (waveforms, streams) = others
                    .into_iter()
                    .partition::<Vec<_>, _>(|(_, task)| matches!(task.variant, Variant::Waveform(_)));
                refuse(&waveforms, sink)?;
                write_pictures(&pictures, || ffmpeg::frame(source, facts, limits), sink)?;
                ffmpeg::render(source, facts, &streams, limits, sink)
            }
            MediaKind::Audio => {
                let (rungs, streams) = others
                    .into_iter()
                    .partition::<Vec<_>, _>(|(_, task)| matches!(task.variant, Variant::Video(_)));
                refuse(&rungs, sink)?;
                write_pictures(&pictures, || metadata::cover(source, facts, limits), sink)?;
                ffmpeg::render(source, facts, &streams, limits, sink)
            }
        }
    }

    fn renderer(&self, variant: &Variant) -> String {
        let renderer = match variant {
            Variant::Image(_) => "image/1",
            Variant::Video(_) => "video/1",
            Variant::Audio(_) => "audio/1",
            Variant::Waveform(_) => "waveform/1",
            _ => "unknown/0",
        };
        String::from(renderer)
    }
}

type Pictures<'a> = Vec<(usize, &'a ImageVariant)>;
type Others<'a> = Vec<(usize, &'a RenderTask)>;

/// Tells the tasks that start from one decoded picture from those that need streams.
fn split(tasks: &[RenderTask]) -> (Pictures<'_>, Others<'_>) {
    let (mut pictures, mut others) = (Vec::new(), Vec::new());
    for (index, task) in tasks.iter().enumerate() {
        match &task.variant {
            Variant::Image(image) => pictures.push((index, image)),
            _ => others.push((index, task)),
        }
    }
    (pictures, others)
}

/// Prepares what libraries set up on first use, so that the children of a zygote find it done.
#[cfg(all(feature = "sandbox", target_os = "linux"))]
pub(crate) fn warm_up() {
    #[cfg(feature = "image")]
    crate::image::warm_up();
    #[cfg(feature = "ffmpeg")]
    crate::ffmpeg::warm_up();
    // Where its decoders are plug-ins, they are loaded now: a child opens no file.
    #[cfg(feature = "heif")]
    std::mem::forget(libheif_rs::LibHeif::new_checked());
}

/// Fails tasks that do not fit the media.
fn refuse(tasks: &[(usize, &RenderTask)], sink: &mut dyn PartSink) -> Result<()> {
    let misfit =
        || Failure::new("unsupported_media_type", "there is nothing to make this of in this kind of media");
    tasks.iter().try_for_each(|(index, _)| sink.finish(*index, Err(misfit())))
}

/// Makes all `tasks` of one picture; when there is none to be had, they fail and the others go on.
fn write_pictures(
    tasks: &[(usize, &ImageVariant)],
    decode: impl FnOnce() -> Result<Picture>,
    sink: &mut dyn PartSink,
) -> Result<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    match decode() {
        Ok(picture) => image::write_variants(&picture, tasks, sink),
        Err(error) if error.kind() == medianest_core::ErrorKind::Media => {
            tasks.iter().try_for_each(|(index, _)| sink.finish(*index, Err(Failure::from(&error))))
        }
        Err(error) => Err(error),
    }
}

fn head(source: &dyn ByteSource) -> Result<Vec<u8>> {
    let mut head = vec![0; HEAD];
    let mut filled = 0;
    while filled < HEAD {
        match source.read_at(filled as u64, &mut head[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count.min(HEAD - filled),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(
                    Error::unavailable("source_unreadable", "the bytes cannot be read").caused_by(error)
                );
            }
        }
    }
    head.truncate(filled);
    Ok(head)
}

#[cfg(test)]
mod tests;
