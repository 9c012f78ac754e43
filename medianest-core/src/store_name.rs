use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, str::FromStr};

/// The name of a store of media: 1 to 40 of `a-z 0-9 -`. There is always the one called `default`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StoreName(Cow<'static, str>);

impl StoreName {
    /// The store that is used unless something else is said.
    pub const DEFAULT: Self = Self(Cow::Borrowed("default"));

    /// Checks a name.
    ///
    /// # Errors
    /// `invalid_store_name` when a rule of the type is broken.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name == Self::DEFAULT.0 {
            // Most rows name it: it takes no memory of its own.
            Ok(Self::DEFAULT)
        } else if (1..=40).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(Cow::Owned(name)))
        } else {
            Err(Error::invalid("invalid_store_name", "the name of a store is 1 to 40 of a-z, 0-9 and -")
                .with("name", name.chars().take(64).collect::<String>()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for StoreName {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<String> for StoreName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::new(name)
    }
}

impl FromStr for StoreName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

impl From<StoreName> for String {
    fn from(name: StoreName) -> Self {
        name.0.into_owned()
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::StoreName;

    #[test]
    fn a_name_is_a_slug() {
        for name in ["default", "archive-2", "0", &"a".repeat(40)] {
            assert_eq!(StoreName::new(name).unwrap().as_str(), name);
        }
        for name in ["", "Archive", "a_b", "a/b", "a.b", " a", "ä", &"a".repeat(41)] {
            assert_eq!(StoreName::new(name).unwrap_err().code(), "invalid_store_name", "{name}");
        }
        assert_eq!(StoreName::new("default").unwrap(), StoreName::default());
    }
}
