//! HEIF and AVIF ([ISO/IEC 23008-12](https://www.iso.org/standard/83650.html)): the properties of the
//! primary item, and the EXIF and XMP items that describe it.
//!
//! The turns that the file declares as properties (`irot`, `imir`) are the truth; the standard makes
//! EXIF's orientation informative, and most phones write both.

use super::Header;
use crate::source::{corrupt, read_up_to, truncated};
use medianest_core::{ByteSource, Limits, Result};

/// Pieces of one item; tiles are items of their own.
const MAX_EXTENTS: u64 = 1024;
/// Properties that an association of 15 bits can name.
const MAX_PROPERTIES: usize = 0x7fff;

pub(super) fn read(source: &dyn ByteSource, limits: &Limits) -> Result<Header> {
    let bytes = meta_box(source, limits)?;
    let meta = Meta::parse(&bytes).ok_or_else(|| corrupt("the HEIF has no picture"))?;
    let mut header = Header { frames: Some(1), orientation: Some(1), ..Header::default() };
    let mut turn = 1;
    for property in meta.properties_of(meta.primary) {
        match (property.kind, property.body) {
            (b"ispe", body) => {
                (header.width, header.height) = (be(body, 4, 4)? as u32, be(body, 8, 4)? as u32);
            }
            // The clean aperture as fractions: width, height, offsets.
            (b"clap", body) => {
                let side = |at, most: u32| -> Result<u32> {
                    let (over, under) = (be(body, at, 4)?, be(body, at + 4, 4)?.max(1));
                    Ok(u32::try_from(over.div_ceil(under)).unwrap_or(most).clamp(1, most.max(1)))
                };
                (header.width, header.height) = (side(0, header.width)?, side(8, header.height)?);
            }
            (b"irot", [angle, ..]) => turn = compose(turn, [1, 8, 3, 6][usize::from(angle & 3)]),
            (b"imir", [axis, ..]) => turn = compose(turn, if axis & 1 == 0 { 4 } else { 2 }),
            _ => header.icc = header.icc.take().or_else(|| property.profile()),
        }
    }
    header.orientation = Some(turn);
    if header.icc.is_none() {
        // A picture made of tiles may leave the profile to them.
        header.icc = meta.properties.iter().find_map(Property::profile);
    }
    if let Some(item) = meta.find_item(|item| &item.kind == b"Exif")
        && let Some(mut block) = meta.content(source, item.id, limits)?
    {
        // It begins with the distance from its end to the TIFF header.
        let skip = be(&block, 0, 4).ok().and_then(|distance| usize::try_from(distance + 4).ok());
        header.exif = skip.filter(|skip| *skip < block.len()).map(|skip| block.split_off(skip).into());
    }
    let is_xmp = |item: &Item<'_>| &item.kind == b"mime" && item.content_type == b"application/rdf+xml";
    if let Some(item) = meta.find_item(is_xmp) {
        header.xmp = meta.content(source, item.id, limits)?;
    }
    let ends_in_file =
        |extent: &Extent| extent.in_meta || extent.start.saturating_add(extent.length) <= source.len();
    if !meta.extents_of(meta.primary).iter().all(ends_in_file) {
        header.warnings.push("truncated");
    }
    Ok(header)
}

/// The first `meta` box of the file.
fn meta_box(source: &dyn ByteSource, limits: &Limits) -> Result<Vec<u8>> {
    let mut offset = 0;
    while offset < source.len() {
        let head = read_up_to(source, offset, 16)?;
        let (size, kind) = (be(&head, 0, 4)?, head.get(4..8).ok_or_else(truncated)?);
        let (skip, size) = match size {
            0 => (8, source.len() - offset),
            1 => (16, be(&head, 8, 8)?),
            size => (8, size),
        };
        if size < skip {
            return Err(corrupt("a box of the HEIF is damaged"));
        }
        if kind == b"meta" {
            if size > limits.max_metadata_bytes {
                return Err(Limits::exceeded("max_metadata_bytes", limits.max_metadata_bytes));
            }
            return read_up_to(source, offset + skip, size - skip);
        }
        offset = offset.saturating_add(size);
    }
    Err(corrupt("the HEIF has no picture"))
}

