//! GIF blocks ([GIF89a](https://www.w3.org/Graphics/GIF/spec-gif89a.txt)): the size of the screen, and
//! how many frames there are for how long.

use super::Header;
use crate::source::{SourceReader, corrupt, io_error};
use medianest_core::{ByteSource, ErrorKind, Limits, Result};
use std::io::{BufRead, Read};

pub(super) fn read(source: &dyn ByteSource, limits: &Limits) -> Result<Header> {
    let mut header = Header::default();
    let mut reader = SourceReader::buffered(source);
    let mut screen = [0; 13];
    reader.read_exact(&mut screen).map_err(io_error)?;
    header.width = u32::from(u16::from_le_bytes([screen[6], screen[7]]));
    header.height = u32::from(u16::from_le_bytes([screen[8], screen[9]]));
    let mut animation = Animation::default();
    match animation.walk(&mut reader, screen[10], limits) {
        Ok(()) => {}
        Err(error) if error.kind() != ErrorKind::Media => return Err(error),
        Err(error) if error.code() == "limit_exceeded" => return Err(error),
        Err(_) => header.warnings.push("truncated"),
    }
    if animation.cut {
        header.warnings.push("frames_left_out");
    }
    header.frames = Some(animation.frames.max(1));
    header.duration_ms = (animation.frames > 1).then_some(animation.centiseconds * 10);
    Ok(header)
}

#[derive(Default)]
struct Animation {
    frames: u32,
    centiseconds: u64,
    /// Whether there are more frames than are looked at.
    cut: bool,
}

impl Animation {
    fn walk(&mut self, reader: &mut impl BufRead, flags: u8, limits: &Limits) -> Result<()> {
        skip(reader, color_table(flags))?;
        loop {
            match byte(reader)? {
                0x3b => return Ok(()),
                0x21 if byte(reader)? == 0xf9 => {
                    // Block size, flags, delay, transparent colour, end.
                    let mut control = [0; 6];
                    reader.read_exact(&mut control).map_err(io_error)?;
                    self.centiseconds += u64::from(u16::from_le_bytes([control[2], control[3]]));
                }
                0x21 => sub_blocks(reader)?,
                0x2c => {
                    if self.frames == limits.max_frames {
                        self.cut = true;
                        return Ok(());
                    }
                    let mut place = [0; 9];
                    reader.read_exact(&mut place).map_err(io_error)?;
                    let side = |at: usize| u32::from(u16::from_le_bytes([place[at], place[at + 1]]));
                    // A frame may be larger than the screen, and is decoded as a whole.
                    limits.check_frame(side(4), side(6))?;
                    skip(reader, color_table(place[8]) + 1)?;
                    sub_blocks(reader)?;
                    self.frames += 1;
                }
                _ => return Err(corrupt("a block of the GIF is damaged")),
            }
        }
    }
}

fn color_table(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

fn sub_blocks(reader: &mut impl BufRead) -> Result<()> {
    loop {
        match byte(reader)? {
            0 => return Ok(()),
            length => skip(reader, u64::from(length))?,
        }
    }
}

fn byte(reader: &mut impl BufRead) -> Result<u8> {
    let mut byte = [0];
    reader.read_exact(&mut byte).map_err(io_error)?;
    Ok(byte[0])
}

fn skip(reader: &mut impl BufRead, count: u64) -> Result<()> {
    let skipped = std::io::copy(&mut reader.take(count), &mut std::io::sink()).map_err(io_error)?;
    if skipped == count { Ok(()) } else { Err(crate::source::truncated()) }
}
