//! Tags and covers of songs, without FFmpeg.

use super::{cleaned, decoded};
use crate::{
    Picture,
    source::{SourceReader, corrupt, is_unreadable, unreadable, unsupported},
};
use lofty::{
    config::ParseOptions,
    file::{AudioFile, FileType, TaggedFile, TaggedFileExt},
    picture::PictureType,
    probe::Probe,
    tag::{ItemKey, Tag},
};
use medianest_core::{ByteSource, Error, Facts, Limits, MediaType, Result, Stream, StreamKind, Tags};

/// Reads what a song says of itself: duration and sound as declared, tags, whether there is a cover.
///
/// # Errors
/// `corrupt`, `unsupported_codec`; `source_unreadable`.
pub(crate) fn audio(source: &dyn ByteSource, media_type: &MediaType, limits: &Limits) -> Result<Facts> {
    let file = open(source, media_type.format, limits)?;
    let mut facts = Facts::of_type(media_type);
    let properties = file.properties();
    facts.duration_ms = u64::try_from(properties.duration().as_millis()).ok().filter(|millis| *millis > 0);
    let mut stream = Stream::default();
    stream.kind = StreamKind::Audio;
    stream.codec = codec(media_type.format, &file).to_owned();
    stream.channels = properties.channels().map(u16::from);
    stream.sample_rate = properties.sample_rate();
    stream.bit_rate = properties.audio_bitrate().map(|kbps| u64::from(kbps) * 1000).filter(|rate| *rate > 0);
    facts.streams = vec![stream];
    for tag in by_rank(&file) {
        merge(tag, &mut facts.tags);
    }
    facts.has_cover = cover_bytes(&file).is_some_and(|bytes| is_picture(bytes, limits));
    Ok(facts)
}

/// The cover of a song.
///
/// # Errors
/// `unsupported_codec` when there is none that can be decoded; `corrupt`, `truncated`, `limit_exceeded`;
/// `source_unreadable`.
pub(crate) fn cover(source: &dyn ByteSource, facts: &Facts, limits: &Limits) -> Result<Picture> {
    let file = open(source, &facts.format, limits)?;
    let bytes = cover_bytes(&file).ok_or_else(|| unsupported("there is no cover"))?;
    decode(bytes, limits)
}

#[cfg(feature = "image")]
fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture> {
    let media_type = crate::sniff(&bytes[..bytes.len().min(4096)])
        .filter(|media_type| media_type.kind == medianest_core::MediaKind::Image)
        .ok_or_else(|| unsupported("the cover is no picture"))?;
    let bytes = bytes::Bytes::copy_from_slice(bytes);
    let facts = crate::image::understand(&bytes, &media_type, limits)?;
    crate::image::decode(&bytes, &facts, limits, crate::image::TargetSize::FULL)
}

#[cfg(not(feature = "image"))]
fn decode(_bytes: &[u8], _limits: &Limits) -> Result<Picture> {
    Err(unsupported("this build cannot decode covers: turn on the feature image"))
}

/// Whether a cover is of a type that can be decoded, going by its header.
fn is_picture(bytes: &[u8], limits: &Limits) -> bool {
    let Some(media_type) = crate::sniff(&bytes[..bytes.len().min(4096)]) else { return false };
    #[cfg(feature = "image")]
    return crate::image::understand(&bytes::Bytes::copy_from_slice(bytes), &media_type, limits).is_ok();
    #[cfg(not(feature = "image"))]
    {
        let _ = limits;
        media_type.kind == medianest_core::MediaKind::Image
    }
}