struct Item<'a> {
    id: u32,
    kind: [u8; 4],
    content_type: &'a [u8],
}

struct Property<'a> {
    kind: &'a [u8; 4],
    body: &'a [u8],
}

impl Property<'_> {
    fn profile(&self) -> Option<Vec<u8>> {
        let profile = self.body.strip_prefix(b"prof").or_else(|| self.body.strip_prefix(b"rICC"));
        profile.filter(|_| self.kind == b"colr").map(<[u8]>::to_vec)
    }
}

/// Where a piece of an item is: in the file, or in the `meta` box itself.
struct Extent {
    in_meta: bool,
    start: u64,
    length: u64,
}

/// The boxes within a `meta` box. Their tables are read each time they are asked: they may declare far
/// more rows than a file has bytes.
struct Meta<'a> {
    primary: u32,
    items: &'a [u8],
    locations: &'a [u8],
    properties: Vec<Property<'a>>,
    associations: Vec<&'a [u8]>,
    data: &'a [u8],
}

impl<'a> Meta<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut meta = Self {
            primary: 0,
            items: &[],
            locations: &[],
            properties: Vec::new(),
            associations: Vec::new(),
            data: &[],
        };
        // A full box: version and flags first.
        for (kind, body) in boxes(bytes.get(4..)?) {
            match kind {
                b"pitm" => {
                    meta.primary = be(body, 4, if body.first() == Some(&0) { 2 } else { 4 }).ok()? as u32;
                }
                b"iinf" => meta.items = body.get(if body.first() == Some(&0) { 6 } else { 8 }..)?,
                b"iloc" => meta.locations = body,
                b"iprp" => {
                    for (kind, body) in boxes(body) {
                        match kind {
                            b"ipco" => {
                                let properties = boxes(body).map(|(kind, body)| Property { kind, body });
                                meta.properties = properties.take(MAX_PROPERTIES).collect();
                            }
                            b"ipma" => meta.associations.push(body),
                            _ => {}
                        }
                    }
                }
                b"idat" => meta.data = body,
                _ => {}
            }
        }
        (meta.primary != 0).then_some(meta)
    }

    /// The first item that `wanted` likes.
    fn find_item(&self, wanted: impl Fn(&Item<'a>) -> bool) -> Option<Item<'a>> {
        boxes(self.items).filter_map(|(_, body)| item(body)).find(wanted)
    }

    fn properties_of(&self, item: u32) -> impl Iterator<Item = &Property<'a>> {
        let indexes = self.associations.iter().flat_map(move |body| associations(body, item));
        indexes.filter_map(|index| self.properties.get(index.checked_sub(1)?))
    }

    fn extents_of(&self, item: u32) -> Vec<Extent> {
        locations(self.locations, item).unwrap_or_default()
    }

    fn content(&self, source: &dyn ByteSource, item: u32, limits: &Limits) -> Result<Option<Vec<u8>>> {
        let mut content = Vec::new();
        for extent in self.extents_of(item) {
            if extent.length > limits.max_metadata_bytes.saturating_sub(content.len() as u64) {
                return Ok(None);
            }
            if extent.in_meta {
                let start = usize::try_from(extent.start).unwrap_or(usize::MAX);
                let rest = self.data.get(start..).unwrap_or_default();
                content.extend_from_slice(&rest[..rest.len().min(extent.length as usize)]);
            } else {
                content.extend(read_up_to(source, extent.start, extent.length)?);
            }
        }
        Ok(Some(content).filter(|content| !content.is_empty()))
    }
}

