//! Directories of a TIFF structure ([TIFF 6.0](https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf),
//! section 2), as in TIFF files, camera raws and EXIF blocks. They are read by offset, so that what is
//! read of a file depends on what is asked for and not on its size.

use crate::source::read_up_to;
use medianest_core::{ByteSource, Result};
use std::collections::BTreeMap;

/// Entries of one directory that are looked at.
const MAX_ENTRIES: u64 = 1024;
/// Bytes of one value that are read; a longer one is passed over.
const MAX_VALUE: u64 = 64 << 10;
/// Directories of one file that are looked at.
const MAX_DIRECTORIES: usize = 32;

/// A tag of one of the directories that pictures have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tag {
    /// Of the first picture.
    Main(u16),
    /// How it was taken.
    Exif(u16),
    /// Where it was taken.
    Gps(u16),
}

pub(crate) const ORIENTATION: Tag = Tag::Main(0x0112);
pub(crate) const WIDTH: Tag = Tag::Main(0x0100);
pub(crate) const HEIGHT: Tag = Tag::Main(0x0101);
const SUBDIRECTORIES: Tag = Tag::Main(0x014a);
const EXIF_DIRECTORY: Tag = Tag::Main(0x8769);
const GPS_DIRECTORY: Tag = Tag::Main(0x8825);

/// EXIF as files hold it.
#[derive(Clone, Copy)]
pub(crate) enum Exif<'a> {
    /// One structure.
    Whole(&'a dyn ByteSource),
    /// Three: the picture, how and where it was taken.
    Split([&'a dyn ByteSource; 3]),
}

impl Exif<'_> {
    /// The values of the `wanted` tags.
    ///
    /// # Errors
    /// `source_unreadable`.
    pub(crate) fn read(self, wanted: &[Tag]) -> Result<Tiff> {
        match self {
            Self::Whole(source) => Tiff::read(source, wanted),
            Self::Split(parts) => Tiff::read_split(parts, wanted),
        }
    }
}

/// The values that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Tiff {
    big_endian: bool,
    values: BTreeMap<Tag, Value>,
}

#[derive(Debug)]
struct Value {
    kind: Kind,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Text or bytes, one to a value.
    Bytes,
    /// Unsigned whole numbers of so many bytes.
    Whole(usize),
    Rational,
    SignedRational,
}

impl Kind {
    /// By field type, with the size of one value.
    fn of(field_type: u32) -> Option<(Self, u64)> {
        Some(match field_type {
            1 | 2 | 7 => (Self::Bytes, 1),
            3 => (Self::Whole(2), 2),
            4 | 13 => (Self::Whole(4), 4),
            5 => (Self::Rational, 8),
            10 => (Self::SignedRational, 8),
            _ => return None,
        })
    }
}

impl Tiff {
    /// Reads the values of the `wanted` tags. What is damaged is left out; of two values of one tag, the
    /// first counts.
    ///
    /// # Errors
    /// `source_unreadable`.
    pub(crate) fn read(source: &dyn ByteSource, wanted: &[Tag]) -> Result<Self> {
        let Some((mut tiff, first)) = Self::header(source)? else { return Ok(Self::default()) };
        tiff.directory(source, first, &|tag| match Tag::Main(tag) {
            pointer @ (EXIF_DIRECTORY | GPS_DIRECTORY) => Some(pointer),
            tag => Some(tag).filter(|tag| wanted.contains(tag)),
        })?;
        for (pointer, of) in [(EXIF_DIRECTORY, Tag::Exif as fn(u16) -> Tag), (GPS_DIRECTORY, Tag::Gps)] {
            if let Some(start) = tiff.number(pointer) {
                tiff.directory(source, start, &|tag| Some(of(tag)).filter(|tag| wanted.contains(tag)))?;
            }
        }
        Ok(tiff)
    }

    fn directory(
        &mut self,
        source: &dyn ByteSource,
        start: u32,
        wanted: &dyn Fn(u16) -> Option<Tag>,
    ) -> Result<u32> {
        let start = u64::from(start);
        let entries = u64::from(self.whole(&read_up_to(source, start, 2)?));
        let table = read_up_to(source, start + 2, entries.min(MAX_ENTRIES) * 12)?;
        // Tag, field type, how many values, and these or their offset.
        for [tag0, tag1, type0, type1, rest @ ..] in table.as_chunks::<12>().0 {
            let (count, inline) = rest.split_at(4);
            let tag = wanted(self.whole(&[*tag0, *tag1]) as u16);
            let kind = Kind::of(self.whole(&[*type0, *type1]));
            let (Some(tag), Some((kind, width))) = (tag, kind) else { continue };
            let size = u64::from(self.whole(count)) * width;
            if size > MAX_VALUE || self.values.contains_key(&tag) {
                continue;
            }
            let bytes = match inline.get(..size as usize) {
                Some(bytes) => bytes.to_vec(),
                None => read_up_to(source, self.whole(inline).into(), size)?,
            };
            if bytes.len() as u64 == size {
                self.values.insert(tag, Value { kind, bytes });
            }
        }
        Ok(self.whole(&read_up_to(source, start + 2 + entries * 12, 4)?))
    }

