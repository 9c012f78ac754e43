//! IPTC-IIM records ([IIM 4.2](https://www.iptc.org/std/IIM/4.2/specification/IIMV4.2.pdf)), as
//! Photoshop embeds them.

use super::{date, decoded};
use medianest_core::Captured;

/// Datasets of the application record (2), in their order.
#[derive(Default)]
pub(super) struct Iptc(Vec<(u8, Vec<u8>)>);

impl Iptc {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let records = if bytes.first() == Some(&0x1c) { Some(bytes) } else { resource(bytes, 0x0404) };
        let mut rest = records.unwrap_or_default();
        let mut datasets = Vec::new();
        while let [0x1c, record, dataset, high, low, body @ ..] = rest {
            // Lengths over 32,767 are written otherwise; nothing we want is that long.
            let Some((value, next)) = body.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))
            else {
                break;
            };
            if *record == 2 && datasets.len() < 1024 {
                datasets.push((*dataset, value.to_vec()));
            }
            rest = next;
        }
        Self(datasets)
    }

    pub(super) fn one(&self, dataset: u8) -> Option<String> {
        self.all(dataset).next()
    }

    pub(super) fn all(&self, dataset: u8) -> impl Iterator<Item = String> {
        self.0.iter().filter(move |(number, _)| *number == dataset).filter_map(|(_, value)| decoded(value))
    }

    /// Date created and time created: `20220331`, `113156+0200`.
    pub(super) fn taken(&self) -> Option<Captured> {
        let day = self.one(55)?;
        let time = self.one(60).unwrap_or_default();
        let (clock, zone) = time.split_at_checked(6).unwrap_or(("000000", ""));
        date::parse_date(&format!("{day}T{clock}{zone}"))
    }
}

/// The image resource with this id ([Photoshop File Formats](https://www.adobe.com/devnet-apps/photoshop/fileformatashtml/),
/// Image Resource Blocks).
fn resource(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = bytes;
    loop {
        let [id0, id1, name_length, ..] = *rest.strip_prefix(b"8BIM")? else { return None };
        // The name takes its length byte, and is padded to an even count.
        let start = 6 + (usize::from(name_length) + 2) / 2 * 2;
        let size = u32::from_be_bytes(*rest.get(start..)?.first_chunk()?);
        let size = usize::try_from(size).ok()?;
        let body = rest.get(start + 4..)?;
        if u16::from_be_bytes([id0, id1]) == wanted {
            return Some(&body[..size.min(body.len())]);
        }
        rest = body.get(size.checked_add(size % 2)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dataset(number: u8, value: &[u8]) -> Vec<u8> {
        [&[0x1c, 2, number, 0, value.len() as u8], value].concat()
    }

    #[test]
    fn records_in_a_resource_block() {
        let records = [
            dataset(25, b"birds"),
            dataset(25, b"M\xfcnchen"),
            dataset(55, b"20220331"),
            dataset(60, b"113156+0200"),
        ]
        .concat();
        let mut block = b"8BIM\x03\xed\0\0\0\0\0\x03abc\0".to_vec();
        block.extend(b"8BIM\x04\x04\x03abc");
        block.extend(u32::try_from(records.len()).unwrap().to_be_bytes());
        block.extend(&records);
        for bytes in [&block, &records] {
            let iptc = Iptc::read(bytes);
            assert_eq!(iptc.all(25).collect::<Vec<_>>(), ["birds", "München"]);
            let taken = iptc.taken().unwrap();
            assert_eq!(
                (taken.at.to_string().as_str(), taken.offset_minutes),
                ("2022-03-31T09:31:56Z", Some(120))
            );
        }
    }

    proptest! {
        #[test]
        fn never_panics(tail in proptest::collection::vec(any::<u8>(), 0..64), front in prop::sample::select(vec![&b"8BIM\x04\x04"[..], b"\x1c\x02", b""])) {
            let iptc = Iptc::read(&[front, &tail].concat());
            let _ = (iptc.taken(), iptc.one(25));
        }
    }
}