/// An `infe` box of version 2 or 3.
fn item(body: &[u8]) -> Option<Item<'_>> {
    let wide = *body.first()? >= 3;
    let id = be(body, 4, if wide { 4 } else { 2 }).ok()? as u32;
    let rest = body.get(if wide { 10 } else { 8 }..)?;
    let kind = *rest.first_chunk()?;
    let mut names = rest.get(4..)?.split(|byte| *byte == 0).skip(1);
    Some(Item { id, kind, content_type: names.next().unwrap_or_default() })
}

/// The extents of an item by an `iloc` box (ISO/IEC 14496-12, 8.11.3); None when the box is damaged
/// before they are found, or declares more of them than any writer makes.
fn locations(body: &[u8], wanted: u32) -> Option<Vec<Extent>> {
    let version = *body.first()?;
    let (sizes, base_size) = (*body.get(4)?, *body.get(5)?);
    let (offset_size, length_size) = (usize::from(sizes >> 4), usize::from(sizes & 15));
    let (base_size, index_size) =
        (usize::from(base_size >> 4), if version > 0 { usize::from(base_size & 15) } else { 0 });
    let id_size = if version < 2 { 2 } else { 4 };
    let mut at = 6;
    let mut next = |size: usize| {
        let value = be(body, at, size).ok();
        at += size;
        value
    };
    for _ in 0..next(id_size)? {
        let item = next(id_size)? as u32;
        let method = if version > 0 { next(2)? & 15 } else { 0 };
        let _reference = next(2)?;
        let base = next(base_size)?;
        let count = next(2)?;
        if item != wanted {
            next(usize::try_from(count).ok()? * (index_size + offset_size + length_size))?;
            continue;
        }
        if count > MAX_EXTENTS {
            return None;
        }
        let extents = (0..count).map(|_| {
            next(index_size)?;
            let start = base.checked_add(next(offset_size)?)?;
            Some(Extent { in_meta: method == 1, start, length: next(length_size)? })
        });
        return extents.collect();
    }
    None
}

/// The indexes, from 1, of the properties of an item by an `ipma` box (ISO/IEC 14496-12, 8.11.14), up to
/// where the box is damaged.
fn associations(body: &[u8], wanted: u32) -> impl Iterator<Item = usize> {
    let id_size = if body.first() == Some(&0) { 2 } else { 4 };
    let wide = body.get(3).is_some_and(|flags| flags & 1 == 1);
    let width = if wide { 2 } else { 1 };
    let mut at = 8;
    let mut left = be(body, 4, 4).unwrap_or(0);
    let items = std::iter::from_fn(move || {
        left = left.checked_sub(1)?;
        let item = be(body, at, id_size).ok()? as u32;
        let count = usize::from(*body.get(at + id_size)?);
        let indexes = body.get(at + id_size + 1..)?;
        let indexes = indexes.get(..count * width)?;
        at += id_size + 1 + indexes.len();
        Some((item, indexes))
    });
    // The top bit says that the property is essential.
    let index = move |bytes: &[u8]| match bytes {
        [high, low] => usize::from(high & 0x7f) << 8 | usize::from(*low),
        bytes => bytes.first().map_or(0, |byte| usize::from(byte & 0x7f)),
    };
    items
        .filter(move |(item, _)| *item == wanted)
        .flat_map(move |(_, indexes)| indexes.chunks_exact(width).map(index))
}

/// The boxes that lie one after another in `bytes`, up to the first that is damaged.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let kind = rest.get(4..)?.first_chunk()?;
        let size = usize::try_from(be(rest, 0, 4).ok()?).ok()?;
        let size = if size == 0 { rest.len() } else { size };
        let body = rest.get(8..size)?;
        rest = &rest[size..];
        Some((kind, body))
    })
}

/// A big-endian number of 0 to 8 bytes.
fn be(bytes: &[u8], at: usize, size: usize) -> Result<u64> {
    let digits = at.checked_add(size).and_then(|end| bytes.get(at..end)).ok_or_else(truncated)?;
    Ok(digits.iter().take(8).fold(0, |value, digit| value << 8 | u64::from(*digit)))
}

