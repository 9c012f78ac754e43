//! HEIF and AVIF ([ISO/IEC 23008-12](https://www.iso.org/standard/83650.html)): the properties of the
//! primary item, and the EXIF and XMP items that describe it.
//!
//! The turns that the file declares as properties (`irot`, `imir`) are the truth; the standard makes
//! EXIF's orientation informative, and most phones write both.

use super::Header;
use crate::source::{corrupt, read_up_to, truncated};
use medianest_core::{ByteSource, Limits, Result};

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
    for item in &meta.items {
        let body = || meta.content(source, item.id, limits);
        match (&item.kind, item.content_type.as_slice()) {
            // The block begins with the distance from its end to the TIFF header.
            (b"Exif", _) if header.exif.is_none() => {
                header.exif = body()?.and_then(|bytes| {
                    let skip = usize::try_from(be(&bytes, 0, 4).ok()?).ok()?.checked_add(4)?;
                    bytes.get(skip..).map(<[u8]>::to_vec)
                });
            }
            (b"mime", b"application/rdf+xml") if header.xmp.is_none() => header.xmp = body()?,
            _ => {}
        }
    }
    if meta.extents_of(meta.primary).any(|(start, length)| start.saturating_add(length) > source.len()) {
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

struct Item {
    id: u32,
    kind: [u8; 4],
    content_type: Vec<u8>,
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

/// Where an item's bytes are: in the file, or in the `meta` box itself.
struct Extent {
    item: u32,
    in_meta: bool,
    start: u64,
    length: u64,
}

struct Meta<'a> {
    primary: u32,
    items: Vec<Item>,
    extents: Vec<Extent>,
    properties: Vec<Property<'a>>,
    /// Item and index of a property, from 1.
    associations: Vec<(u32, usize)>,
    data: &'a [u8],
}

impl<'a> Meta<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut meta = Self {
            primary: 0,
            items: Vec::new(),
            extents: Vec::new(),
            properties: Vec::new(),
            associations: Vec::new(),
            data: &[],
        };
        // A full box: version and flags first.
        for (kind, body) in boxes(bytes.get(4..)?) {
            match kind {
                b"pitm" => meta.primary = be(body, 4, if body[..1] == [0] { 2 } else { 4 }).ok()? as u32,
                b"iinf" => {
                    let entries = body.get(if body.first() == Some(&0) { 6 } else { 8 }..)?;
                    meta.items = boxes(entries).filter_map(|(_, body)| item(body)).collect();
                }
                b"iloc" => meta.extents = locations(body).unwrap_or_default(),
                b"iprp" => {
                    for (kind, body) in boxes(body) {
                        match kind {
                            b"ipco" => {
                                meta.properties =
                                    boxes(body).map(|(kind, body)| Property { kind, body }).collect();
                            }
                            b"ipma" => meta.associations.extend(associations(body).unwrap_or_default()),
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

    fn properties_of(&self, item: u32) -> impl Iterator<Item = &Property<'a>> {
        let of_item = self.associations.iter().filter(move |(of, _)| *of == item);
        of_item.filter_map(|(_, index)| self.properties.get(index.checked_sub(1)?))
    }

    /// Where in the file an item is.
    fn extents_of(&self, item: u32) -> impl Iterator<Item = (u64, u64)> {
        let of_item = self.extents.iter().filter(move |extent| extent.item == item && !extent.in_meta);
        of_item.map(|extent| (extent.start, extent.length))
    }

    fn content(&self, source: &dyn ByteSource, item: u32, limits: &Limits) -> Result<Option<Vec<u8>>> {
        let mut content = Vec::new();
        for extent in self.extents.iter().filter(|extent| extent.item == item) {
            if content.len() as u64 + extent.length > limits.max_metadata_bytes {
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
fn item(body: &[u8]) -> Option<Item> {
    let wide = *body.first()? >= 3;
    let id = be(body, 4, if wide { 4 } else { 2 }).ok()? as u32;
    let rest = body.get(if wide { 10 } else { 8 }..)?;
    let kind = *rest.first_chunk()?;
    let mut names = rest.get(4..)?.split(|byte| *byte == 0).skip(1);
    Some(Item { id, kind, content_type: names.next().unwrap_or_default().to_vec() })
}

/// An `iloc` box (ISO/IEC 14496-12, 8.11.3).
fn locations(body: &[u8]) -> Option<Vec<Extent>> {
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
    let mut extents = Vec::new();
    for _ in 0..next(id_size)? {
        let item = next(id_size)? as u32;
        let method = if version > 0 { next(2)? & 15 } else { 0 };
        let _reference = next(2)?;
        let base = next(base_size)?;
        for _ in 0..next(2)? {
            next(index_size)?;
            let start = base.checked_add(next(offset_size)?)?;
            extents.push(Extent { item, in_meta: method == 1, start, length: next(length_size)? });
        }
    }
    Some(extents)
}

/// An `ipma` box (ISO/IEC 14496-12, 8.11.14).
fn associations(body: &[u8]) -> Option<Vec<(u32, usize)>> {
    let (id_size, wide) = (if *body.first()? == 0 { 2 } else { 4 }, body.get(3)? & 1 == 1);
    let mut at = 8;
    let mut found = Vec::new();
    for _ in 0..be(body, 4, 4).ok()? {
        let item = be(body, at, id_size).ok()? as u32;
        let count = usize::from(*body.get(at + id_size)?);
        at += id_size + 1;
        for _ in 0..count {
            // The top bit says that the property is essential.
            let index = if wide { be(body, at, 2).ok()? & 0x7fff } else { be(body, at, 1).ok()? & 0x7f };
            found.push((item, index as usize));
            at += if wide { 2 } else { 1 };
        }
    }
    Some(found)
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
