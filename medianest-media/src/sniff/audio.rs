//! Sound.

use super::{sound, video};
use medianest_core::MediaType;

pub(super) fn sniff(head: &[u8]) -> Option<MediaType> {
    match head {
        [b'f', b'L', b'a', b'C', ..] => Some(sound("audio/flac", "flac")),
        [b'O', b'g', b'g', b'S', 0, ..] => Some(ogg(head)),
        [b'R', b'I' | b'F', b'F' | b'6', b'F' | b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..] => {
            Some(sound("audio/wav", "wav"))
        }
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C', ..] => {
            Some(sound("audio/aiff", "aiff"))
        }
        [b'I', b'D', b'3', 2..=4, ..] => Some(tagged(head)),
        _ => is_mpeg_audio(head).then_some(MP3),
    }
}

const MP3: MediaType = sound("audio/mpeg", "mp3");

/// What the first packet of an Ogg stream carries (RFC 3533, 6: it begins after 27 bytes and the
/// segment table).
fn ogg(head: &[u8]) -> MediaType {
    let segments = head.get(26).map_or(0, |count| usize::from(*count));
    let packet = head.get(27 + segments..).unwrap_or_default();
    if packet.starts_with(b"\x80theora") {
        video("video/ogg", "ogg")
    } else if packet.starts_with(b"OpusHead") {
        sound("audio/ogg", "opus")
    } else {
        sound("audio/ogg", "ogg")
    }
}

/// What follows an ID3v2 tag: MP3 unless it can be seen to be something else.
fn tagged(head: &[u8]) -> MediaType {
    let size = head
        .get(6..10)
        .map_or(0, |bytes| bytes.iter().fold(0usize, |size, byte| size << 7 | usize::from(byte & 0x7f)));
    match head.get(10 + size..) {
        Some([b'f', b'L', b'a', b'C', ..]) => sound("audio/flac", "flac"),
        _ => MP3,
    }
}

/// Whether frames of MPEG audio follow one another: one sync word alone is found in any file.
fn is_mpeg_audio(head: &[u8]) -> bool {
    let mut offset = 0;
    let mut frames = 0;
    while let Some(header) = head.get(offset..).and_then(<[u8]>::first_chunk::<4>) {
        let Some(length) = frame_length(header) else { return false };
        frames += 1;
        offset += length;
    }
    frames >= 3 || (frames == 2 && offset > head.len())
}

/// The length of a frame of layer II or III in bytes (ISO/IEC 11172-3, 2.4.1.3; 13818-3 for the lower
/// sampling rates).
fn frame_length(header: &[u8; 4]) -> Option<usize> {
    const MPEG1_LAYER2: [usize; 15] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
    const MPEG1_LAYER3: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const MPEG2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let &[sync, version, rates, _] = header;
    if sync != 0xff || version & 0xe0 != 0xe0 {
        return None;
    }
    let (halving, mpeg1) = match version >> 3 & 3 {
        0 => (4, false),
        2 => (2, false),
        3 => (1, true),
        _ => return None,
    };
    let layer3 = match version >> 1 & 3 {
        1 => true,
        2 => false,
        _ => return None,
    };
    let table = match (mpeg1, layer3) {
        (true, true) => MPEG1_LAYER3,
        (true, false) => MPEG1_LAYER2,
        (false, _) => MPEG2,
    };
    let kbps = *table.get(usize::from(rates >> 4)).filter(|kbps| **kbps > 0)?;
    let hertz = [44_100, 48_000, 32_000].get(usize::from(rates >> 2 & 3))? / halving;
    let samples_per_8_bits = if layer3 && !mpeg1 { 72 } else { 144 };
    Some(samples_per_8_bits * kbps * 1000 / hertz + usize::from(rates >> 1 & 1))
}
