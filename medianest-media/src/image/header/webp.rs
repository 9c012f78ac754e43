//! WebP chunks ([RFC 9649](https://www.rfc-editor.org/rfc/rfc9649)).

use super::Header;
use crate::source::{corrupt, read_up_to, truncated};
use medianest_core::{ByteSource, Limits, Result};

pub(super) fn read(source: &dyn ByteSource, limits: &Limits) -> Result<Header> {
    let mut header = Header { frames: Some(1), ..Header::default() };
    let mut budget = limits.max_metadata_bytes;
    let (mut frames, mut milliseconds, mut cut) = (0, 0, false);
    let mut offset = 12;
    while offset + 8 <= source.len() {
        let head = read_up_to(source, offset, 8 + 16)?;
        let (kind, rest) = head.split_first_chunk::<4>().ok_or_else(truncated)?;
        let (length, body) = rest.split_first_chunk::<4>().ok_or_else(truncated)?;
        let length = u64::from(u32::from_le_bytes(*length));
        if offset + 8 + length > source.len() {
            header.warnings.push("truncated");
        }
        let mut whole = || -> Result<Option<Vec<u8>>> {
            let Some(left) = budget.checked_sub(length) else { return Ok(None) };
            budget = left;
            read_up_to(source, offset + 8, length).map(Some)
        };
        match kind {
            b"VP8X" => {
                let side =
                    |at: usize| body.get(at..at + 3).map(|b| 1 + u32::from_le_bytes([b[0], b[1], b[2], 0]));
                (header.width, header.height) = side(4).zip(side(7)).ok_or_else(truncated)?;
            }
            b"VP8 " if header.width == 0 => {
                let side = |at: usize| {
                    body.get(at..at + 2).map(|b| u32::from(u16::from_le_bytes([b[0], b[1]])) & 0x3fff)
                };
                (header.width, header.height) = side(6).zip(side(8)).ok_or_else(truncated)?;
            }
            b"VP8L" if header.width == 0 => {
                let bits = body
                    .get(1..5)
                    .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                    .ok_or_else(truncated)?;
                (header.width, header.height) = ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1);
            }
            b"ANMF" if frames < limits.max_frames => {
                frames += 1;
                milliseconds +=
                    body.get(12..15).map_or(0, |b| u64::from(u32::from_le_bytes([b[0], b[1], b[2], 0])));
            }
            b"ANMF" => cut = true,
            b"ICCP" => header.icc = whole()?,
            // Some writers put the prefix of JPEG segments before it.
            b"EXIF" => {
                header.exif = whole()?
                    .map(|exif| exif.strip_prefix(b"Exif\0\0").map(<[u8]>::to_vec).unwrap_or(exif).into());
            }
            b"XMP " => header.xmp = whole()?,
            _ => {}
        }
        offset += 8 + length + length % 2;
    }
    if cut {
        header.warnings.push("frames_left_out");
    }
    if header.width == 0 {
        return Err(corrupt("the WebP does not declare its size"));
    }
    if frames > 0 {
        (header.frames, header.duration_ms) = (Some(frames), Some(milliseconds));
    }
    Ok(header)
}
