use crate::trust::is_untrusted;
use medianest_core::{BlobKey, Error, ErrorKind, blob_not_found};
use std::{error::Error as StdError, io};

/// What a store says of a key.
pub(super) fn from_store(error: object_store::Error, key: &BlobKey) -> Error {
    if matches!(error, object_store::Error::NotFound { .. }) || is_no_file(&error) {
        return blob_not_found(key);
    }
    unavailable(error).with("key", key)
}

/// What a store says of itself.
pub(super) fn unavailable(error: object_store::Error) -> Error {
    use object_store::Error::{PermissionDenied, Unauthenticated};
    let ours = match cause(&error).map(io::Error::kind) {
        Some(kind) if is_full(kind) => storage_full(),
        _ if is_untrusted(&error) => storage_untrusted(),
        _ if says(&error, "RequestTimeTooSkewed") => clock_skewed(),
        _ if matches!(error, PermissionDenied { .. } | Unauthenticated { .. }) => storage_refused(),
        _ => storage_unavailable(),
    };
    ours.caused_by(error)
}

/// What the file system says.
pub(super) fn from_io(error: io::Error) -> Error {
    if is_full(error.kind()) { storage_full() } else { storage_unavailable() }.caused_by(error)
}

/// A blocking task was cancelled with its runtime, or panicked.
pub(super) fn from_join(error: tokio::task::JoinError) -> Error {
    storage_unavailable().caused_by(error)
}

fn storage_unavailable() -> Error {
    Error::unavailable("storage_unavailable", "the blob store does not do its work")
}

fn storage_refused() -> Error {
    Error::unavailable(
        "storage_refused",
        "the blob store does not accept our credentials, or gives them no right to do this",
    )
}

fn storage_untrusted() -> Error {
    Error::unavailable(
        "storage_untrusted",
        "the certificate of the blob store is not trusted, or good no longer; renew it, or name who issued it in \
         ca_file",
    )
}

fn clock_skewed() -> Error {
    Error::unavailable(
        "clock_skewed",
        "the clock of this machine and that of the blob store differ too much; synchronise it",
    )
}

/// Whether the code of an answer, which is in no field, is this one.
fn says(error: &object_store::Error, code: &str) -> bool {
    error.to_string().contains(code)
}

fn storage_full() -> Error {
    Error::new(ErrorKind::StorageFull, "storage_full", "there is no room left to store bytes")
}

fn is_full(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(kind, StorageFull | QuotaExceeded | FileTooLarge)
}

/// The key names a folder, or goes through a file.
pub(super) fn is_no_file(error: &object_store::Error) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory};
    cause(error).is_some_and(|error| matches!(error.kind(), IsADirectory | NotADirectory))
}

fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    std::iter::successors(Some(error), |error| (*error).source()).find_map(|error| error.downcast_ref())
}
