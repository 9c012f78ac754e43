use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of a variant: 1 to 32 of `a-z 0-9 - _`, starting with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VariantName(pub(super) String);

impl VariantName {
    /// Checks a name.
    ///
    /// # Errors
    /// `invalid_variant` when a rule of the type is broken.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if (1..=32).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with(['-', '_']) {
            Ok(Self(name))
        } else {
            Err(Error::invalid("invalid_variant", "a variant's name is 1 to 32 of a-z, 0-9, - and _")
                .with("name", name.chars().take(64).collect::<String>()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for VariantName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self> {
        Self::new(name)
    }
}

impl From<VariantName> for String {
    fn from(name: VariantName) -> Self {
        name.0
    }
}

impl fmt::Display for VariantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
