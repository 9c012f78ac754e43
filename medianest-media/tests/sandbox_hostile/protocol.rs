//! Lies: frames, answers and parts that break the protocol.

use crate::bench::{Bench, assert_fails};
use medianest_core::Failure;

pub(crate) fn lies(bench: &Bench) {
    for (frame, rule) in [
        ("ff 00 00 00 00", "frame"),
        // A part of 4 GiB, a progress of 5 bytes, an answer of 256 MiB.
        ("05 ff ff ff ff", "frame"),
        ("07 05 00 00 00", "frame"),
        ("08 00 00 00 10", "frame"),
        // What only the server says.
        ("01 02 00 00 00 7b 7d", "frame"),
        ("02 00 00 00 00", "frame"),
        // A read of 4 GiB.
        ("04 0c 00 00 00 00 00 00 00 00 00 00 00 ff ff ff ff", "read"),
        // Answers that are none: no JSON, no facts, facts that are a web page.
        ("08 02 00 00 00 7b 7b", "reply"),
        ("08 0b 00 00 00 7b 22 4f 6b 22 3a 6e 75 6c 6c 7d", "answer"),
        // A part, where nothing was to be rendered.
        ("05 11 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01", "order of parts"),
    ] {
        assert_fails(bench.order(&format!("say-and-wait {frame}")), "decoder_crashed", rule);
    }
    let page = br#"{"Ok":{"content_type":"text/html"}}"#;
    let frame: Vec<u8> = [8, page.len() as u8, 0, 0, 0].into_iter().chain(page.iter().copied()).collect();
    let frame: Vec<String> = frame.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_fails(bench.order(&format!("say-and-wait {}", frame.join(" "))), "decoder_crashed", "facts");
}

pub(crate) fn parts(bench: &Bench) {
    for (order, rule) in [
        ("part-of-task 1", "order of parts"),
        ("part-of-task 4294967295", "order of parts"),
        ("part-twice", "order of parts"),
        ("part-after-finish", "order of parts"),
        ("empty-part", "frame"),
        ("finish-twice", "not open"),
        ("finish-as text/html", "type of a rendition"),
        ("finish-as application/json", "type of a rendition"),
        ("forget", "unfinished"),
    ] {
        assert_fails(bench.render(order).0, "decoder_crashed", rule);
    }
    for (said, taken) in [
        ("unsupported_codec", "unsupported_codec"),
        ("encoder_missing", "encoder_missing"),
        // What is not a child's to say fails its task, and nothing else.
        ("lease_lost", "internal"),
    ] {
        let (result, sink) = bench.render(&format!("fail-as {said}"));
        result.unwrap();
        assert_eq!(sink.outcomes, [Err(Failure::new(taken, "as ordered"))]);
    }
}
