mod relocate;

use super::{doctor, output};
use crate::{composition::stores, config::Config};
use clap::Subcommand;
use medianest_core::{Error, Result, StoreName};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Put back what a store has lost and its mirror still has; beside a running server, too.
    Heal {
        /// The store.
        #[arg(default_value_t)]
        store: StoreName,
    },
    /// Check that stores do what is needed: write, read, read ranges, delete; and that clocks agree.
    Check {
        /// The store; all of them without.
        store: Option<StoreName>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Move the media of a library to another store, while it is used. What comes in goes there at once.
    ///
    /// Can be interrupted and called again, also to see how far it has come. Where a server runs, it does the
    /// work, and goes on without this command.
    Move(relocate::Args),
}

pub(super) async fn run(config: Config, command: Command) -> Result<()> {
    match command {
        Command::Heal { store } => heal(&config, &store).await,
        Command::Check { store, json } => check(&config, store, json).await,
        Command::Move(args) => relocate::run(config, args).await,
    }
}

async fn heal(config: &Config, name: &StoreName) -> Result<()> {
    let mirror = stores::mirror(name.as_str(), &config.store(name)?)?.ok_or_else(|| {
        let message = "the store has no mirror to be healed from; see stores.NAME.mirror";
        Error::invalid("no_mirror", message).with("store", name)
    })?;
    match mirror.heal().await? {
        0 => output::line("nothing was lost"),
        healed => output::line(format_args!("put {healed} back")),
    }
}

async fn check(config: &Config, name: Option<StoreName>, json: bool) -> Result<()> {
    let mut stores = config.all_stores();
    if let Some(name) = name {
        stores = [(name.clone(), config.store(&name)?)].into();
    }
    doctor::check_stores(&stores, json).await
}
