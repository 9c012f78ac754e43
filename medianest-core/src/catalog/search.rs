use super::sealed::Sealed;
use crate::{Asset, LibraryId, MediaKind, Page, PageRequest, Result, Visibility};
use async_trait::async_trait;

/// Finding assets by words.
#[async_trait]
pub trait SearchIndex: Sealed + Send + Sync + std::fmt::Debug + 'static {
    /// Visible assets, not in the trash, that contain all words of the query in their name, tags,
    /// camera or date (the last word also as a beginning), newest first. Case and accents do not
    /// matter. Nothing in a query is syntax; a query without any letter or digit finds nothing.
    ///
    /// # Errors
    /// `invalid_cursor`.
    async fn search(
        &self,
        visible: &Visibility,
        query: &SearchQuery,
        page: &PageRequest,
    ) -> Result<Page<Asset>>;

    /// Up to `limit` words in visible assets that begin with `prefix`, the most frequent first.
    async fn suggest(&self, visible: &Visibility, prefix: &str, limit: u32) -> Result<Vec<String>>;
}

/// What to find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchQuery {
    /// The words, as typed.
    pub text: String,
    /// Only of this library.
    pub library: Option<LibraryId>,
    /// Only of this kind.
    pub kind: Option<MediaKind>,
}

/// The words of a text as all backends index and look them up: split at what is neither letter nor
/// digit, lowercase, Latin letters without accents. At most 64 words of at most 64 characters.
pub fn search_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        if c.is_alphanumeric() || is_combining(c) {
            if word.chars().count() < 64 {
                c.to_lowercase().filter(|c| !is_combining(*c)).for_each(|c| fold(c, &mut word));
            }
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
            if words.len() == 64 {
                break;
            }
        }
    }
    words
}

fn is_combining(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036f}')
}

/// Latin-1 and Latin Extended-A letters to their base letters; all else as it is.
fn fold(c: char, out: &mut String) {
    let folded = match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ð' | 'ď' | 'đ' => "d",
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => "i",
        'ĵ' => "j",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ŀ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' => "o",
        'œ' => "oe",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' => "s",
        'ß' => "ss",
        'ţ' | 'ť' | 'ŧ' => "t",
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => "u",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return out.push(c),
    };
    out.push_str(folded);
}

#[cfg(test)]
mod tests {
    use super::search_words;

    #[test]
    fn words_are_folded() {
        assert_eq!(search_words("IMG_2682.HEIC — Côte d’Azur"), ["img", "2682", "heic", "cote", "d", "azur"]);
        assert_eq!(search_words("Cote\u{302} Łódź Straße"), ["cote", "lodz", "strasse"]);
        assert_eq!(search_words("\" OR 1=1 -- *"), ["or", "1", "1"]);
        assert!(search_words("!?*").is_empty());
        assert_eq!(search_words("東京 タワー"), ["東京", "タワー"]);
    }
}