fn open(source: &dyn ByteSource, format: &str, limits: &Limits) -> Result<TaggedFile> {
    let file_type = match format {
        "mp3" => FileType::Mpeg,
        "flac" => FileType::Flac,
        "opus" => FileType::Opus,
        "ogg" => FileType::Vorbis,
        "m4a" | "mp4" | "mov" | "m4v" => FileType::Mp4,
        "wav" => FileType::Wav,
        "aiff" => FileType::Aiff,
        _ => return Err(unsupported(format!("tags of the format {format} cannot be read"))),
    };
    let limit = usize::try_from(limits.max_metadata_bytes).unwrap_or(usize::MAX);
    let mut options = ParseOptions::new();
    let options = options.max_junk_bytes(limit.min(64 << 10));
    Probe::with_file_type(SourceReader::buffered(source), file_type).options(options).read().map_err(error)
}

fn error(cause: lofty::error::FileParseError) -> Error {
    if is_unreadable(&cause) { unreadable(cause) } else { corrupt("the song is damaged").caused_by(cause) }
}

/// FFmpeg's name of the codec, as far as the container decides it.
fn codec(format: &str, file: &TaggedFile) -> &'static str {
    match format {
        "mp3" => "mp3",
        "flac" => "flac",
        "opus" => "opus",
        "ogg" => "vorbis",
        "wav" | "aiff" => match (format, file.properties().bit_depth()) {
            ("wav", Some(8)) => "pcm_u8",
            ("wav", Some(24)) => "pcm_s24le",
            ("wav", Some(32)) => "pcm_s32le",
            ("wav", _) => "pcm_s16le",
            (_, Some(8)) => "pcm_s8",
            (_, Some(24)) => "pcm_s24be",
            (_, Some(32)) => "pcm_s32be",
            _ => "pcm_s16be",
        },
        _ => "aac",
    }
}

/// The file's own kind of tag first: it beats what else was left in the file.
fn by_rank(file: &TaggedFile) -> impl Iterator<Item = &Tag> {
    let primary = file.primary_tag();
    let others =
        file.tags().iter().filter(move |tag| primary.is_none_or(|first| first.tag_type() != tag.tag_type()));
    primary.into_iter().chain(others)
}

fn merge(tag: &Tag, tags: &mut Tags) {
    let text = |key| tag.get_string(key).and_then(|text| decoded(text.as_bytes()));
    let number = |key| text(key)?.split('/').next()?.trim().parse::<u32>().ok().filter(|number| *number > 0);
    let fill = |slot: &mut Option<String>, keys: &[ItemKey]| {
        if slot.is_none() {
            *slot = keys.iter().find_map(|key| text(*key));
        }
    };
    fill(&mut tags.title, &[ItemKey::TrackTitle]);
    fill(&mut tags.artist, &[ItemKey::TrackArtist]);
    fill(&mut tags.album, &[ItemKey::AlbumTitle]);
    fill(&mut tags.album_artist, &[ItemKey::AlbumArtist]);
    fill(&mut tags.genre, &[ItemKey::Genre]);
    fill(&mut tags.date, &[ItemKey::RecordingDate, ItemKey::ReleaseDate, ItemKey::Year]);
    fill(&mut tags.description, &[ItemKey::Description, ItemKey::Comment]);
    tags.track = tags.track.or_else(|| number(ItemKey::TrackNumber));
    tags.disc = tags.disc.or_else(|| number(ItemKey::DiscNumber));
    for (name, key) in [
        ("composer", ItemKey::Composer),
        ("copyright", ItemKey::CopyrightMessage),
        ("publisher", ItemKey::Publisher),
        ("isrc", ItemKey::Isrc),
    ] {
        if let (false, Some(text)) = (tags.other.contains_key(name), text(key)) {
            tags.other.insert(name.to_owned(), text);
        }
    }
    if tags.title.as_deref().and_then(cleaned).is_none() {
        tags.title = None;
    }
}

/// The front cover, or else the first picture.
fn cover_bytes(file: &TaggedFile) -> Option<&[u8]> {
    let front = by_rank(file).find_map(|tag| tag.get_picture_type(PictureType::CoverFront));
    let any = || by_rank(file).find_map(|tag| tag.pictures().first());
    front.or_else(any).map(lofty::picture::Picture::data)
}
