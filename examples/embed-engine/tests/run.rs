//! Runs the example as a user would.

use std::{fs, path::Path, process::Command};

/// One red pixel, as a BMP of 58 bytes.
const PHOTO: &[u8] = b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0\0\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\0";

#[test]
fn a_photo_is_taken_in_and_rendered() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embed-engine");
    // What an earlier run of the tests left.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("pixel.bmp"), PHOTO).unwrap();
    // The second time everything is there already.
    for _ in 0..2 {
        let mut example = Command::new(env!("CARGO_BIN_EXE_embed-engine"));
        let output = example.arg("pixel.bmp").current_dir(&folder).output().unwrap();
        let (said, errors) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{errors}");
        assert!(said.starts_with("pixel.bmp is ready\n"), "{said}");
        for variant in ["small", "medium", "large", "card"] {
            assert!(said.contains(&format!("{variant:>9}: /media/")), "{variant} is missing: {said}");
        }
    }
    assert!(folder.join("nest/catalog.db").exists());
}
