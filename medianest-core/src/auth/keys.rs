use crate::{Error, Result};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use jsonwebtoken::{DecodingKey, EncodingKey};
use sha2::{Digest, Sha256};
use std::{
    fmt, fs,
    io::{self, Write},
    path::Path,
};

/// The Ed25519 keys that tokens are signed with: the last one signs, all of them verify.
pub struct KeySet(Vec<Key>);

pub(super) struct Key {
    pub(super) id: String,
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
    public: [u8; 32],
}

impl KeySet {
    /// A fresh key that lives as long as this value.
    ///
    /// # Errors
    /// `Internal` when the system gives no randomness.
    pub fn generate() -> Result<Self> {
        Ok(Self(vec![Key::from_pkcs8(&generate()?)?]))
    }

    /// The keys in a directory, made with its first key when there is none. Blocks on the disk.
    ///
    /// Keys are the files `*.pem`, each a private key as PKCS #8 (`openssl genpkey -algorithm ed25519`),
    /// in the order of their names. To rotate, add a file that sorts last; remove the old one when the
    /// tokens signed with it have expired. Files are made with mode 0600, directories with 0700.
    ///
    /// # Errors
    /// `signing_keys` when the directory or a key cannot be read or made, or others may read a key.
    pub fn open(directory: &Path) -> Result<Self> {
        let at = |path: &Path, source: io::Error| {
            Error::internal("the signing keys cannot be read or made")
                .with("path", path.display())
                .caused_by(source)
        };
        create_private_directory(directory).map_err(|source| at(directory, source))?;
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory).map_err(|source| at(directory, source))? {
            let path = entry.map_err(|source| at(directory, source))?.path();
            if path.extension().is_some_and(|extension| extension == "pem") {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            let path = directory.join("1.pem");
            write_private(directory, &path, &pem(&generate()?)).map_err(|source| at(&path, source))?;
            paths.push(path);
        }
        paths.sort();
        let mut keys = Vec::new();
        for path in paths {
            refuse_shared(&path)?;
            let text = fs::read(&path).map_err(|source| at(&path, source))?;
            let key = EncodingKey::from_ed_pem(&text).map_err(|source| {
                invalid("this file is not an Ed25519 private key in PEM").caused_by(source)
            });
            keys.push(
                key.and_then(|key| Key::from_pkcs8(key.as_bytes()))
                    .map_err(|error| error.with("path", path.display()))?,
            );
        }
        Ok(Self(keys))
    }

    /// The public keys as a JWK set ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517),
    /// [RFC 8037](https://www.rfc-editor.org/rfc/rfc8037)).
    pub fn jwks(&self) -> serde_json::Value {
        let keys: Vec<_> = self
            .0
            .iter()
            .map(|key| {
                serde_json::json!({
                    "kty": "OKP", "crv": "Ed25519", "x": BASE64_URL_SAFE_NO_PAD.encode(key.public),
                    "kid": key.id, "use": "sig", "alg": "EdDSA",
                })
            })
            .collect();
        serde_json::json!({ "keys": keys })
    }

    pub(super) fn signing(&self) -> Result<&Key> {
        self.0.last().ok_or_else(|| Error::internal("there is no signing key"))
    }

    pub(super) fn find(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

impl Key {
    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8)
            .map_err(|source| invalid("not an Ed25519 private key").caused_by(source))?;
        let public: [u8; 32] =
            pair.public_key().as_ref().try_into().map_err(|_| invalid("not an Ed25519 private key"))?;
        let x = BASE64_URL_SAFE_NO_PAD.encode(public);
        // The thumbprint of RFC 7638: these members in this order.
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        Ok(Self {
            id: BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(members)),
            encoding: EncodingKey::from_ed_der(pkcs8),
            decoding: DecodingKey::from_ed_der(&public),
            public,
        })
    }
}

fn invalid(message: &'static str) -> Error {
    Error::invalid("signing_keys", message)
}

fn generate() -> Result<Vec<u8>> {
    let pair = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1());
    let document =
        pair.map_err(|source| Error::internal("the system gave no random bytes").caused_by(source))?;
    Ok(document.as_ref().to_vec())
}

fn pem(pkcs8: &[u8]) -> String {
    // 48 bytes: always one line.
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(pkcs8))
}

fn create_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Whole or not at all: a crash leaves no half key.
fn write_private(directory: &Path, path: &Path, text: &str) -> io::Result<()> {
    let half = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&half)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&half, path)?;
    if cfg!(unix) {
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(unix)]
fn refuse_shared(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_or(0, |meta| meta.permissions().mode());
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(invalid("others may read this signing key; run chmod 600 on it").with("path", path.display()))
}

#[cfg(not(unix))]
fn refuse_shared(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_kept() {
        let directory = std::env::temp_dir().join(format!("medianest-keys-{}", uuid::Uuid::now_v7()));
        let first = KeySet::open(&directory).unwrap();
        assert_eq!(first.jwks(), KeySet::open(&directory).unwrap().jwks());

        fs::write(directory.join("2.pem"), "not a key").unwrap();
        assert_eq!(KeySet::open(&directory).unwrap_err().code(), "signing_keys");
        fs::remove_file(directory.join("2.pem")).unwrap();

        write_private(&directory, &directory.join("2.pem"), &pem(&generate().unwrap())).unwrap();
        let both = KeySet::open(&directory).unwrap();
        assert_eq!(both.0.len(), 2);
        assert!(both.find(&first.signing().unwrap().id).is_some());
        assert_ne!(both.signing().unwrap().id, first.signing().unwrap().id);
        assert!(!format!("{both:?}").contains("PRIVATE"));

        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let shared = directory.join("1.pem");
            assert_eq!(fs::metadata(&shared).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&shared, fs::Permissions::from_mode(0o644)).unwrap();
            assert_eq!(KeySet::open(&directory).unwrap_err().code(), "signing_keys");
        }
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn the_key_of_rfc_8037_has_its_thumbprint() {
        let seed = BASE64_URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let pkcs8 = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap().to_pkcs8v1().unwrap();
        let key = Key::from_pkcs8(pkcs8.as_ref()).unwrap();
        assert_eq!(key.id, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
