use crate::trust::is_untrusted;
use medianest_core::Error;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use std::time::Duration;

/// The code of the error of a script that the server does not know yet.
pub(super) const UNKNOWN_SCRIPT: &str = "redis_unknown_script";

/// Nobody answers, or not in time.
pub(super) fn unavailable() -> Error {
    Error::unavailable("redis_unavailable", "redis does not answer")
}

pub(super) fn silent(patience: Duration) -> Error {
    unavailable().with("waited_ms", patience.as_millis())
}

/// An answer that is none of what was asked for.
pub(super) fn unexpected(what: &'static str) -> Error {
    Error::internal("redis answered something unexpected").with("to", what)
}

/// Whether this says why there is no connection.
pub(super) fn tells(error: &RedisError) -> bool {
    is_refusal(error) || is_untrusted(error)
}

fn is_refusal(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm))
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
}

/// The same once more, for another who asks.
pub(super) fn again(error: &Error) -> Error {
    Error::new(error.kind(), error.code().to_owned(), error.message().to_owned())
}

pub(super) fn from_redis(source: RedisError) -> Error {
    let error = match (source.kind(), source.code()) {
        _ if is_refusal(&source) => {
            Error::unavailable("redis_refused", "redis refuses these credentials, or lets them do too little")
        }
        _ if is_untrusted(&source) => Error::unavailable(
            "redis_untrusted",
            "the certificate of redis is not trusted, or good no longer; renew it, or name who issued it in \
             redis.ca_file",
        ),
        (_, Some("OOM")) => Error::unavailable("redis_full", "redis has no memory left; raise its maxmemory"),
        (ErrorKind::Server(ServerErrorKind::Moved), _) => Error::unavailable(
            "redis_is_cluster",
            "this redis is part of a cluster; give its nodes as redis-cluster://host:port,host:port",
        ),
        (ErrorKind::Server(ServerErrorKind::NoScript), _) => {
            Error::new(medianest_core::ErrorKind::Internal, UNKNOWN_SCRIPT, "redis does not know this script")
        }
        (ErrorKind::InvalidClientConfig, _) => Error::invalid("invalid_redis_url", "redis cannot be used so"),
        (
            ErrorKind::Server(
                ServerErrorKind::ResponseError
                | ServerErrorKind::CrossSlot
                | ServerErrorKind::ExecAbort
                | ServerErrorKind::NotBusy
                | ServerErrorKind::NoSub,
            )
            | ErrorKind::UnexpectedReturnType
            | ErrorKind::Client,
            _,
        ) => Error::internal("redis refused a command"),
        _ => unavailable(),
    };
    error.caused_by(source)
}

/// Whether the connection is of no use any more: gone, or to what is a replica now.
pub(super) fn breaks(error: &RedisError) -> bool {
    error.is_io_error()
        || matches!(
            error.kind(),
            ErrorKind::Parse
                | ErrorKind::ClusterConnectionNotFound
                | ErrorKind::Server(ServerErrorKind::ReadOnly)
        )
}
