//! What a child may claim. It is hostile: its words end in a database, in HTTP headers and in logs.

use super::wire::Complaint;
use medianest_core::{Error, ErrorKind, Facts, Failure, Limits, Location, RenditionInfo, Variant};

/// The codes of media in [`MediaProcessor`](medianest_core::MediaProcessor).
const CODES: [&str; 8] = [
    "unsupported_media_type",
    "unsupported_codec",
    "corrupt",
    "truncated",
    "limit_exceeded",
    "decoder_crashed",
    "timed_out",
    "dangerous_content",
];

/// The error as the caller gets it: one of the documented failures of media, or a bug.
pub(super) fn complaint(complaint: Complaint) -> Error {
    let Complaint { kind, code, message, detail } = complaint;
    let error = if kind == ErrorKind::Media && CODES.contains(&code.as_str()) {
        Error::media(code, printable(&message))
    } else {
        Error::internal("the processor failed in a way that it should not")
            .with("code", printable(&code))
            .with("message", printable(&message))
    };
    if detail.is_empty() { error } else { error.with("detail", printable(&detail)) }
}

/// The failure of a task as the caller gets it: one of the documented, or else a bug, of this task alone.
pub(super) fn failure(failure: Failure) -> Failure {
    let known = CODES.contains(&failure.code.as_str()) || failure.code == "encoder_missing";
    Failure::new(if known { &failure.code } else { "internal" }, printable(&failure.message))
}

/// Whether facts can be true, as far as others rely on it: a type that no browser runs scripts of, or
/// SVG, which is known by its first bytes and never shown in place.
pub(super) fn facts(facts: &Facts, limits: &Limits) -> bool {
    let placed = facts.location.is_none_or(|place| Location::new(place.latitude, place.longitude).is_some());
    let few = usize::try_from(limits.max_streams).is_ok_and(|most| facts.streams.len() <= most);
    let passive = facts.content_type == "image/svg+xml"
        || ["image/", "video/", "audio/"].iter().any(|family| is_type(&facts.content_type, family));
    placed && few && passive && (1..=8).contains(&facts.orientation)
}

/// Whether this can have come out of the variant.
pub(super) fn rendition(info: &RenditionInfo, variant: &Variant) -> bool {
    match variant {
        Variant::Image(_) => is_type(&info.content_type, "image/"),
        Variant::Video(_) => is_type(&info.content_type, "video/"),
        Variant::Audio(_) => is_type(&info.content_type, "audio/"),
        _ => info.content_type == "application/json",
    }
}

fn is_type(content_type: &str, family: &str) -> bool {
    let harmless = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    content_type
        .strip_prefix(family)
        .is_some_and(|subtype| (1..=64).contains(&subtype.len()) && subtype.bytes().all(harmless))
}

/// Text from a child, fit for one line of a log.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use medianest_core::{MediaKind, Resize};

    #[test]
    fn a_child_cannot_claim_what_is_not_its_to_say() {
        let lie = Complaint::from(&Error::new(ErrorKind::Forbidden, "forbidden", "a\r\nb"));
        let error = complaint(lie);
        assert_eq!((error.kind(), error.code()), (ErrorKind::Internal, "internal"));
        assert!(!error.to_string().contains(['\r', '\n']), "{error}");

        let honest = complaint(Complaint::from(&Limits::exceeded("max_side", 7).with("size", "8x8")));
        assert_eq!((honest.kind(), honest.code()), (ErrorKind::Media, "limit_exceeded"));
        assert!(honest.to_string().contains("8x8"), "{honest}");

        assert_eq!(failure(Failure::new("lease_lost", "a\nb")), Failure::new("internal", "a b"));
        for code in ["corrupt", "encoder_missing"] {
            assert_eq!(failure(Failure::new(code, "a\0b")), Failure::new(code, "a b"));
        }
    }

    #[test]
    fn types_that_browsers_run_are_not_media() {
        let limits = Limits::default();
        for (content_type, fine) in [
            ("image/jpeg", true),
            ("video/mp2t", true),
            ("audio/x-wav", true),
            ("text/html", false),
            ("image/svg+xml", true),
            ("image/svg+xml;a=b", false),
            ("image/jpeg\r\nSet-Cookie: a=b", false),
            ("image/", false),
        ] {
            let claimed = Facts::new(MediaKind::Image, content_type, "x");
            assert_eq!(facts(&claimed, &limits), fine, "{content_type}");
        }
        let mut nowhere = Facts::new(MediaKind::Image, "image/jpeg", "jpeg");
        nowhere.location = Some(Location { latitude: 1e9, longitude: 0.0, altitude: None });
        assert!(!facts(&nowhere, &limits));

        let small = Variant::Image(Resize::fit(1, 1).webp(80));
        let mut info = RenditionInfo::default();
        for active in ["text/html", "image/svg+xml"] {
            info.content_type = String::from(active);
            assert!(!rendition(&info, &small));
        }
        info.content_type = String::from("image/webp");
        assert!(rendition(&info, &small));
    }
}
