//! When camcorders recorded: AVCHD keeps it in no container, but in a message of the first picture, as
//! user data (ITU-T H.264, D.1.6) of packs named `MDPM`, described by
//! [ExifTool](https://exiftool.org/TagNames/H264.html).

use super::tags;
use medianest_core::Captured;

/// The UUID of the user data, and the name.
const MARK: [u8; 20] = *b"\x17\xee\x8c\x60\xf8\x4d\x11\xd9\x8c\xd6\x08\x00\x20\x0c\x9a\x66MDPM";
/// Messages stand before the picture.
const FIRST: usize = 8 << 10;
const ZONE_YEAR_MONTH: u8 = 0x18;
const DAY_AND_TIME: u8 = 0x19;

/// The time in the first packet of a video.
pub(super) fn captured(packet: &[u8]) -> Option<Captured> {
    let head = &packet[..packet.len().min(FIRST)];
    let start = head.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    let message = unescaped(&head[start..]);
    // A count, and so many packs: a tag and four bytes, numbers as decimal digits.
    let (count, packs) = message.split_first()?;
    let packs = &packs.as_chunks::<5>().0;
    let pack = |tag| packs.iter().take((*count).into()).find(|pack| pack[0] == tag);
    let [_, zone, century, year, month] = pack(ZONE_YEAR_MONTH)?;
    let [_, day, hour, minute, second] = pack(DAY_AND_TIME)?;
    let mut text =
        format!("{century:02x}{year:02x}-{month:02x}-{day:02x}T{hour:02x}:{minute:02x}:{second:02x}");
    // Half hours in five bits and a sign; the bit for summer time is counted in.
    if *zone != 0xff {
        let sign = if zone & 0x20 == 0 { '+' } else { '-' };
        text.push_str(&format!("{sign}{:02}:{:02}", zone >> 1 & 0x0f, (zone & 1) * 30));
    }
    tags::moment(&text)
}

/// Without the bytes that keep start codes out of messages (ITU-T H.264, 7.4.1).
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut zeros = 0;
    let is_payload = |byte: &u8| {
        let escape = zeros >= 2 && *byte == 3;
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        !escape
    };
    let mut bytes = bytes.to_vec();
    bytes.retain(is_payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(packs: &[u8]) -> Vec<u8> {
        [b"\0\0\0\x01\x06\x05\x65", &MARK[..], packs].concat()
    }

    #[test]
    fn a_camcorder_says_when_and_in_which_zone() {
        // As in the file of a Sony ILCE-7M3.
        let packs = b"\x10\x13\x13\x10\0\0\x14\0\0\x03\0\0\x18\x44\x20\x19\x04\x19\x24\x22\x24\0\x70";
        let captured = captured(&packet(packs)).unwrap();
        assert_eq!(captured.at.to_string(), "2019-04-24T20:24:00Z");
        assert_eq!(captured.offset_minutes, Some(120));
    }

    #[test]
    fn without_a_zone_it_is_the_clock_on_the_wall() {
        let captured = captured(&packet(b"\x02\x18\xff\x20\x19\x04\x19\x24\x22\x24\0")).unwrap();
        assert_eq!((captured.at.to_string().as_str(), captured.is_utc), ("2019-04-24T22:24:00Z", false));
    }

    #[test]
    fn what_is_no_date_is_none() {
        assert_eq!(captured(&packet(b"\x02\x18\x44\x20\x19\xff\x19\x24\x22\x24\0")), None);
        assert_eq!(captured(&packet(b"\x01\x18\x44\x20\x19\x04\x19\x24\x22\x24\0")), None);
        assert_eq!(captured(b""), None);
    }

    proptest! {
        #[test]
        fn never_panics(tail in proptest::collection::vec(any::<u8>(), 0..64)) {
            captured(&packet(&tail));
        }
    }
}
