use medianest_core::{LibraryId, MediaKind, TenantId, catalog::search_words};
use std::collections::BTreeSet;

/// Beginnings of up to so many characters are tokens of their own: they are so frequent that looking
/// through all words with that beginning would take long.
const SHORT: usize = 3;

/// The words that an asset is found by.
pub(super) fn words(name: &str, search_text: &str) -> BTreeSet<String> {
    search_words(name).into_iter().chain(search_words(search_text)).collect()
}

/// A token that no other tenant's documents have: the random end of a UUIDv7 is mark enough, as what
/// is found is checked again.
fn token(tenant: TenantId, sort: char, text: &str) -> String {
    let [.., a, b, c, d] = *tenant.as_uuid().as_bytes();
    format!("{a:02x}{b:02x}{c:02x}{d:02x}{sort}{text}")
}

/// The token of a whole word; also the beginning of the tokens of longer words.
pub(super) fn of_word(tenant: TenantId, word: &str) -> String {
    token(tenant, 'w', word)
}

/// The token of all words that begin so, where there is one.
pub(super) fn of_beginning(tenant: TenantId, beginning: &str) -> Option<String> {
    (beginning.chars().count() <= SHORT).then(|| token(tenant, 'b', beginning))
}

pub(super) fn of_library(tenant: TenantId, library: LibraryId) -> String {
    token(tenant, 'l', library.as_uuid().simple().encode_lower(&mut uuid::Uuid::encode_buffer()))
}

pub(super) fn of_kind(tenant: TenantId, kind: MediaKind) -> String {
    token(tenant, 'k', kind.as_str())
}

/// All tokens that an asset is indexed under.
pub(super) fn of_asset(
    tenant: TenantId,
    library: LibraryId,
    kind: Option<MediaKind>,
    words: &BTreeSet<String>,
) -> Vec<String> {
    let mut tokens: BTreeSet<String> = words.iter().map(|word| of_word(tenant, word)).collect();
    for word in words {
        let ends = word.char_indices().map(|(start, c)| start + c.len_utf8()).take(SHORT);
        tokens.extend(ends.filter_map(|end| of_beginning(tenant, &word[..end])));
    }
    tokens.insert(of_library(tenant, library));
    tokens.extend(kind.map(|kind| of_kind(tenant, kind)));
    tokens.into_iter().collect()
}

/// Stretches of numbers that assets are marked with, so that the newest of all that have a word are found without
/// looking at the others. PostgreSQL adds these marks by itself: see the migration `0008_stretches`.
#[derive(Clone, Copy)]
#[cfg(feature = "postgres")]
pub(super) struct Stretch {
    /// What its marks begin with; the number of the stretch follows, in hexadecimal digits.
    pub(super) name: &'static str,
    /// Its length is this power of two.
    pub(super) bits: u32,
}

#[cfg(feature = "postgres")]
impl Stretch {
    pub(super) const NEAR: Self = Self { name: "near", bits: 12 };
    pub(super) const FAR: Self = Self { name: "far", bits: 15 };

    /// The marks of the newest two stretches before a number, and the number that these begin with.
    pub(super) fn newest(self, before: i64) -> ([String; 2], i64) {
        let last = before.saturating_sub(1) >> self.bits;
        ([last, last - 1].map(|stretch| format!("{}{stretch:x}", self.name)), (last - 1) << self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// SQLite's `ascii` tokenizer splits at ASCII that is neither letter nor digit.
        #[test]
        fn a_token_is_never_split(name in ".{0,60}") {
            let words = words(&name, "");
            for token in of_asset(TenantId::DEFAULT, LibraryId::new(), Some(MediaKind::Image), &words) {
                prop_assert!(token.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric()));
                prop_assert!(!token.chars().any(|c| c.is_ascii_uppercase() || c.is_whitespace()));
            }
        }
    }

    #[cfg(feature = "postgres")]
    proptest! {
        /// Nothing is left out between one stretch and what is looked at after it.
        #[test]
        fn stretches_reach_back_without_a_gap(before in 1_i64..1 << 40, back in 0_i64..1 << 17) {
            for stretch in [Stretch::NEAR, Stretch::FAR] {
                let (marks, first) = stretch.newest(before);
                prop_assert!(before - first > 1 << stretch.bits && before - first <= 2 << stretch.bits);
                let number = before - 1 - back;
                let marked = marks.contains(&format!("{}{:x}", stretch.name, number >> stretch.bits));
                prop_assert_eq!(marked, number >= first);
            }
        }
    }

    #[test]
    fn short_beginnings_are_tokens() {
        let of = |text| of_beginning(TenantId::DEFAULT, text);
        let tokens = of_asset(TenantId::DEFAULT, LibraryId::new(), None, &words("Straße", ""));
        for beginning in ["s", "st", "str"] {
            assert!(tokens.contains(&of(beginning).unwrap()), "{beginning}");
        }
        assert_eq!(of("stra"), None);
    }
}
