use libtest_mimic::Failed;
use medianest_core::{Facts, Limits, MediaProcessor};
use medianest_media::InProcess;
use medianest_testkit::{corpus::CorpusFile, truth};

pub(crate) fn understand(file: &CorpusFile) -> medianest_core::Result<Facts> {
    InProcess.understand(&bytes::Bytes::from(file.read()), &Limits::default())
}

/// Compares all that both sides know, and reports every difference at once.
pub(crate) fn match_truth(file: &CorpusFile) -> Result<(), Failed> {
    let differences = truth::disagreements(file, &understand(file)?);
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n").into()) }
}

/// Seventeen megabytes of gray, and behind them what the file says of itself.
pub(crate) fn a_large_tiff_keeps_its_exif() -> Result<(), Failed> {
    const SIDE: u32 = 4200;
    let entry = |tag: u16, field_type: u16, count: u32, value: u32| {
        [&tag.to_le_bytes()[..], &field_type.to_le_bytes(), &count.to_le_bytes(), &value.to_le_bytes()]
            .concat()
    };
    let directory = |entries: &[Vec<u8>]| {
        [&(entries.len() as u16).to_le_bytes()[..], &entries.concat(), &[0; 4]].concat()
    };
    let start = 8 + SIDE * SIDE;
    let (make, exif, time) = (start + 512, start + 528, start + 600);
    let mut file = [&b"II*\0"[..], &start.to_le_bytes()].concat();
    file.resize(start as usize, 128);
    file.extend(directory(&[
        entry(0x100, 4, 1, SIDE),
        entry(0x101, 4, 1, SIDE),
        entry(0x102, 3, 1, 8),
        entry(0x103, 3, 1, 1),
        entry(0x106, 3, 1, 1),
        entry(0x10f, 2, 6, make),
        entry(0x111, 4, 1, 8),
        entry(0x112, 3, 1, 6),
        entry(0x115, 3, 1, 1),
        entry(0x116, 4, 1, SIDE),
        entry(0x117, 4, 1, SIDE * SIDE),
        entry(0x8769, 4, 1, exif),
    ]));
    file.resize(make as usize, 0);
    file.extend(b"Nikon\0");
    file.resize(exif as usize, 0);
    file.extend(directory(&[entry(0x9003, 2, 20, time)]));
    file.resize(time as usize, 0);
    file.extend(b"2019:03:21 11:04:22\0");
    assert!(file.len() as u64 > Limits::default().max_metadata_bytes);

    let facts = InProcess.understand(&bytes::Bytes::from(file), &Limits::default())?;
    assert_eq!((facts.width, facts.orientation), (Some(SIDE), 6));
    assert_eq!(facts.camera.make.as_deref(), Some("Nikon"));
    let captured = facts.captured.ok_or("without a time")?;
    assert_eq!((captured.at.to_string().as_str(), captured.is_utc), ("2019-03-21T11:04:22Z", false));
    Ok(())
}
