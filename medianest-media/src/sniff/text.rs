//! Text that poses as media, or that players would follow.

/// Whether this is text that a player or browser would act upon when it is taken for media:
/// playlists, which name other files; pages and scripts; XML that declares entities; a GIF that is a
/// script as well.
pub(crate) fn looks_dangerous(head: &[u8]) -> bool {
    let text = opening(head);
    let starts = |prefix: &str| text.starts_with(prefix);
    let playlist = ["#extm3u", "#ext-x-", "ffconcat version", "[playlist]", "[reference]", "<asx", "<smil"];
    let active = ["<!doctype html", "<html", "<head", "<body", "<script", "<iframe", "<?php", "#!"];
    playlist.into_iter().chain(active).any(starts)
        || (starts("v=0") && text.contains("\no="))
        || (starts("<")
            && ["<mpd", "<!entity", "<html", "<script", "<smoothstreamingmedia"]
                .iter()
                .any(|tag| text.contains(tag)))
        || is_script_in_gif(head)
}

/// Whether the root element is `svg`.
pub(super) fn is_svg(head: &[u8]) -> bool {
    let text = opening(head);
    let mut rest = text.as_str();
    loop {
        rest = rest.trim_start();
        let close = if rest.starts_with("<?") {
            "?>"
        } else if rest.starts_with("<!--") {
            "-->"
        } else if rest.starts_with("<!doctype") {
            if rest.find('[').is_some_and(|subset| rest.find('>').is_none_or(|end| subset < end)) {
                "]>"
            } else {
                ">"
            }
        } else {
            break;
        };
        let Some(end) = rest.find(close) else { return false };
        rest = &rest[end + close.len()..];
    }
    rest.strip_prefix("<svg").is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
}

/// The first characters, lowercase, without byte order mark and leading space; UTF-16 as ASCII.
fn opening(head: &[u8]) -> String {
    let head = &head[..head.len().min(4096)];
    let (head, wide) = match head {
        [0xef, 0xbb, 0xbf, rest @ ..] => (rest, false),
        [0xff, 0xfe, rest @ ..] | [0xfe, 0xff, rest @ ..] => (rest, true),
        _ => (head, false),
    };
    let bytes = head.iter().filter(|byte| !wide || **byte != 0);
    let text: String = bytes.map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    text.trim_start().to_owned()
}

/// `GIF89a/*`: the size of the picture opens a comment of JavaScript.
fn is_script_in_gif(head: &[u8]) -> bool {
    let Some(rest) = head.strip_prefix(b"GIF89a").or_else(|| head.strip_prefix(b"GIF87a")) else {
        return false;
    };
    match rest {
        [b'/', b'*', body @ ..] => body.windows(2).take(4096).any(|pair| pair == b"*/"),
        [b'=' | b'/', b'/' | b'\'' | b'"' | b'1', ..] => true,
        _ => false,
    }
}
