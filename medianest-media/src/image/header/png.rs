//! PNG and APNG chunks ([W3C PNG, third edition](https://www.w3.org/TR/png-3/)), also those after the
//! picture. Compressed text and profiles are left to the decoder, which has limits for them.

use super::Header;
use crate::source::{corrupt, read_up_to, truncated};
use medianest_core::{ByteSource, Limits, Result};

/// Texts that are kept; the file may hold one in each dozen bytes.
const MAX_TEXTS: usize = 256;

pub(super) fn read(source: &dyn ByteSource, limits: &Limits) -> Result<Header> {
    let mut header = Header { frames: Some(1), ..Header::default() };
    let mut budget = limits.max_metadata_bytes;
    let mut offset = 8;
    let mut frames = 0;
    let mut microseconds = 0;
    loop {
        let head = read_up_to(source, offset, 8)?;
        let Some((length, kind)) = head.split_first_chunk::<4>().filter(|(_, kind)| kind.len() == 4) else {
            header.warnings.push("truncated");
            break;
        };
        let length = u64::from(u32::from_be_bytes(*length));
        let complete = offset.saturating_add(12).saturating_add(length) <= source.len();
        let mut body = |most: u64| -> Result<Vec<u8>> {
            let wanted = length.min(most);
            budget = budget
                .checked_sub(wanted)
                .ok_or_else(|| Limits::exceeded("max_metadata_bytes", limits.max_metadata_bytes))?;
            read_up_to(source, offset + 8, wanted)
        };
        match kind {
            b"IHDR" => {
                let body = body(8)?;
                let (width, height) = body.split_first_chunk::<4>().ok_or_else(truncated)?;
                header.width = u32::from_be_bytes(*width);
                header.height = u32::from_be_bytes(*height.first_chunk().ok_or_else(truncated)?);
            }
            b"acTL" => {
                let body = body(4)?;
                frames = body.first_chunk().map_or(0, |count| u32::from_be_bytes(*count));
            }
            // Numerator and denominator of the delay of a frame, in seconds.
            b"fcTL" if header.warnings.is_empty() => {
                let body = body(24)?;
                let part = |at: usize| {
                    body.get(at..at + 2).map_or(0, |pair| u64::from(pair[0]) << 8 | u64::from(pair[1]))
                };
                let per_second = if part(22) == 0 { 100 } else { part(22) };
                microseconds += 1_000_000 * part(20) / per_second;
            }
            b"eXIf" => header.exif = Some(body(length)?.into()),
            b"tEXt" => text(&body(length)?, &mut header),
            b"iTXt" => international_text(body(length)?, &mut header),
            b"IEND" => break,
            _ => {}
        }
        if header.width == 0 {
            return Err(corrupt("the PNG does not begin with its header"));
        }
        if !complete {
            header.warnings.push("truncated");
            break;
        }
        offset += 12 + length;
    }
    if frames > 0 {
        header.frames = Some(frames.min(limits.max_frames));
        header.duration_ms = Some(microseconds / 1000);
    }
    Ok(header)
}

fn text(body: &[u8], header: &mut Header) {
    if header.texts.len() == MAX_TEXTS {
        return;
    }
    let Some(end) = body.iter().position(|byte| *byte == 0) else { return };
    let latin = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
    header.texts.push((latin(&body[..end]).to_lowercase(), latin(&body[end + 1..])));
}

/// Keyword, whether it is compressed, the method, language, translated keyword, text.
fn international_text(body: Vec<u8>, header: &mut Header) {
    let Some(end) = body.iter().position(|byte| *byte == 0) else { return };
    let Some((&[0, _], rest)) = body[end + 1..].split_first_chunk::<2>() else { return };
    let mut fields = rest.splitn(3, |byte| *byte == 0).skip(2);
    let Some(text) = fields.next() else { return };
    if &body[..end] == b"XML:com.adobe.xmp" {
        header.xmp = Some(text.to_vec());
    } else if let (Ok(keyword), Ok(text), true) =
        (std::str::from_utf8(&body[..end]), std::str::from_utf8(text), header.texts.len() < MAX_TEXTS)
    {
        header.texts.push((keyword.to_lowercase(), text.to_owned()));
    }
}
