//! What the first bytes show. Our own small table, so that what we accept is decided here and not by
//! a library's next release.

mod audio;
mod bmff;
mod text;
mod tiff;

#[cfg(test)]
mod tests;

use medianest_core::{MediaKind, MediaType};

pub(crate) use text::looks_dangerous;

/// What the first bytes show (4096 are enough); None when it is no type of media that we know.
///
/// ```
/// let media_type = medianest_media::sniff(b"\xff\xd8\xff\xe0\x00\x10JFIF\0").unwrap();
/// assert_eq!(media_type.content_type, "image/jpeg");
/// assert!(medianest_media::sniff(b"<html>").is_none());
/// ```
pub fn sniff(head: &[u8]) -> Option<MediaType> {
    if looks_dangerous(head) && !text::is_svg(head) {
        return None;
    }
    picture(head)
        .or_else(|| tiff::sniff(head))
        .or_else(|| bmff::sniff(head))
        .or_else(|| container(head))
        .or_else(|| audio::sniff(head))
        .or_else(|| text::is_svg(head).then_some(image("image/svg+xml", "svg")))
}

const fn image(content_type: &'static str, format: &'static str) -> MediaType {
    MediaType { kind: MediaKind::Image, content_type, format }
}

const fn video(content_type: &'static str, format: &'static str) -> MediaType {
    MediaType { kind: MediaKind::Video, content_type, format }
}

const fn sound(content_type: &'static str, format: &'static str) -> MediaType {
    MediaType { kind: MediaKind::Audio, content_type, format }
}

fn picture(head: &[u8]) -> Option<MediaType> {
    match head {
        [0xff, 0xd8, 0xff, ..] => Some(image("image/jpeg", "jpeg")),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(image("image/png", "png")),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(image("image/gif", "gif")),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(image("image/webp", "webp")),
        [0xff, 0x0a, ..] => Some(image("image/jxl", "jxl")),
        _ if head.starts_with(b"\0\0\0\x0cJXL \r\n\x87\n") => Some(image("image/jxl", "jxl")),
        // Two letters are no proof: the size of the information header is one of a few.
        [b'B', b'M', rest @ ..]
            if matches!(rest.get(12..16), Some([12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])) =>
        {
            Some(image("image/bmp", "bmp"))
        }
        _ => None,
    }
}

fn container(head: &[u8]) -> Option<MediaType> {
    match head {
        [0x1a, 0x45, 0xdf, 0xa3, rest @ ..] => matroska(rest),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => {
            Some(video("video/x-msvideo", "avi"))
        }
        // A pack header of MPEG-2 or MPEG-1 (ISO/IEC 13818-1, 2.5.3.3; 11172-1, 2.4.3.2).
        [0, 0, 1, 0xba, marker, ..] if marker & 0xc0 == 0x40 || marker & 0xf0 == 0x20 => {
            Some(video("video/mpeg", "mpegps"))
        }
        _ if is_transport_stream(head, 0, 188) || is_transport_stream(head, 4, 192) => {
            Some(video("video/mp2t", "mpegts"))
        }
        _ => None,
    }
}

/// Whether packets of a transport stream begin at `first` and every `stride` bytes from there.
fn is_transport_stream(head: &[u8], first: usize, stride: usize) -> bool {
    let mut packets = head.iter().skip(first).step_by(stride).take(8);
    packets.len() >= 4 && packets.all(|byte| *byte == 0x47)
}

/// The document type in an EBML header ([RFC 8794](https://www.rfc-editor.org/rfc/rfc8794), 11.2.6).
fn matroska(header: &[u8]) -> Option<MediaType> {
    let at = header.windows(2).take(256).position(|id| id == [0x42, 0x82])?;
    let name = header.get(at + 3..)?;
    if name.starts_with(b"webm") {
        Some(video("video/webm", "webm"))
    } else {
        name.starts_with(b"matroska").then_some(video("video/x-matroska", "matroska"))
    }
}
