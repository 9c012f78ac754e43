//! Headers and metadata of pictures that somebody made to hurt: whatever the bytes, reading them ends
//! with facts or an error of the media, and takes little memory.

mod allocations;
mod boxes;

use medianest_core::{ErrorKind, Limits, MediaProcessor, bytes::Bytes};
use medianest_media::{InProcess, sniff};
use medianest_testkit::corpus;
use proptest::prelude::*;

/// Bytes of a file at most: what is looked at here stands at its beginning.
const LONGEST: usize = 256 << 10;
/// Memory at most, beside the file: a few times what [`Limits::max_metadata_bytes`] allows, since blocks
/// are copied and then read.
const MOST_MEMORY: usize = 16 << 20;

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_metadata_bytes = 1 << 20;
    limits
}

/// Reads the facts, and checks what must hold whatever the bytes are.
fn survives(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let source = Bytes::from(bytes);
    let (result, most) = allocations::most_during(|| InProcess.understand(&source, &limits()));
    prop_assert!(most <= MOST_MEMORY, "{} bytes were allocated", most);
    if let Err(error) = result {
        prop_assert_eq!(error.kind(), ErrorKind::Media, "{:?}", error);
    }
    Ok(())
}

/// How each format begins that is read here; all but the video formats, which FFmpeg reads.
const BEGINNINGS: [&[u8]; 14] = [
    b"\xff\xd8\xff\xe1",
    b"\xff\xd8\xff\xe1\0\x40Exif\0\0II*\0\x08\0\0\0",
    b"\xff\xd8\xff\xed\0\x40Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\x20\x1c\x02",
    b"\xff\xd8\xff\xe1\0\x60http://ns.adobe.com/xap/1.0/\0<x dc:title='",
    b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\0\0\0\0",
    b"GIF89a\x01\0\x01\0\x80\0\0",
    b"RIFF\0\0\0\0WEBPVP8X",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
    b"II*\0\x10\0\0\0CR\x02\0\0\0\0\0",
    b"BM\0\0\0\0\0\0\0\0\0\0\0\0\x28\0\0\0",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x40meta\0\0\0\0",
    b"\0\0\0\x14ftypavif\0\0\0\0avif\0\0\0\0meta\0\0\0\0",
    b"",
];

/// Pictures of the corpus, one for each thing that can be read of one.
fn pictures() -> Vec<Vec<u8>> {
    let families = ["photo", "raw"];
    let files = corpus::files().into_iter().filter(|file| families.contains(&file.family()));
    files
        .map(|file| {
            let mut bytes = file.read();
            bytes.truncate(LONGEST);
            bytes
        })
        .filter(|bytes| sniff(bytes).is_some())
        .collect()
}

#[test]
fn what_is_read_of_the_corpus_takes_little_memory() {
    for bytes in pictures() {
        survives(bytes).unwrap();
    }
}

/// Numbers that lengths and counts like to be.
fn edge() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        Just(vec![0; 4]),
        Just(vec![0xff; 4]),
        Just(vec![0x7f, 0xff, 0xff, 0xff]),
        Just(vec![0xff; 8]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(
        beginning in prop::sample::select(BEGINNINGS.to_vec()),
        tail in prop::collection::vec(any::<u8>(), 0..512),
    ) {
        survives([beginning, &tail].concat())?;
    }

    #[test]
    fn mutated_files(
        changes in prop::collection::vec((any::<prop::sample::Index>(), edge(), any::<bool>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
        repeated in prop::option::of((any::<prop::sample::Index>(), 1..2000_usize)),
        file in any::<prop::sample::Index>(),
    ) {
        thread_local!(static PICTURES: Vec<Vec<u8>> = pictures());
        let mut bytes = PICTURES.with(|pictures| file.get(pictures).clone());
        for (at, value, near) in changes {
            // Headers are where parsers believe what they read.
            let place = at.index(if near { bytes.len().min(1024) } else { bytes.len() });
            let end = (place + value.len()).min(bytes.len());
            bytes[place..end].copy_from_slice(&value[..end - place]);
        }
        if let Some((from, length)) = repeated {
            let from = from.index(bytes.len());
            let piece = bytes[from..(from + length).min(bytes.len())].to_vec();
            bytes.splice(from..from, piece.repeat(20));
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        survives(bytes)?;
    }

    #[test]
    fn boxes_of_heif(boxes in boxes::meta()) {
        survives(boxes)?;
    }
}

/// One file for each table whose rows cost more memory than bytes.
#[test]
fn small_files_do_not_ask_for_much() {
    let chunk = |kind: &[u8; 4], body: &[u8]| {
        [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], kind, body, &[0; 4]].concat()
    };
    let header = chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0]);
    let texts = chunk(b"tEXt", b"\0").repeat(1 << 20);
    let png = [&b"\x89PNG\r\n\x1a\n"[..], &header, &texts, &chunk(b"IEND", b"")].concat();

    let frames = b"ANMF\0\0\0\0".repeat(2 << 20);
    let webp = [b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0", &frames[..]].concat();

    // A text of nothing but ends, as a parser that splits it makes a list of.
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0".to_vec();
    exif.extend(1_000_000_u32.to_le_bytes());
    exif.extend([26, 0, 0, 0, 0, 0, 0, 0]);
    exif.resize(26 + 1_000_000, 0);

    let words = "<rdf:li>a</rdf:li>".repeat(60_000);
    let packet = format!("<dc:subject><rdf:Bag>{words}</rdf:Bag></dc:subject>");
    let packet = [b"XML:com.adobe.xmp\0\0\0\0\0", packet.as_bytes()].concat();
    let xmp = [&b"\x89PNG\r\n\x1a\n"[..], &header, &chunk(b"iTXt", &packet[..1 << 20])].concat();

    for (name, bytes) in [("texts", png), ("frames", webp), ("exif", exif), ("xmp", xmp)] {
        survives(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
