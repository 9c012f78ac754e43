//! Raw formats of cameras. What the sensor saw is not developed: what is shown is the largest picture that the camera
//! has put in beside it, a JPEG.
//!
//! DNG, CR2 and NEF are TIFF files ([DNG 1.7](https://helpx.adobe.com/camera-raw/digital-negative.html)); CR3 is an ISO base
//! media file with boxes of Canon's ([described](https://github.com/lclevy/canon_cr3) by others).

use super::{Header, jpeg};
use crate::{
    source::{Window, is_fatal, read_up_to},
    tiff::{HEIGHT, Tag, Tiff, WIDTH},
};
use bytes::Bytes;
use medianest_core::{ByteSource, Limits, Result};

const SUBFILE_TYPE: Tag = Tag::Main(0x00fe);
const STRIP_OFFSETS: Tag = Tag::Main(0x0111);
const STRIP_LENGTHS: Tag = Tag::Main(0x0117);
const JPEG_OFFSET: Tag = Tag::Main(0x0201);
const JPEG_LENGTH: Tag = Tag::Main(0x0202);

/// Pictures that are tried, from the largest on.
const MAX_TRIES: usize = 8;
/// Boxes of one level that are looked at.
const MAX_BOXES: usize = 1024;
const CANON_METADATA: &[u8] = b"\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48";
const CANON_PREVIEW: &[u8] = b"\xea\xf4\x2b\x5e\x1c\x98\x4b\x88\xb9\xfb\xb7\xdc\x40\x6e\x4d\x16";

/// A JPEG within the file.
#[derive(Debug)]
pub(in crate::image) struct Preview {
    pub(in crate::image) offset: u64,
    pub(in crate::image) length: u64,
    pub(in crate::image) header: Header,
}

/// DNG, CR2 and NEF.
pub(super) fn read_tiff(source: &dyn ByteSource, limits: &Limits) -> Result<Header> {
    let wanted = [SUBFILE_TYPE, WIDTH, HEIGHT, STRIP_OFFSETS, STRIP_LENGTHS, JPEG_OFFSET, JPEG_LENGTH];
    let directories = Tiff::directories(source, &wanted)?;
    let mut candidates = Vec::new();
    for directory in &directories {
        for (offset, length) in [(JPEG_OFFSET, JPEG_LENGTH), (STRIP_OFFSETS, STRIP_LENGTHS)] {
            if let ([offset], [length]) = (&directory.numbers(offset)[..], &directory.numbers(length)[..]) {
                candidates.push((u64::from(*offset), u64::from(*length)));
            }
        }
    }
    let size = |directory: &Tiff| directory.number(WIDTH).zip(directory.number(HEIGHT));
    // The picture itself is the one that no reduced one is made from; in CR2, that of the first directory.
    let full = directories.iter().filter(|directory| directory.number(SUBFILE_TYPE) == Some(0));
    let full = full.filter_map(size).max().or_else(|| directories.first().and_then(size));
    let header = Header { is_tiff: true, ..Header::default() };
    header.showing(source, candidates, full, limits)
}

/// CR3.
pub(super) fn read_cr3(source: &dyn ByteSource, limits: &Limits) -> Result<Header> {
    let mut header = Header::default();
    let mut candidates = Vec::new();
    let mut full = None;
    for_each_box(source, 0, source.len(), &mut |kind, start, end| {
        match kind {
            b"moov" => for_each_box(source, start, end, &mut |kind, start, end| {
                if kind == b"uuid" && read_up_to(source, start, 16)? == CANON_METADATA {
                    let mut parts = [const { Bytes::new() }; 3];
                    for_each_box(source, start + 16, end, &mut |kind, start, end| {
                        let place = [b"CMT1", b"CMT2", b"CMT4"].iter().position(|part| *part == kind);
                        if let Some(place) = place.filter(|_| end - start <= limits.max_metadata_bytes) {
                            parts[place] = read_up_to(source, start, end - start)?.into();
                        }
                        Ok(())
                    })?;
                    full = Tiff::directories(&parts[0], &[WIDTH, HEIGHT])?
                        .first()
                        .and_then(|main| main.number(WIDTH).zip(main.number(HEIGHT)));
                    header.exif_parts = Some(parts);
                }
                Ok(())
            })?,
            b"uuid" if read_up_to(source, start, 16)? == CANON_PREVIEW => {
                // A word without a meaning that is known comes before the boxes.
                for_each_box(source, start + 24, end, &mut |kind, start, _| {
                    if kind == b"PRVW"
                        && let Some(length) = read_up_to(source, start + 12, 4)?.first_chunk::<4>()
                    {
                        candidates.push((start + 16, u64::from(u32::from_be_bytes(*length))));
                    }
                    Ok(())
                })?;
            }
            _ => {}
        }
        Ok(())
    })?;
    header.showing(source, candidates, full, limits)
}

type Found<'a> = dyn FnMut(&[u8; 4], u64, u64) -> Result<()> + 'a;

/// Calls with the kind of each box between two offsets, and with where its content begins and ends.
fn for_each_box(source: &dyn ByteSource, mut offset: u64, end: u64, found: &mut Found<'_>) -> Result<()> {
    for _ in 0..MAX_BOXES {
        let head = read_up_to(source, offset, 16)?;
        let (Some(size), Some(kind)) = (head.first_chunk::<4>(), head.get(4..8)) else { break };
        let (skip, size) = match (u32::from_be_bytes(*size), head.get(8..).and_then(<[u8]>::first_chunk)) {
            (0, _) => (8, end.saturating_sub(offset)),
            (1, Some(long)) => (16, u64::from_be_bytes(*long)),
            (size, _) => (8, size.into()),
        };
        let Some(next) = offset.checked_add(size).filter(|next| size >= skip && *next <= end) else { break };
        if let Some(kind) = kind.first_chunk() {
            found(kind, offset + skip, next)?;
        }
        offset = next;
    }
    Ok(())
}

impl Header {
    /// With the largest of the candidates that is a picture; without any, it has no size and cannot be
    /// decoded.
    fn showing(
        mut self,
        source: &dyn ByteSource,
        mut candidates: Vec<(u64, u64)>,
        full: Option<(u32, u32)>,
        limits: &Limits,
    ) -> Result<Self> {
        candidates.sort_unstable_by_key(|(_, length)| std::cmp::Reverse(*length));
        for (offset, length) in candidates.into_iter().take(MAX_TRIES) {
            let window = Window::new(source, offset, length);
            if read_up_to(&window, 0, 3)? != [0xff, 0xd8, 0xff] {
                continue;
            }
            match jpeg::read(&window, limits) {
                // What the sensor saw is a lossless JPEG in some formats.
                Ok(header) if header.lossless => {}
                Ok(header) => {
                    limits.check_frame(header.width, header.height)?;
                    (self.width, self.height) = full.unwrap_or((header.width, header.height));
                    self.frames = Some(1);
                    self.preview = Some(Box::new(Preview { offset, length, header }));
                    break;
                }
                Err(error) if is_fatal(&error) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(self)
    }
}
