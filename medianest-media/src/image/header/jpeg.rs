//! JPEG markers ([ITU T.81](https://www.w3.org/Graphics/JPEG/itu-t81.pdf), annex B) up to the first
//! scan, with what applications put between them.

use super::Header;
use crate::source::{SourceReader, corrupt, io_error, is_fatal, read_up_to, truncated};
use medianest_core::{ByteSource, Limits, Result};
use std::io::{BufRead, Read, Seek};

const EXIF: &[u8] = b"Exif\0\0";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const ICC: &[u8] = b"ICC_PROFILE\0";
const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";

pub(super) fn read(source: &dyn ByteSource, limits: &Limits) -> Result<Header> {
    let mut header = Header { frames: Some(1), ..Header::default() };
    let mut profile = Vec::new();
    let mut budget = limits.max_metadata_bytes;
    let mut reader = SourceReader::buffered(source);
    reader.seek_relative(2).map_err(io_error)?;
    let scan = loop {
        match next_marker(&mut reader)? {
            0x01 | 0xd0..=0xd8 => {}
            0xd9 => return Err(corrupt("the JPEG has no picture")),
            0xda => break reader.stream_position().map_err(io_error)?,
            marker => {
                let mut length = [0; 2];
                reader.read_exact(&mut length).map_err(io_error)?;
                let length = u16::from_be_bytes(length).checked_sub(2);
                let length = length.ok_or_else(|| corrupt("a JPEG segment is damaged"))?;
                let wanted = matches!(marker, 0xc0..=0xcf | 0xe1 | 0xe2 | 0xed | 0xee);
                if !wanted || u64::from(length) > budget {
                    reader.seek_relative(i64::from(length)).map_err(io_error)?;
                    continue;
                }
                let mut segment = vec![0; usize::from(length)];
                reader.read_exact(&mut segment).map_err(io_error)?;
                budget -= u64::from(length);
                match marker {
                    0xc4 | 0xc8 | 0xcc => {}
                    0xc0..=0xcf => frame(marker, &segment, &mut header)?,
                    _ => application(segment, &mut header, &mut profile),
                }
            }
        }
    };
    if header.width == 0 || header.height == 0 {
        return Err(corrupt("the JPEG does not declare its size"));
    }
    header.icc = assemble(profile);
    match has_end(source, scan) {
        Ok(true) => {}
        Ok(false) => header.warnings.push("truncated"),
        Err(error) if is_fatal(&error) => return Err(error),
        Err(_) => header.warnings.push("truncated"),
    }
    Ok(header)
}

/// The next marker; bytes that belong to none are passed over, as every decoder does.
fn next_marker(reader: &mut impl BufRead) -> Result<u8> {
    let mut after_ff = false;
    loop {
        let mut byte = [0];
        reader.read_exact(&mut byte).map_err(io_error)?;
        match byte[0] {
            0xff => after_ff = true,
            0 => after_ff = false,
            marker if after_ff => return Ok(marker),
            _ => {}
        }
    }
}

fn frame(marker: u8, segment: &[u8], header: &mut Header) -> Result<()> {
    let &[_, height0, height1, width0, width1, ..] = segment else { return Err(truncated()) };
    header.height = u32::from(u16::from_be_bytes([height0, height1]));
    header.width = u32::from(u16::from_be_bytes([width0, width1]));
    header.progressive = matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce);
    header.lossless = matches!(marker, 0xc3 | 0xc7 | 0xcb | 0xcf);
    Ok(())
}

fn application(segment: Vec<u8>, header: &mut Header, profile: &mut Vec<(u8, Vec<u8>)>) {
    let after = |prefix: &[u8]| segment.strip_prefix(prefix).map(<[u8]>::to_vec);
    if let Some(exif) = after(EXIF) {
        header.exif.get_or_insert(exif.into());
    } else if let Some(xmp) = after(XMP) {
        header.xmp.get_or_insert(xmp);
    } else if let Some(resources) = after(PHOTOSHOP) {
        // A block that is larger than a segment goes on in the next one.
        header.iptc.get_or_insert_default().extend_from_slice(&resources);
    } else if segment.starts_with(b"Adobe") {
        header.inverted_ink = true;
    } else if let Some([number, _count, chunk @ ..]) = segment.strip_prefix(ICC) {
        profile.push((*number, chunk.to_vec()));
    }
}

/// Joins the chunks of a profile ([ICC.1:2022](https://www.color.org/icc_specs2.xalter), annex B.4).
fn assemble(mut chunks: Vec<(u8, Vec<u8>)>) -> Option<Vec<u8>> {
    chunks.sort_by_key(|(number, _)| *number);
    chunks.dedup_by_key(|(number, _)| *number);
    let complete = !chunks.is_empty()
        && chunks.iter().zip(1_usize..).all(|((number, _), place)| usize::from(*number) == place);
    complete.then(|| chunks.into_iter().flat_map(|(_, chunk)| chunk).collect())
}

/// Whether an end marker follows the scan. Looks at the tail first, where it nearly always is.
fn has_end(source: &dyn ByteSource, scan: u64) -> Result<bool> {
    let tail = source.len().saturating_sub(16 << 10).max(scan);
    if contains_end(&read_up_to(source, tail, 16 << 10)?) {
        return Ok(true);
    }
    let mut offset = scan;
    while offset < tail {
        let block = read_up_to(source, offset, (256 << 10) + 1)?;
        if contains_end(&block) {
            return Ok(true);
        }
        offset += 256 << 10;
    }
    Ok(false)
}

fn contains_end(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == [0xff, 0xd9])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_may_have_as_many_chunks_as_a_byte_can_number() {
        let chunks: Vec<_> = (1..=255).map(|number| (number, vec![number])).collect();
        let profile: Vec<u8> = (1..=255).collect();
        assert_eq!(assemble(chunks.iter().rev().cloned().collect()), Some(profile));
        assert_eq!(assemble(chunks[1..].to_vec()), None);
        assert_eq!(assemble(Vec::new()), None);
    }
}
