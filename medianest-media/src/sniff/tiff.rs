//! TIFF, and the camera formats that are made of it.

use super::image;
use medianest_core::MediaType;

const MAKE: u16 = 0x010f;
const SUB_IFDS: u16 = 0x014a;
const DNG_VERSION: u16 = 0xc612;

pub(super) fn sniff(head: &[u8]) -> Option<MediaType> {
    let little = match head.first_chunk::<4>()? {
        b"II*\0" | b"II+\0" => true,
        b"MM\0*" | b"MM\0+" => false,
        _ => return None,
    };
    if head.get(8..10) == Some(b"CR") {
        return Some(image("image/x-canon-cr2", "cr2"));
    }
    let entries = Directory { head, little }.entries();
    let has = |tag: u16| entries.iter().any(|entry| entry.0 == tag);
    let nikon = entries
        .iter()
        .find(|entry| entry.0 == MAKE)
        .is_some_and(|entry| head.get(entry.1 as usize..).is_some_and(|make| make.starts_with(b"NIKON")));
    Some(if has(DNG_VERSION) {
        image("image/x-adobe-dng", "dng")
    } else if nikon && has(SUB_IFDS) {
        image("image/x-nikon-nef", "nef")
    } else {
        image("image/tiff", "tiff")
    })
}

struct Directory<'a> {
    head: &'a [u8],
    little: bool,
}

impl Directory<'_> {
    /// Tags and values of the first directory, as far as it lies within the first bytes.
    fn entries(&self) -> Vec<(u16, u32)> {
        let Some(start) = self.u32(4).map(|offset| offset as usize) else { return Vec::new() };
        let count = self.u16(start).unwrap_or(0);
        let entry = |index: usize| {
            let at = start.checked_add(2 + index * 12)?;
            Some((self.u16(at)?, self.u32(at + 8)?))
        };
        (0..usize::from(count)).map_while(entry).collect()
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = *self.head.get(at..)?.first_chunk()?;
        Some(if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = *self.head.get(at..)?.first_chunk()?;
        Some(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }
}
