//! What is put in: files of the corpus, most of them made unique.

use crate::{
    expected::{Outcome, outcome},
    random::Random,
};
use bytes::Bytes;
use medianest_testkit::corpus::{self, CorpusFile};
use std::collections::HashMap;

const PHOTOS: &[&str] = &[
    "001", "003", "006", "008", "009", "010", "012", "016", "017", "019", "021", "022", "023", "026", "027",
    "030", "032", "034", "036", "037", "039", "049", "052",
];
const VIDEOS: &[&str] = &["065", "071", "072", "073", "074", "075", "080"];
const MUSIC: &[&str] = &["082", "083", "084", "086", "087", "088", "089"];
const HOSTILE: &[&str] = &[
    "090", "091", "092", "094", "095", "096", "097", "099", "101", "h02", "h04", "h05", "h06", "h07", "h08",
    "h09", "h10", "h12", "h13", "h14",
];

/// More than fits into one request to the store: sent in parts.
const LARGE: usize = 9 << 20;

/// Something to put in.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
    pub(crate) outcome: Outcome,
}

/// So many files of all sorts, each sixth once more as one before it.
pub(crate) fn files(count: usize, random: &mut Random) -> Vec<File> {
    let corpus: HashMap<_, _> =
        corpus::files().into_iter().map(|file| (file.name[..3].to_owned(), file)).collect();
    let mut files: Vec<File> = Vec::new();
    for n in 0..count {
        if n % 6 == 5 {
            files.push(random.pick(&files).clone());
            continue;
        }
        let among = match random.below(20) {
            0..10 => PHOTOS,
            10..14 => VIDEOS,
            14..17 => MUSIC,
            _ => HOSTILE,
        };
        let file = &corpus[*random.pick(among)];
        files.push(File { name: file.name.clone(), bytes: unique(file, n, random), outcome: outcome(file) });
    }
    files
}

/// The same medium in bytes of its own, where its format has room for that.
fn unique(file: &CorpusFile, n: usize, random: &mut Random) -> Bytes {
    let mut bytes = file.read();
    let mark = random.next().to_be_bytes();
    match file.name.rsplit('.').next() {
        // A comment after the start of the image.
        Some("jpg") if file.family() == "photo" && bytes.starts_with(&[0xff, 0xd8]) => {
            let comment: Vec<u8> = [0xff, 0xfe, 0, 10].into_iter().chain(mark).collect();
            bytes.splice(2..2, comment);
        }
        // A box that everybody passes over.
        Some("mp4" | "mov" | "3gp" | "m4a") if file.family() != "hostile" => {
            let size = if n.is_multiple_of(4) { LARGE } else { 16 };
            bytes.extend(u32::try_from(size).unwrap().to_be_bytes());
            bytes.extend(b"free");
            bytes.extend(mark.into_iter().cycle().take(size - 8));
        }
        _ => {}
    }
    bytes.into()
}
