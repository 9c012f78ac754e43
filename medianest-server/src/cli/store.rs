use super::output;
use crate::{
    composition::stores,
    config::{Config, DEFAULT_STORE},
};
use clap::Subcommand;
use medianest_core::{Error, Result};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Put back what the store has lost and its mirror still has; beside a running server, too.
    Heal,
}

pub(super) async fn run(config: Config, command: Command) -> Result<()> {
    let Command::Heal = command;
    let mirror = stores::mirror(&config, DEFAULT_STORE, &config.store())?.ok_or_else(|| {
        Error::invalid("no_mirror", "the store has no mirror to be healed from; see stores.default.mirror")
    })?;
    match mirror.heal().await? {
        0 => output::line("nothing was lost"),
        healed => output::line(format_args!("put {healed} back")),
    }
}
