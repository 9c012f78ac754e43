//! What a file says of itself.

use super::{
    error::Deadline,
    mdpm,
    open::Input,
    orient,
    stream::{StreamInfo, rescale},
    tags,
};
use ffmpeg_next::Packet;
use medianest_core::{
    ByteSource, Captured, Error, Facts, Limits, MediaKind, MediaType, Result, Stream, StreamKind,
};

/// Less than any codec of moving pictures or sound needs: a duration that would mean so few bits
/// a second is checked against the packets.
const IMPLAUSIBLE_BITS_PER_SECOND: u64 = 1_000;
/// Packets of all streams among which the first picture is.
const FIRST_PACKETS: usize = 64;
pub(super) const TRUNCATED: &str = "truncated";

/// The facts of a video or an audio file. Reads the head of the file and its index, decodes a few
/// frames at most, and reads on to the end only when the declared duration cannot be true.
pub(crate) fn understand(source: &dyn ByteSource, media_type: &MediaType, limits: &Limits) -> Result<Facts> {
    let mut input = Input::open(source, limits, Deadline::of(limits))?;
    let streams = input.streams();
    let kind = kind(&streams)?;
    let mut facts = Facts::of_type(media_type);
    if kind != facts.kind {
        facts.content_type = content_type(kind, &facts.content_type);
    }
    facts.kind = kind;
    facts.streams = streams.iter().map(describe).collect();
    facts.has_cover = kind == MediaKind::Audio && streams.iter().any(|stream| stream.cover);

    let raw = input.tags(limits);
    facts.tags = tags::tags(&raw);
    if let Some(video) = main(&streams, StreamKind::Video) {
        limits.check_frame(video.width, video.height)?;
        let (width, height) = video.display_size();
        limits.check_frame(width, height)?;
        (facts.width, facts.height) = (Some(width), Some(height));
        facts.orientation = video.orientation;
        facts.captured = tags::captured(&raw);
        facts.location = tags::location(&raw);
        facts.camera = tags::camera(&raw);
    }

    if kind == MediaKind::Audio {
        add_tags(&mut facts, source, media_type, limits)?;
    }

    if streams.iter().filter_map(|stream| stream.index_end).max() > Some(source.len()) {
        facts.warnings.push(TRUNCATED.to_owned());
    }
    let declared = input.duration_us();
    let duration = if plausible(declared, source.len()) {
        if facts.captured.is_none() {
            facts.captured = recorded(&mut input, &streams)?;
        }
        declared
    } else {
        let measured = measure(&mut input, &streams)?;
        if declared.is_some_and(|declared| declared / 2 > measured.unwrap_or(0)) {
            facts.warnings.push("duration_implausible".to_owned());
        }
        measured
    };
    facts.duration_ms = duration.and_then(|micros| u64::try_from((micros + 500) / 1000).ok());
    Ok(facts)
}