    /// The header: the byte order, and where the first directory is; None when it is none.
    fn header(source: &dyn ByteSource) -> Result<Option<(Self, u32)>> {
        let head = read_up_to(source, 0, 8)?;
        let big_endian = match head.first_chunk() {
            Some(b"II*\0") => false,
            Some(b"MM\0*") => true,
            _ => return Ok(None),
        };
        let tiff = Self { big_endian, ..Self::default() };
        let first = tiff.whole(&head[4..]);
        Ok(Some((tiff, first)))
    }

    /// The `wanted` tags of each directory of pictures: those in the chain of the file, and their
    /// subdirectories; [`Tag::Main`] all of them.
    ///
    /// # Errors
    /// `source_unreadable`.
    pub(crate) fn directories(source: &dyn ByteSource, wanted: &[Tag]) -> Result<Vec<Self>> {
        let Some((empty, first)) = Self::header(source)? else { return Ok(Vec::new()) };
        let mut read: Vec<Self> = Vec::new();
        let (mut ahead, mut seen) = (vec![first], Vec::new());
        while let Some(start) = ahead.pop() {
            if start == 0 || seen.contains(&start) || seen.len() == MAX_DIRECTORIES {
                continue;
            }
            seen.push(start);
            let mut tiff = Self { big_endian: empty.big_endian, ..Self::default() };
            let next = tiff.directory(source, start, &|tag| {
                Some(Tag::Main(tag)).filter(|tag| *tag == SUBDIRECTORIES || wanted.contains(tag))
            })?;
            ahead.push(next);
            ahead.extend(tiff.numbers(SUBDIRECTORIES));
            read.push(tiff);
        }
        Ok(read)
    }

    /// A structure whose directories for how and where are structures of their own, as Canon has it.
    ///
    /// # Errors
    /// `source_unreadable`.
    fn read_split(parts: [&dyn ByteSource; 3], wanted: &[Tag]) -> Result<Self> {
        let mut whole = Self::default();
        for (part, of) in parts.into_iter().zip([Tag::Main as fn(u16) -> Tag, Tag::Exif, Tag::Gps]) {
            if let Some((mut tiff, first)) = Self::header(part)? {
                tiff.directory(part, first, &|tag| Some(of(tag)).filter(|tag| wanted.contains(tag)))?;
                whole.big_endian = tiff.big_endian;
                whole.values.extend(tiff.values);
            }
        }
        Ok(whole)
    }

    /// All of the whole numbers.
    pub(crate) fn numbers(&self, tag: Tag) -> Vec<u32> {
        let Some(Value { kind: Kind::Whole(width), bytes }) = self.values.get(&tag) else {
            return Vec::new();
        };
        bytes.chunks_exact(*width).map(|digits| self.whole(digits)).collect()
    }

