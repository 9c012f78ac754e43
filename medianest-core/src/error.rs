//! One error type: what kind it is, a stable public code, whether to try again, on what it happened.

use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, time::Duration};

/// Shorthand for a result with our [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure this is; decides how a caller reacts and which HTTP status it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The input breaks a rule that its documentation states.
    InvalidInput,
    /// Nobody is signed in, or the proof is not valid.
    Unauthenticated,
    /// The principal may see the thing but not do this to it.
    Forbidden,
    /// There is no such thing, or the principal may not know of it.
    NotFound,
    /// The thing is there already, or in a state that does not allow this.
    Conflict,
    /// The thing changed since the caller read it (`If-Match`).
    PreconditionFailed,
    /// It was there once and will not come back (an expired cursor, a used link).
    Gone,
    /// It happens too often; once [`Retry::After`] has passed it may happen again.
    RateLimited,
    /// More bytes than the limit allows.
    TooLarge,
    /// The media cannot be processed: unknown type, unsupported codec, damaged, over a limit.
    Media,
    /// The backend or the build does not offer this.
    Unsupported,
    /// The lease of a job is no longer the caller's (another attempt has it, or it was cancelled).
    Fenced,
    /// The caller asked to stop.
    Cancelled,
    /// A deadline passed.
    TimedOut,
    /// A dependency is away or overloaded.
    Unavailable,
    /// There is no room left to store bytes.
    StorageFull,
    /// A bug, or a broken dependency.
    Internal,
}

/// Whether trying the same again can help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// The same call will fail the same way.
    #[default]
    Never,
    /// At once, for instance after a lost race.
    Now,
    /// Not before this much time has passed.
    After(Duration),
}

/// What failed, on what, and what to do about it.
///
/// The message is fit for the public, lowercase and without a full stop; inner causes are only in
/// [`source`](std::error::Error::source), and belong in a log.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    retry: Retry,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of a kind with a stable public `code` (`snake_case`) and a message for people.
    pub fn new(
        kind: ErrorKind,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let retry = match kind {
            ErrorKind::Unavailable | ErrorKind::StorageFull => Retry::After(Duration::from_secs(5)),
            _ => Retry::Never,
        };
        let (code, message) = (code.into(), message.into());
        Self(Box::new(Inner { kind, code, message, retry, context: Vec::new(), source: None }))
    }

    /// Shorthand for [`ErrorKind::InvalidInput`].
    pub fn invalid(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidInput, code, message)
    }

    /// Shorthand for [`ErrorKind::NotFound`]: `what` is the word for the thing (`"asset"`).
    pub fn not_found(what: &'static str, id: impl fmt::Display) -> Self {
        Self::new(ErrorKind::NotFound, format!("{what}_not_found"), format!("no such {what}")).with("id", id)
    }

    /// Shorthand for [`ErrorKind::Conflict`].
    pub fn conflict(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Conflict, code, message)
    }

    /// Shorthand for [`ErrorKind::Media`].
    pub fn media(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Media, code, message)
    }

    /// Shorthand for [`ErrorKind::Unavailable`].
    pub fn unavailable(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unavailable, code, message)
    }

    /// Shorthand for [`ErrorKind::Internal`] with the code `internal`.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Internal, "internal", message)
    }

    /// Shorthand for the error of a job whose lease is no longer the caller's.
    pub fn fenced() -> Self {
        Self::new(ErrorKind::Fenced, "lease_lost", "the lease of this job has passed on")
    }

    /// Says on what it happened.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says whether trying again can help.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable public code.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The message alone, without context.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether trying again can help.
    pub fn retry_advice(&self) -> Retry {
        self.0.retry
    }

    /// On what it happened.
    pub fn context(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.context.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// The error with its causes, on one line, for a log.
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if !self.0.context.is_empty() {
            f.write_str(" (")?;
            for (index, (key, value)) in self.0.context.iter().enumerate() {
                write!(f, "{}{key}: {value}", if index == 0 { "" } else { ", " })?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} [{}] {self}", self.0.kind, self.0.code)?;
        if let Some(source) = &self.0.source {
            write!(f, ": {source:?}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Why an asset, a rendition or a job came to nothing: kept in its row and shown to its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A stable code, see [`Error::code`].
    pub code: String,
    /// What happened, for people.
    pub message: String,
}

impl Failure {
    /// A failure with a stable code and a message for people.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self::new(error.code(), error.message())
    }
}
