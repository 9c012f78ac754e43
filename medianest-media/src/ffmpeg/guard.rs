//! Proof that a file reaches nothing but its own bytes, whatever it is taken for.

use super::{frame, render, understand};
use medianest_core::{
    Facts, Failure, Limits, MediaKind, MediaType, NewPart, PartSink, RenderTask, RenditionId, RenditionInfo,
    Result, Variant, VariantName, VideoVariant, bytes::Bytes,
};
use medianest_testkit::corpus;
use std::{
    io::ErrorKind, net::TcpListener, path::Path, process::Command, sync::mpsc, thread, time::Duration,
};

const MP4: MediaType = MediaType { kind: MediaKind::Video, content_type: "video/mp4", format: "mp4" };

/// Every door refuses it, and none of them waits for anything.
fn refused(bytes: impl Into<Bytes>) {
    let bytes = bytes.into();
    let (done, answer) = mpsc::channel();
    thread::spawn(move || {
        let (limits, facts) = (Limits::default(), Facts::of_type(&MP4));
        let variant = Variant::Video(VideoVariant::h264(240));
        let name = VariantName::new("rung").unwrap();
        let task = RenderTask { rendition: RenditionId::new(), name, variant, first_part: 0 };
        let answers = [
            understand(&bytes, &MP4, &limits).map(drop),
            frame(&bytes, &facts, &limits).map(drop),
            render(&bytes, &facts, &[(0, &task)], &limits, &mut Nothing),
        ];
        done.send(answers.map(|answer| answer.unwrap_err().code().to_owned())).unwrap();
    });
    let codes =
        answer.recv_timeout(Duration::from_secs(60)).expect("an answer: a file was opened that blocks");
    assert_eq!(codes, ["unsupported_media_type"; 3]);
}

struct Nothing;

impl PartSink for Nothing {
    fn part(&mut self, _: usize, _: NewPart) -> Result<()> {
        panic!("a part of a hostile file")
    }

    fn finish(&mut self, _: usize, _: Result<RenditionInfo, Failure>) -> Result<()> {
        panic!("a rendition of a hostile file")
    }

    fn progress(&mut self, _: f32) -> Result<()> {
        Ok(())
    }
}

/// A file whose opening never returns: nobody writes to it.
fn trap(folder: &Path) -> String {
    let path = folder.join("secret.ts");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path.to_str().unwrap().to_owned()
}

#[test]
fn hostile_playlists_of_the_corpus_are_refused() {
    for name in ["h04", "h05", "h06", "h07", "h08", "h12", "h13", "h14"] {
        refused(corpus::file(name).read());
    }
}

#[test]
fn a_playlist_opens_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let playlist = String::from_utf8(corpus::file("h05").read()).unwrap();
    refused(playlist.replace("18999", &port));
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_playlist_opens_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = trap(folder.path());
    let playlist = String::from_utf8(corpus::file("h13").read()).unwrap();
    refused(playlist.replace("/tmp/medianest-canary/secret.ts", &path));
    refused(format!("ffconcat version 1.0\nfile '{path}'\n"));
    refused(format!("ffconcat version 1.0\nfile 'file:{path}'\nduration 1\n"));
}

#[test]
fn empty_and_random_bytes_are_refused() {
    refused(Bytes::new());
    refused((0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>());
}
