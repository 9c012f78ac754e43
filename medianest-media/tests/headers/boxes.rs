//! HEIF files whose boxes are well formed and whose tables are not.

use proptest::prelude::*;

/// `ftyp` and a `meta` box with the boxes that a picture has, in any order.
pub(crate) fn meta() -> impl Strategy<Value = Vec<u8>> {
    let any_box = prop_oneof![
        (0..3_u8, number(2))
            .prop_map(|(version, id)| boxed(b"pitm", &[&[version, 0, 0, 0], &id[..]].concat())),
        Just(boxed(b"pitm", b"\0\0\0\0\0\x01")),
        Just(boxed(b"pitm", b"")),
        (0..3_u8, prop::collection::vec(item(), 0..3)).prop_map(|(version, items)| boxed(
            b"iinf",
            &[&[version, 0, 0, 0, 0, 1], &items.concat()[..]].concat()
        )),
        locations(),
        properties(),
        prop::collection::vec(any::<u8>(), 0..32).prop_map(|data| boxed(b"idat", &data)),
    ];
    prop::collection::vec(any_box, 1..8).prop_map(|boxes| {
        let meta = boxed(b"meta", &[&[0; 4], &boxes.concat()[..]].concat());
        [boxed(b"ftyp", b"heic\0\0\0\0mif1heic"), meta].concat()
    })
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(8 + body.len()).unwrap();
    [&size.to_be_bytes()[..], kind, body].concat()
}

/// A number of so many bytes: small, or the largest.
fn number(size: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => 0..3_u8, 1 => Just(255)].prop_map(move |last| {
        let mut digits = vec![if last == 255 { 255 } else { 0 }; size];
        digits.extend([last]);
        digits.split_off(1)
    })
}

fn item() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(vec![&b"Exif"[..], b"mime\0application/rdf+xml\0", b"hvc1"]);
    (1..4_u8, number(2), kind).prop_map(|(version, id, kind)| {
        boxed(b"infe", &[&[version, 0, 0, 0], &id[..], &[0, 0], kind, b"\0"].concat())
    })
}

/// An `iloc` box with fields of any width, and more rows than it declares or fewer.
fn locations() -> impl Strategy<Value = Vec<u8>> {
    let width = || prop::sample::select(vec![0_u8, 4, 8, 15]);
    let rows = prop_oneof![
        prop::collection::vec(number(2), 0..64).prop_map(|numbers| numbers.concat()),
        // Item, reference, count: as many extents as there can be, of no width.
        (0..4000_u16).prop_map(|rows| {
            (0..rows).flat_map(|row| [row.to_be_bytes(), [0; 2], [0xff; 2]].concat()).collect()
        }),
    ];
    (0..3_u8, width(), width(), width(), width(), any::<u16>(), rows).prop_map(
        |(version, offset, length, base, index, count, rows)| {
            let head = [version, 0, 0, 0, offset << 4 | length, base << 4 | index];
            boxed(b"iloc", &[&head[..], &count.to_be_bytes(), &rows].concat())
        },
    )
}

fn properties() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(vec![b"ispe", b"clap", b"irot", b"imir", b"colr"]);
    let property = (kind, prop::collection::vec(number(4), 0..10), any::<bool>()).prop_map(
        |(kind, numbers, profile)| {
            let prefix = if profile { &b"prof"[..] } else { b"" };
            boxed(kind, &[prefix, &numbers.concat()].concat())
        },
    );
    let associations = (0..2_u8, 0..2_u8, number(4), prop::collection::vec(any::<u8>(), 0..40));
    (prop::collection::vec(property, 0..6), associations).prop_map(
        |(properties, (version, wide, count, rows))| {
            let table = [&[version, 0, 0, wide][..], &count, &rows].concat();
            let (container, table) = (boxed(b"ipco", &properties.concat()), boxed(b"ipma", &table));
            boxed(b"iprp", &[container, table].concat())
        },
    )
}
