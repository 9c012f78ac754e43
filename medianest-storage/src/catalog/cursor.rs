//! Opaque cursors of lists: where the last row of a page stands in the order of the list.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use medianest_core::{Page, PageRequest, Result};
use uuid::Uuid;

/// A cursor holds at most so much of a name, so that it stays within the 512 characters of a
/// [`PageRequest`]. Of names that are equal that far, those after the edge of a page are left out.
const MAX_TEXT: usize = 340;

/// A place in a list. The tag says which list and order it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place<K> {
    pub(super) tag: u8,
    pub(super) key: K,
    pub(super) id: Uuid,
}

/// What a list is sorted by before ids.
pub(super) trait SortKey: Sized {
    fn write(&self, bytes: &mut Vec<u8>);
    fn read(bytes: &[u8]) -> Option<Self>;
}

impl SortKey for () {
    fn write(&self, _: &mut Vec<u8>) {}

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(())
    }
}

impl SortKey for i64 {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl SortKey for String {
    fn write(&self, bytes: &mut Vec<u8>) {
        if self.len() <= MAX_TEXT {
            return bytes.extend(self.as_bytes());
        }
        let mut end = MAX_TEXT;
        while !self.is_char_boundary(end) {
            end -= 1;
        }
        bytes.extend(self[..end].bytes().chain("\u{10ffff}".bytes()));
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

impl<K: SortKey> Place<K> {
    pub(super) fn encode(&self) -> String {
        let mut bytes = vec![self.tag];
        bytes.extend(self.id.as_bytes());
        self.key.write(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (tag, rest) = bytes.split_first()?;
        let (id, key) = rest.split_at_checked(16)?;
        Some(Self { tag: *tag, id: Uuid::from_slice(id).ok()?, key: K::read(key)? })
    }

    /// The place that a page starts after.
    ///
    /// # Errors
    /// `invalid_cursor` when it is not one of the list with this tag.
    pub(super) fn of(page: &PageRequest, tag: u8) -> Result<Option<Self>> {
        let Some(cursor) = page.cursor() else { return Ok(None) };
        let place = Self::decode(cursor).filter(|place| place.tag == tag);
        place.map(Some).ok_or_else(PageRequest::invalid_cursor)
    }
}

/// How many rows to read for a page: one more tells whether there is another page.
pub(super) fn rows_of(page: &PageRequest) -> i64 {
    i64::from(page.limit()) + 1
}

/// The page from the rows that were read for it.
pub(super) fn page_of<T, K: SortKey>(
    mut items: Vec<T>,
    page: &PageRequest,
    place: impl FnOnce(&T) -> Place<K>,
) -> Page<T> {
    let limit = page.limit() as usize;
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|last| place(last).encode());
    Page { items, next_cursor }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn places_come_back(tag: u8, key: i64, name in ".{0,80}", id: u128) {
            let place = Place { tag, key, id: Uuid::from_u128(id) };
            prop_assert_eq!(Place::decode(&place.encode()), Some(place));
            let place = Place { tag, key: name, id: Uuid::from_u128(id) };
            prop_assert_eq!(Place::decode(&place.encode()), Some(place));
        }

        #[test]
        fn whatever_is_sent_is_a_place_or_an_invalid_cursor(cursor in ".{0,300}", tag: u8) {
            let page = PageRequest::new(None, Some(cursor));
            if let Ok(page) = page {
                for error in [Place::<i64>::of(&page, tag).err(), Place::<String>::of(&page, tag).err()] {
                    prop_assert!(error.is_none_or(|error| error.code() == "invalid_cursor"));
                }
            }
        }

        #[test]
        fn long_names_fit_and_move_on(name in "[a-zäß東]{300,500}") {
            let text = Place { tag: 1, key: name.clone(), id: Uuid::nil() }.encode();
            prop_assert!(PageRequest::new(None, Some(text.clone())).is_ok());
            prop_assert!(Place::<String>::decode(&text).unwrap().key >= name);
        }
    }
}
