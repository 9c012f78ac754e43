use crate::{Error, Facts, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use std::fmt;

/// The [`Facts`] of an asset as the text that a catalog keeps: JSON, which is read by who looks into it, so that
/// a list passes it on as it is.
///
/// With serde it is what [`Facts`] are.
///
/// ```
/// use medianest_core::{Facts, MediaKind, StoredFacts};
///
/// let facts = Facts::new(MediaKind::Image, "image/jpeg", "jpeg");
/// let stored = StoredFacts::of(&facts)?;
/// assert!(stored.json().starts_with(r#"{"kind":"image","#));
/// assert_eq!(stored.read()?, facts);
/// # Ok::<(), medianest_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct StoredFacts(String);

impl StoredFacts {
    /// The text for these facts.
    ///
    /// # Errors
    ///
    /// `internal` when there is no JSON for them, which no facts are known to bring about.
    pub fn of(facts: &Facts) -> Result<Self> {
        serde_json::to_string(facts)
            .map(Self)
            .map_err(|source| Error::internal("facts cannot be written").caused_by(source))
    }

    /// The text that [`json`](Self::json) gave. It is not looked at before it is [read](Self::read).
    pub fn from_json(json: String) -> Self {
        Self(json)
    }

    /// One JSON object, as serde writes [`Facts`]. Written by an earlier version, it may lack what is new since.
    pub fn json(&self) -> &str {
        &self.0
    }

    /// The facts.
    ///
    /// # Errors
    ///
    /// `internal` when the text is none that this version, or an earlier one, has written.
    pub fn read(&self) -> Result<Facts> {
        serde_json::from_str(&self.0).map_err(|source| {
            Error::internal("stored facts cannot be read by this version").caused_by(source)
        })
    }
}

impl fmt::Debug for StoredFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoredFacts").field(&self.0).finish()
    }
}

impl Serialize for StoredFacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.read().map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StoredFacts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(&Facts::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
