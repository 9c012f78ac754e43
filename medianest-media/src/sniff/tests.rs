use super::{looks_dangerous, sniff};
use proptest::prelude::*;

proptest! {
    #[test]
    fn never_panics(head in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let _ = (sniff(&head), looks_dangerous(&head));
    }

    #[test]
    fn never_panics_behind_a_known_beginning(
        beginning in prop::sample::select(vec![
            &b"\xff\xd8\xff"[..], b"GIF89a", b"II*\0\x08\0\0\0", b"MM\0*", b"\0\0\0\x18ftyp", b"\x1a\x45\xdf\xa3",
            b"OggS\0", b"ID3\x04", b"\xff\xfb\x90", b"RIFF\0\0\0\0", b"<?xml", b"<!DOCTYPE", b"<!--", b"BM", b"\xff\xfe<\0",
        ]),
        tail in proptest::collection::vec(any::<u8>(), 0..512),
    ) {
        let head = [beginning, &tail].concat();
        let _ = (sniff(&head), looks_dangerous(&head));
    }
}

fn format(head: &[u8]) -> Option<&'static str> {
    sniff(head).map(|media_type| media_type.format)
}

#[test]
fn brands_decide() {
    for (brands, expected) in [
        ("heic", "heic"),
        ("mif1\0\0\0\0mif1avif", "avif"),
        ("mif1\0\0\0\0mif1heic", "heic"),
        ("mif1\0\0\0\0mif1", "heif"),
        ("avis\0\0\0\0msf1", "avif"),
        ("qt  ", "mov"),
        ("M4A \0\0\0\0isom", "m4a"),
        ("3gp5", "3gp"),
        ("crx ", "cr3"),
        ("isom\0\0\0\0qt  ", "mp4"),
        ("what\0\0\0\0else", "mp4"),
    ] {
        let size = u32::try_from(8 + brands.len()).unwrap().to_be_bytes();
        assert_eq!(format(&[&size, b"ftyp", brands.as_bytes()].concat()), Some(expected), "{brands}");
    }
}

#[test]
fn svg_is_known_by_its_root() {
    assert_eq!(format(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), Some("svg"));
    assert_eq!(
        format(b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x --><!DOCTYPE svg PUBLIC 'a'>\n<svg>"),
        Some("svg")
    );
    assert_eq!(format(b"<svgish>"), None);
    assert_eq!(format(b"<?xml version='1.0'?><rss/>"), None);
}

#[test]
fn what_others_would_follow_is_dangerous() {
    for text in [
        "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd",
        " \n#EXTM3U",
        "ffconcat version 1.0\nfile 'a.mp4'",
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1",
        "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'>",
        "<!DOCTYPE HTML><p>",
        "<html><script>alert(1)</script>",
        "<?php system($_GET['c']);",
        "#!/bin/sh\nrm -rf /",
        "<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg>&x;</svg>",
        "GIF89a/*\0\0*/=1;alert(1)",
    ] {
        assert!(looks_dangerous(text.as_bytes()), "{text}");
    }
    let wide: Vec<u8> = "\u{feff}<html>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(looks_dangerous(&wide));
    for harmless in
        ["", "hello", "GIF89a\x10\0\x10\0", "<svg xmlns='http://www.w3.org/2000/svg'/>", "PK\x03\x04"]
    {
        assert!(!looks_dangerous(harmless.as_bytes()), "{harmless}");
    }
    for no_media in ["", "hello", "PK\x03\x04", "%PDF-1.7", "MZ", "\x7fELF"] {
        assert_eq!(format(no_media.as_bytes()), None, "{no_media}");
    }
}

#[test]
fn one_sync_word_is_no_song() {
    let frame = |count: usize| {
        let one = [&[0xff, 0xfb, 0x90, 0x00][..], &[0; 413]].concat();
        one.repeat(count)
    };
    assert_eq!(format(&frame(4)), Some("mp3"));
    assert_eq!(format(&frame(1)), None);
    assert_eq!(format(&[&frame(1)[..], b"nothing of the kind"].concat()), None);
}
