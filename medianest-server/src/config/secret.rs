use medianest_core::{Error, Result};
use serde::{Deserialize, Serialize, Serializer};
use std::{fmt, path::Path};

/// Something that is never shown, not even in the configuration that is shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// What is in a file, without the line break at its end.
    ///
    /// # Errors
    /// `configuration` when the file cannot be read or is empty; `key` says which setting named it.
    pub fn read(path: &Path, key: &'static str) -> Result<Self> {
        let wrong = |message: &str| {
            Error::invalid("configuration", format!("configuration: {key} {message}"))
                .with("path", path.display())
        };
        let text = std::fs::read_to_string(path)
            .map_err(|source| wrong("names a file that cannot be read").caused_by(source))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() { Err(wrong("names an empty file")) } else { Ok(Self(text.to_owned())) }
    }

    /// As [`read`](Self::read), one secret in each line.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_lines(path: &Path, key: &'static str) -> Result<Vec<Self>> {
        let text = Self::read(path, key)?;
        Ok(text.0.lines().filter(|line| !line.is_empty()).map(|line| Self(line.to_owned())).collect())
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(secret)")
    }
}
