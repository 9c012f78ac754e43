//! Runs the example as a user would.

use std::process::Command;

/// One red pixel, as a BMP of 58 bytes.
const PHOTO: &[u8] = b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0\0\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\0";

#[test]
fn a_photo_becomes_a_thumbnail() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (photo, small) = (folder.join("photo.bmp"), folder.join("small.jpg"));
    std::fs::write(&photo, PHOTO).unwrap();
    let example = || Command::new(env!("CARGO_BIN_EXE_thumbnail-only"));
    assert!(example().args([&photo, &small]).status().unwrap().success());
    assert!(std::fs::read(&small).unwrap().starts_with(b"\xff\xd8\xff"));
    assert!(!example().output().unwrap().status.success());
}
