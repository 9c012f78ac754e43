use super::Cli;
use clap::CommandFactory;
use clap_complete::Shell;
use medianest_core::Result;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Result<()> {
    clap_complete::generate(args.shell, &mut Cli::command(), "medianest", &mut std::io::stdout());
    Ok(())
}
