use super::output;
use crate::config::Config;
use clap::Subcommand;
use medianest_core::Result;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what is configured, with what is not; secrets are left out.
    Show,
    /// Say whether the configuration is right.
    Check,
}

pub(super) fn run(config: &Config, command: &Command) -> Result<()> {
    match command {
        Command::Show => output::json(config),
        Command::Check => {
            config.database_url()?;
            config.replica_urls()?;
            config.redis_url()?;
            config.first_admin_password()?;
            for store in config.all_stores().into_values() {
                store.secret_key()?;
                store.mirror.map(|mirror| mirror.secret_key()).transpose()?;
            }
            output::line("the configuration is right")
        }
    }
}
