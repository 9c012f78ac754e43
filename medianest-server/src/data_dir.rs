//! The data directory: ours alone, one owner at a time, and the secrets in it.

use crate::config::Config;
use medianest_core::{Error, ErrorKind, Result};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Makes the directory, readable for nobody else, when it is not there.
pub(crate) fn create(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| {
        Error::invalid("data_dir", "the data directory cannot be made; choose another with --data-dir")
            .with("path", path.display())
            .caused_by(source)
    })
}

/// Which of the directories let other users of the machine in.
///
/// What we write is for us alone, but names and sizes show there, and what an older version wrote.
pub(crate) fn open_to_others(config: &Config) -> Vec<PathBuf> {
    let mut paths = config.media_dirs();
    paths.push(config.keys_dir());
    // Nobody reaches what is below it when it is closed.
    paths.retain(|path| !path.starts_with(&config.data_dir));
    paths.insert(0, config.data_dir.clone());
    paths.retain(|path| is_open(path));
    paths
}

#[cfg(unix)]
fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

/// Where rights are lists, they are inherited from the folder of the user.
#[cfg(not(unix))]
fn is_open(_: &Path) -> bool {
    false
}

/// Where other commands reach the server that owns the directory.
pub(crate) fn socket(data_dir: &Path) -> PathBuf {
    data_dir.join("medianest.sock")
}

/// The lock of the one process that owns the directory. Ends with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// `data_dir_in_use` (Conflict) when another process has it.
    pub(crate) fn take(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join("medianest.lock");
        let failed = |source: io::Error| {
            Error::invalid("data_dir", "the data directory cannot be written to")
                .with("path", path.display())
                .caused_by(source)
        };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::Conflict,
                "data_dir_in_use",
                "another medianest owns this data directory; stop it, or choose another with --data-dir",
            )
            .with("path", data_dir.display())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

/// 32 random bytes in a file for us alone, made when it is not there: whole, or not at all.
pub(crate) fn secret(path: &Path) -> Result<Vec<u8>> {
    let failed = |source: io::Error| {
        Error::internal("a key cannot be read or made").with("path", path.display()).caused_by(source)
    };
    match fs::read(path) {
        Ok(secret) if secret.len() >= 32 => return Ok(secret),
        Ok(_) => {
            return Err(Error::invalid("damaged_key", "a key is too short; remove the file")
                .with("path", path.display()));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let secret = medianest_core::auth::random_secret()?.to_vec();
    let half = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&half).map_err(failed)?;
    file.write_all(&secret).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&half, path).map_err(failed)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner() {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::take(directory.path()).unwrap();
        assert_eq!(Lock::take(directory.path()).unwrap_err().code(), "data_dir_in_use");
        drop(lock);
        Lock::take(directory.path()).unwrap();
    }

    #[test]
    fn a_secret_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("url.key");
        let made = secret(&path).unwrap();
        assert_eq!((made.len(), secret(&path).unwrap()), (32, made));
        fs::write(&path, "short").unwrap();
        assert_eq!(secret(&path).unwrap_err().code(), "damaged_key");
    }
}
