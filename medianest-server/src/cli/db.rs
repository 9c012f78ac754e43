use super::output;
use crate::{
    composition::{Migrate, Role, compose},
    config::Config,
};
use clap::Subcommand;
use medianest_core::Result;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create or upgrade the tables; SQLite is copied aside before.
    Migrate,
    /// Say whether the database answers and its tables are up to date.
    Check,
    /// Say that the database was restored from a backup: readers of events begin anew.
    Restored,
}

pub(super) async fn run(config: Config, command: Command) -> Result<()> {
    let config = config.without_redis();
    match command {
        Command::Migrate => {
            let nest = compose(&config, Migrate::Yes, Role::Command).await?;
            nest.engine.catalog().close().await;
            output::line("the tables are up to date")
        }
        Command::Restored => {
            let nest = compose(&config, Migrate::Yes, Role::Command).await?;
            let head = nest.engine.catalog().begin_epoch().await?;
            nest.engine.catalog().close().await;
            output::line(format_args!("the events go on after {head}; cursors of before are refused"))
        }
        Command::Check => {
            let nest = match compose(&config, Migrate::No, Role::Command).await {
                // It would not run on tables that are not up to date.
                Err(error) if error.code() == "data_dir_in_use" => {
                    return output::line("a server is running on this data directory");
                }
                composed => composed?,
            };
            let time = nest.engine.catalog().check().await?;
            nest.engine.catalog().close().await;
            output::line(format_args!("the tables are up to date; the database's time is {time}"))
        }
    }
}
