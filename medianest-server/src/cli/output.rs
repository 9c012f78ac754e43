use medianest_core::{Error, Result};
use serde::Serialize;
use std::io::Write;

/// One line on standard output. A reader that has seen enough (`| head`) ends the program quietly.
pub(super) fn line(text: impl std::fmt::Display) -> Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => {
            written.map_err(|source| Error::internal("cannot write to standard output").caused_by(source))
        }
    }
}

/// As [`line`], for a program that goes on whether or not anybody reads it.
pub(super) fn notice(text: impl std::fmt::Display) {
    writeln!(std::io::stdout().lock(), "{text}").ok();
}

/// Data as JSON on standard output.
pub(super) fn json(data: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(data)
        .map_err(|source| Error::internal("cannot write JSON").caused_by(source))?;
    line(text)
}

/// What went wrong, with its causes, on standard error.
pub(super) fn error(error: &Error) {
    // There is nobody left to tell when this fails.
    writeln!(std::io::stderr().lock(), "medianest: {}", error.report()).ok();
}
