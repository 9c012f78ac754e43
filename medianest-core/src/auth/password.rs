use crate::{Error, ErrorKind, Result, Retry};
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use std::{ops::RangeInclusive, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// How passwords are hashed. The default is OWASP's minimum for Argon2id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasswordOptions {
    /// Memory of one hash in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub lanes: u32,
    /// Hashes that are computed at the same time; each takes [`memory_kib`](Self::memory_kib).
    pub parallel: usize,
    /// Hashes that may wait for their turn; more are refused as `busy`.
    pub waiting: usize,
}

impl Default for PasswordOptions {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, lanes: 1, parallel: 2, waiting: 64 }
    }
}

/// Hashes and checks passwords with Argon2id, on a bounded number of blocking threads.
///
/// Hashes are [PHC strings](https://github.com/P-H-C/phc-string-format).
#[derive(Debug)]
pub struct Passwords {
    hasher: Argon2<'static>,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    /// Of a password that nobody has: checked in place of an unknown user's, so that both take the same time.
    nobody: String,
}

impl Passwords {
    /// Characters that a password may have. The upper bound keeps hashing from being a way to wear us out.
    pub const LENGTH: RangeInclusive<usize> = 8..=1024;

    /// A hasher with these parameters.
    ///
    /// # Errors
    /// `invalid_password_options` when Argon2 does not allow them.
    pub fn new(options: &PasswordOptions) -> Result<Self> {
        let params = Params::new(options.memory_kib, options.iterations, options.lanes, None)
            .map_err(|source| Error::invalid("invalid_password_options", source.to_string()))?;
        let nobody = format!(
            "$argon2id$v=19$m={},t={},p={}${}${}",
            options.memory_kib,
            options.iterations,
            options.lanes,
            "A".repeat(22),
            "A".repeat(43),
        );
        let parallel = options.parallel.clamp(1, 1024);
        Ok(Self {
            hasher: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            running: Arc::new(Semaphore::new(parallel)),
            admitted: Arc::new(Semaphore::new(parallel + options.waiting.min(1 << 20))),
            nobody,
        })
    }

    /// Checks the rules for a new password.
    ///
    /// # Errors
    /// `invalid_password`.
    pub fn check_rules(password: &str) -> Result<()> {
        if Self::LENGTH.contains(&password.chars().count()) {
            Ok(())
        } else {
            Err(Error::invalid("invalid_password", "a password has 8 to 1024 characters"))
        }
    }

    /// Hashes a new password, with a salt of its own.
    ///
    /// # Errors
    /// `invalid_password`; `busy` (Unavailable) when too many hashes wait already.
    pub async fn hash(&self, password: &str) -> Result<String> {
        Self::check_rules(password)?;
        let (hasher, password) = (self.hasher.clone(), password.to_owned());
        self.run(move || {
            hasher
                .hash_password(password.as_bytes())
                .map(|hash| hash.to_string())
                .map_err(|source| Error::internal("hashing a password failed").caused_by(source))
        })
        .await?
    }

    /// Whether this is the password of a stored hash. Without one (there is no such user) the answer
    /// is no, after the same time. The parameters are those of the stored hash.
    ///
    /// # Errors
    /// `busy` (Unavailable); `Internal` when the stored text is not a hash.
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<bool> {
        if password.chars().nth(*Self::LENGTH.end()).is_some() {
            return Ok(false);
        }
        let known = stored.is_some();
        let stored = stored.unwrap_or(&self.nobody).to_owned();
        let (hasher, password) = (self.hasher.clone(), password.to_owned());
        let matches = self
            .run(move || {
                let hash = PasswordHash::new(&stored).map_err(|source| {
                    Error::internal("a stored password hash is damaged").caused_by(source)
                })?;
                Ok::<_, Error>(hasher.verify_password(password.as_bytes(), &hash).is_ok())
            })
            .await??;
        Ok(matches && known)
    }

    /// Whether a stored hash was made with other parameters than ours, so that the password should be
    /// hashed again the next time it is shown.
    pub fn is_outdated(&self, stored: &str) -> bool {
        let params = self.hasher.params();
        let ours =
            format!("$argon2id$v=19$m={},t={},p={}$", params.m_cost(), params.t_cost(), params.p_cost());
        !stored.starts_with(&ours)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let _admitted = self.admitted.try_acquire().map_err(|_| {
            Error::new(ErrorKind::Unavailable, "busy", "too many sign-ins at once; try again shortly")
                .retry(Retry::After(Duration::from_secs(1)))
        })?;
        let stopped = || Error::unavailable("shutting_down", "the process is shutting down");
        let permit = Arc::clone(&self.running).acquire_owned().await.map_err(|_| stopped())?;
        // The permit goes with the work: a caller that gives up does not make room for another hash.
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        })
        .await
        .map_err(|source| stopped().caused_by(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weak() -> Passwords {
        Passwords::new(&PasswordOptions { memory_kib: 8, iterations: 1, waiting: 0, parallel: 1, lanes: 1 })
            .unwrap()
    }

    #[tokio::test]
    async fn a_hash_fits_its_password_only() {
        let passwords = weak();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
        assert_ne!(hash, passwords.hash("correct horse").await.unwrap());
        assert!(passwords.verify("correct horse", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("correct horsE", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("correct horse", None).await.unwrap());
        assert!(!passwords.verify(&"x".repeat(1025), Some(&hash)).await.unwrap());
        assert!(passwords.verify("correct horse", Some("plain")).await.is_err());
    }

    #[tokio::test]
    async fn lengths_are_bounded() {
        for bad in [String::new(), "1234567".into(), "ééééééé".into(), "x".repeat(1025)] {
            assert_eq!(weak().hash(&bad).await.unwrap_err().code(), "invalid_password");
        }
        assert!(weak().hash(&"é".repeat(1024)).await.is_ok());
    }

    #[tokio::test]
    async fn parameters_that_changed_are_noticed() {
        let old = weak().hash("correct horse").await.unwrap();
        let new = Passwords::new(&PasswordOptions::default()).unwrap();
        assert!(new.is_outdated(&old) && !weak().is_outdated(&old));
        assert!(new.verify("correct horse", Some(&old)).await.unwrap());
        assert!(Passwords::new(&PasswordOptions { lanes: 0, ..PasswordOptions::default() }).is_err());
    }

    /// The stand-in for an unknown user must be a hash that can be computed, at the current cost.
    #[test]
    fn the_stand_in_costs_as_much_as_a_real_hash() {
        let passwords = Passwords::new(&PasswordOptions::default()).unwrap();
        let hash = PasswordHash::new(&passwords.nobody).unwrap();
        assert!(!passwords.is_outdated(&passwords.nobody));
        assert_eq!(
            passwords.hasher.verify_password(b"whatever", &hash),
            Err(argon2::password_hash::Error::PasswordInvalid)
        );
    }

    #[tokio::test]
    async fn a_full_house_refuses() {
        let passwords = weak();
        let _taken = passwords.admitted.try_acquire_many(1).unwrap();
        let error = passwords.hash("correct horse").await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "busy"));
    }
}