    /// Text or bytes.
    pub(crate) fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        self.values.get(&tag).filter(|value| value.kind == Kind::Bytes).map(|value| value.bytes.as_slice())
    }

    /// The first of the whole numbers, which may be bytes.
    pub(crate) fn number(&self, tag: Tag) -> Option<u32> {
        let value = self.values.get(&tag)?;
        let width = match value.kind {
            Kind::Bytes => 1,
            Kind::Whole(width) => width,
            Kind::Rational | Kind::SignedRational => return None,
        };
        value.bytes.get(..width).map(|digits| self.whole(digits))
    }

    /// The fractions; a denominator of zero gives what is not finite.
    pub(crate) fn fractions(&self, tag: Tag) -> Option<Vec<f64>> {
        let value = self.values.get(&tag)?;
        let part = |digits: &[u8]| match value.kind {
            Kind::SignedRational => f64::from(self.whole(digits).cast_signed()),
            _ => f64::from(self.whole(digits)),
        };
        matches!(value.kind, Kind::Rational | Kind::SignedRational).then(|| {
            let pairs = value.bytes.as_chunks::<8>().0.iter();
            pairs.map(|pair| part(&pair[..4]) / part(&pair[4..])).collect()
        })
    }

    /// A number of up to four bytes.
    fn whole(&self, digits: &[u8]) -> u32 {
        let append = |number: u32, digit: &u8| number << 8 | u32::from(*digit);
        if self.big_endian { digits.iter().fold(0, append) } else { digits.iter().rev().fold(0, append) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    const MAKE: Tag = Tag::Main(0x010f);
    const DIGITIZED: Tag = Tag::Exif(0x9004);
    const ALTITUDE: Tag = Tag::Gps(6);

    fn entry(tag: u16, field_type: u16, count: u32, value: u32) -> Vec<u8> {
        [&tag.to_le_bytes()[..], &field_type.to_le_bytes(), &count.to_le_bytes(), &value.to_le_bytes()]
            .concat()
    }

    fn directory(entries: &[Vec<u8>]) -> Vec<u8> {
        [&u16::try_from(entries.len()).unwrap().to_le_bytes()[..], &entries.concat(), &[0; 4]].concat()
    }

    /// A file of nearly four gigabytes, of which the last bytes are directories.
    struct Large {
        tail: Vec<u8>,
        read: AtomicU64,
    }

    const TAIL: u32 = 0xff00_0000;

    impl ByteSource for Large {
        fn len(&self) -> u64 {
            u64::from(TAIL) + self.tail.len() as u64
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
            match offset.checked_sub(TAIL.into()) {
                Some(offset) => self.tail.read_at(offset, buffer),
                None => [&b"II*\0"[..], &TAIL.to_le_bytes()].concat().read_at(offset, buffer),
            }
        }
    }

    #[test]
    fn a_large_file_is_read_by_offset() {
        let main = directory(&[
            entry(0x0100, 4, 1, 640),
            entry(0x0111, 4, 1 << 28, 8),
            entry(0x010f, 2, 6, TAIL + 128),
            entry(0x0112, 3, 1, 6),
            entry(0x8769, 4, 1, TAIL + 200),
            entry(0x8825, 13, 1, TAIL + 256),
        ]);
        let mut tail = main;
        tail.resize(128, 0);
        tail.extend(b"Nikon\0");
        tail.resize(200, 0);
        tail.extend(directory(&[entry(0x9004, 2, 4, u32::from_le_bytes(*b"2019"))]));
        tail.resize(256, 0);
        tail.extend(directory(&[entry(6, 10, 1, TAIL + 300), entry(6, 10, 1, 0)]));
        tail.resize(300, 0);
        tail.extend([(-7_i32).to_le_bytes(), 2_i32.to_le_bytes()].concat());
        let source = Large { tail, read: AtomicU64::new(0) };

        let tiff = Tiff::read(&source, &[MAKE, ORIENTATION, DIGITIZED, ALTITUDE]).unwrap();
        assert_eq!(tiff.bytes(MAKE), Some(&b"Nikon\0"[..]));
        assert_eq!(tiff.number(ORIENTATION), Some(6));
        assert_eq!(tiff.bytes(DIGITIZED), Some(&b"2019"[..]));
        assert_eq!(tiff.fractions(ALTITUDE), Some(vec![-3.5]));
        let read = source.read.into_inner();
        assert!(read < 1024, "{read} bytes were read");
    }

    #[test]
    fn a_value_that_is_too_long_or_not_there_is_left_out() {
        let mut file = b"II*\0\x08\0\0\0".to_vec();
        file.extend(directory(&[entry(0x010f, 2, 6, 7000), entry(0x0112, 3, u32::MAX, 0)]));
        let tiff = Tiff::read(&bytes::Bytes::from(file), &[MAKE, ORIENTATION]).unwrap();
        assert_eq!((tiff.bytes(MAKE), tiff.number(ORIENTATION)), (None, None));
    }

    /// Each is read once, however they point at each other, and not without end.
    #[test]
    fn directories_that_lead_nowhere_end() {
        let mut file = b"II*\0\x08\0\0\0".to_vec();
        let mut first = directory(&[entry(0x0100, 4, 1, 1), entry(0x014a, 4, 1, 100)]);
        let next = first.len() - 4;
        first[next..].copy_from_slice(&8_u32.to_le_bytes());
        file.extend(first);
        file.resize(100, 0);
        file.extend(directory(&[entry(0x0100, 4, 1, 2), entry(0x014a, 4, 1, 8)]));
        let widths = |file: Vec<u8>| -> Vec<Option<u32>> {
            let directories = Tiff::directories(&bytes::Bytes::from(file), &[WIDTH]).unwrap();
            directories.iter().map(|directory| directory.number(WIDTH)).collect()
        };
        assert_eq!(widths(file), [Some(1), Some(2)]);

        let mut chain = b"II*\0\x08\0\0\0".to_vec();
        for _ in 0..100 {
            let mut one = directory(&[entry(0x0100, 4, 1, 1)]);
            let (at, next) = (one.len() - 4, (chain.len() + one.len()) as u32);
            one[at..].copy_from_slice(&next.to_le_bytes());
            chain.extend(one);
        }
        assert_eq!(widths(chain).len(), MAX_DIRECTORIES);
    }
}
