//! The program `medianest`.

use std::process::ExitCode;

fn main() -> ExitCode {
    medianest_server::run()
}
