//! Names that people gave to files.

/// A shown file name, made harmless: the last segment of what was sent, without control and
/// bidirectional formatting characters, at most 255 bytes of UTF-8, never empty, `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// Makes a shown name of whatever was sent. Never fails: a name with nothing left is `untitled`.
    pub fn sanitise(raw: &str) -> Self {
        let last = raw.rsplit(['/', '\\']).next().unwrap_or_default();
        let harmless = |c: &char| {
            !c.is_control()
                && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{2028}' | '\u{2029}')
        };
        let cleaned: String = last.chars().filter(harmless).collect();
        let mut name = cleaned.trim().trim_end_matches('.').trim_end().to_owned();
        while name.len() > 255 {
            // Keep the extension: it is what people look at.
            let (stem, extension) = match name.rfind('.') {
                Some(dot) if name.len() - dot <= 16 && dot > 0 => {
                    (name[..dot].to_owned(), name[dot..].to_owned())
                }
                _ => (name.clone(), String::new()),
            };
            let mut end = 255 - extension.len();
            while !stem.is_char_boundary(end) {
                end -= 1;
            }
            name = format!("{}{extension}", &stem[..end]);
        }
        if name.is_empty() || name == "." || name == ".." {
            name = String::from("untitled");
        }
        Self(name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name.
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_from_outside_become_harmless() {
        for (raw, shown) in [
            ("../../etc/passwd", "passwd"),
            ("..\\..\\x", "x"),
            ("a\0b.jpg", "ab.jpg"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("line\r\nSet-Cookie: a=b.jpg", "lineSet-Cookie: a=b.jpg"),
            ("dot. ", "dot"),
            ("..", "untitled"),
            ("", "untitled"),
            ("😀.png", "😀.png"),
        ] {
            assert_eq!(FileName::sanitise(raw).as_str(), shown, "{raw:?}");
        }
        let long = FileName::sanitise(&format!("{}.jpeg", "ä".repeat(300)));
        assert!(long.as_str().len() <= 255 && long.as_str().ends_with(".jpeg"));
    }

    proptest! {
        #[test]
        fn sanitising_twice_changes_nothing(raw in ".*") {
            let once = FileName::sanitise(&raw);
            prop_assert!(!once.as_str().is_empty() && once.as_str().len() <= 255);
            prop_assert_eq!(FileName::sanitise(once.as_str()), once);
        }
    }
}
