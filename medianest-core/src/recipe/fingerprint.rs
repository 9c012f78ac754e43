use super::{AudioVariant, Variant, VideoVariant};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use std::collections::BTreeMap;

impl Variant {
    /// The fingerprint of what `renderer` makes of this definition: SHA-256 over canonical JSON
    /// (sorted keys, only fields that differ from their default) and the renderer's own revision.
    /// Versions of libraries and hardware are no part of it, so that an upgrade makes nothing stale.
    pub fn fingerprint(&self, renderer: &str) -> Fingerprint {
        // `required` and `of` say when to make it, not what comes out.
        let mut definition = self.clone();
        match &mut definition {
            Self::Image(image) => {
                image.required = false;
                image.of.clear();
            }
            Self::Video(video) => video.required = VideoVariant::default().required,
            Self::Audio(audio) => audio.required = AudioVariant::default().required,
            Self::Waveform(_) => {}
        }
        let text = canonical(&serde_json::json!({ "renderer": renderer, "variant": definition }));
        let digest = sha2::Sha256::digest(text.as_bytes());
        Fingerprint(digest[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// JSON with sorted keys and no white space, whichever order the build's serde_json keeps.
fn canonical(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            let fields: Vec<_> = sorted
                .into_iter()
                .map(|(key, value)| format!("{}:{}", serde_json::Value::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        plain => plain.to_string(),
    }
}

/// Decides whether a rendition is stale; see [`Variant::fingerprint`]. 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// One that was stored.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The fingerprint as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