/// The EXIF orientation of `first`, then `second`.
fn compose(first: u8, second: u8) -> u8 {
    // Where the shown x and y axes point in the stored picture.
    const TURNS: [[i8; 4]; 8] = [
        [1, 0, 0, 1],
        [-1, 0, 0, 1],
        [-1, 0, 0, -1],
        [1, 0, 0, -1],
        [0, 1, 1, 0],
        [0, -1, 1, 0],
        [0, -1, -1, 0],
        [0, 1, -1, 0],
    ];
    let turn = |orientation: u8| TURNS[usize::from(orientation.clamp(1, 8) - 1)];
    let ([a, b, c, d], [e, f, g, h]) = (turn(second), turn(first));
    let product = [a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h];
    TURNS.iter().position(|turn| *turn == product).map_or(1, |index| index as u8 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(8 + body.len()).unwrap();
        [&size.to_be_bytes()[..], kind, body].concat()
    }

    fn read_meta(boxes: &[Vec<u8>]) -> Result<Header> {
        let file = boxed(b"meta", &[&[0; 4], &boxes.concat()[..]].concat());
        read(&bytes::Bytes::from(file), &Limits::default())
    }

    /// Item 1 is the primary one and the EXIF block, in the pieces (start, length) of the `idat` box.
    fn exif_of(data: &[u8], pieces: &[(u64, u64)]) -> Option<bytes::Bytes> {
        let item = boxed(b"infe", b"\x02\0\0\0\0\x01\0\0Exif\0");
        let count = u8::try_from(pieces.len()).unwrap();
        let row = [1, 0, 0, 0, 0x88, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, count];
        let pieces: Vec<u8> = pieces
            .iter()
            .flat_map(|(start, length)| [start.to_be_bytes(), length.to_be_bytes()].concat())
            .collect();
        let boxes = [
            boxed(b"pitm", b"\0\0\0\0\0\x01"),
            boxed(b"iinf", &[&b"\0\0\0\0\0\x01"[..], &item].concat()),
            boxed(b"iloc", &[&row[..], &pieces].concat()),
            boxed(b"idat", data),
        ];
        read_meta(&boxes).unwrap().exif
    }

    #[test]
    fn an_empty_box_is_no_picture() {
        assert_eq!(read_meta(&[boxed(b"pitm", b"")]).unwrap_err().code(), "corrupt");
    }

    #[test]
    fn extents_without_width_cost_nothing() {
        // For each of 40,000 items, six bytes that declare 65,535 extents.
        let rows: Vec<u8> =
            (1..=40_000_u16).flat_map(|item| [item.to_be_bytes(), [0, 0], [0xff, 0xff]].concat()).collect();
        let table = [&b"\0\0\0\0\0\0\x9c\x40"[..], &rows].concat();
        assert!(locations(&table, 40_001).is_none());
        assert!(locations(&table, 40_000).is_none(), "65,535 pieces of one item");
    }

    #[test]
    fn pieces_are_joined_and_lengths_that_overflow_passed_over() {
        let data = b"\0\0\0\x02__MM\0*rest";
        assert_eq!(exif_of(data, &[(0, 7), (7, 3)]).as_deref(), Some(&b"MM\0*"[..]));
        assert_eq!(exif_of(data, &[(0, 1), (0, u64::MAX)]), None);
        assert_eq!(exif_of(data, &[(u64::MAX, 1), (0, 4)]), None);
    }

    #[test]
    fn turns_compose() {
        assert_eq!(compose(1, 6), 6);
        assert_eq!(compose(6, 6), 3);
        assert_eq!(compose(6, 8), 1);
        assert_eq!(compose(3, 3), 1);
        // A quarter turn clockwise, then mirrored left to right.
        assert_eq!(compose(6, 2), 5);
        assert_eq!(compose(6, 4), 7);
        for orientation in 1..=8 {
            assert_eq!(compose(orientation, 1), orientation);
        }
    }
}