/// What the readers of audio tags know better: they tell apart what FFmpeg mixes.
#[cfg(feature = "metadata")]
fn add_tags(
    facts: &mut Facts,
    source: &dyn ByteSource,
    media_type: &MediaType,
    limits: &Limits,
) -> Result<()> {
    match crate::metadata::audio(source, media_type, limits) {
        Ok(read) => {
            facts.has_cover = read.has_cover;
            facts.captured = read.captured;
            if !read.tags.is_empty() {
                facts.tags = read.tags;
            }
            Ok(())
        }
        Err(error) if error.kind() == medianest_core::ErrorKind::Media => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(not(feature = "metadata"))]
fn add_tags(_: &mut Facts, _: &dyn ByteSource, _: &MediaType, _: &Limits) -> Result<()> {
    Ok(())
}

/// Video when there are moving pictures, audio when there is only sound.
fn kind(streams: &[StreamInfo]) -> Result<MediaKind> {
    let (kind, main) = match (main(streams, StreamKind::Video), main(streams, StreamKind::Audio)) {
        (Some(video), _) => (MediaKind::Video, video),
        (None, Some(audio)) => (MediaKind::Audio, audio),
        (None, None) => {
            return Err(Error::media("unsupported_media_type", "the file has neither pictures nor sound"));
        }
    };
    if !main.decodable {
        return Err(Error::media("unsupported_codec", "there is no decoder for this codec")
            .with("codec", &main.codec));
    }
    Ok(kind)
}

/// The stream of a kind that is rendered: the first that can be decoded, or else the first.
pub(super) fn main(streams: &[StreamInfo], kind: StreamKind) -> Option<&StreamInfo> {
    let mut of_kind = streams.iter().filter(|stream| stream.kind == kind);
    of_kind.clone().find(|stream| stream.decodable).or_else(|| of_kind.next())
}

fn content_type(kind: MediaKind, guess: &str) -> String {
    let subtype = guess.split_once('/').map_or(guess, |(_, subtype)| subtype);
    match (kind, subtype) {
        (MediaKind::Audio, "quicktime" | "x-m4v") => "audio/mp4".to_owned(),
        (MediaKind::Video, "x-m4a") => "video/mp4".to_owned(),
        (_, subtype) => format!("{}/{subtype}", kind.as_str()),
    }
}

fn describe(info: &StreamInfo) -> Stream {
    let mut stream = Stream::default();
    stream.kind = info.kind;
    stream.codec.clone_from(&info.codec);
    stream.profile.clone_from(&info.profile);
    stream.language.clone_from(&info.language);
    if info.width > 0 && info.height > 0 {
        (stream.width, stream.height) = (Some(info.width), Some(info.height));
    }
    if info.kind == StreamKind::Video {
        stream.rotation = Some(orient::rotation(info.orientation)).filter(|degrees| *degrees != 0);
        stream.pixel_aspect = Some(info.pixel_aspect).filter(|aspect| (aspect - 1.0).abs() > 1e-6);
        stream.frame_rate = info.average_rate.map(|rate| rate.as_f64());
    }
    stream.channels = Some(info.channels).filter(|count| *count > 0);
    stream.sample_rate = Some(info.sample_rate).filter(|rate| *rate > 0);
    stream.bit_rate = Some(info.bit_rate).filter(|rate| *rate > 0);
    stream
}

fn plausible(declared: Option<i64>, bytes: u64) -> bool {
    let seconds = declared.map(|micros| micros.unsigned_abs() / 1_000_000);
    seconds.is_some_and(|seconds| seconds < 60 || bytes * 8 / seconds >= IMPLAUSIBLE_BITS_PER_SECOND)
}

/// When it was recorded, by the first picture.
fn recorded(input: &mut Input<'_>, streams: &[StreamInfo]) -> Result<Option<Captured>> {
    let pictures = main(streams, StreamKind::Video).filter(|stream| stream.codec == "h264");
    let Some(pictures) = pictures else { return Ok(None) };
    let mut packet = Packet::empty();
    for _ in 0..FIRST_PACKETS {
        if input.read(&mut packet)?.is_none() {
            break;
        }
        if packet.stream() == pictures.index {
            return Ok(packet.data().and_then(mdpm::captured));
        }
    }
    Ok(None)
}

/// The playing time by the packets' own times.
fn measure(input: &mut Input<'_>, streams: &[StreamInfo]) -> Result<Option<i64>> {
    let (mut start, mut end) = (i64::MAX, i64::MIN);
    let mut packet = Packet::empty();
    while input.read(&mut packet)?.is_some() {
        let Some(stream) = streams.get(packet.stream()) else { continue };
        if !matches!(stream.kind, StreamKind::Video | StreamKind::Audio) {
            continue;
        }
        if let Some(timestamp) = packet.pts().or(packet.dts()) {
            start = start.min(stream.micros(timestamp));
            end = end.max(rescale(timestamp.saturating_add(packet.duration()), stream.time_base));
        }
    }
    Ok((end > start).then(|| end.saturating_sub(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_hours_in_a_hundred_kilobytes_are_checked() {
        assert!(!plausible(Some(143_165_643_233), 96_000));
        assert!(!plausible(None, 96_000));
        assert!(plausible(Some(362_767_000), 956_635));
        assert!(plausible(Some(2_000_000), 100));
    }

    #[test]
    fn an_mp4_without_pictures_is_served_as_audio() {
        assert_eq!(content_type(MediaKind::Audio, "video/mp4"), "audio/mp4");
        assert_eq!(content_type(MediaKind::Audio, "video/x-matroska"), "audio/x-matroska");
    }
}
