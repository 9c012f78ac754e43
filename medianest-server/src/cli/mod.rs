//! The commands, one file each.

mod completions;
mod config;
mod db;
mod doctor;
mod import;
mod library;
mod monitoring;
mod nest;
mod openapi;
mod output;
mod recipe;
mod serve;
mod stop;
mod store;
mod user;
mod worker;

use crate::config::{Config, Overrides, load};
use clap::{Parser, Subcommand};
use medianest_core::{Error, Result};
use std::{path::PathBuf, process::ExitCode};

/// Media management: put photos, videos and songs in; get them back understood, rendered and findable.
#[derive(Debug, Parser)]
#[command(name = "medianest", version, max_term_width = 100)]
struct Cli {
    /// The configuration file [default: medianest.toml in the data directory].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where everything is kept [default: $XDG_DATA_HOME/medianest].
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API and the page, and work on media.
    Serve(serve::Args),
    /// Work on media only, beside servers on the same PostgreSQL database.
    Worker(worker::Args),
    /// Put the photos, videos and songs of a folder in.
    Import(import::Args),
    /// Add and look after users.
    #[command(subcommand)]
    User(user::Command),
    /// Look at the libraries.
    #[command(subcommand)]
    Library(library::Command),
    /// Look after the database.
    #[command(subcommand)]
    Db(db::Command),
    /// Look after the stores of media.
    #[command(subcommand)]
    Store(store::Command),
    /// Show or apply what is derived from the assets of a library.
    #[command(subcommand)]
    Recipe(recipe::Command),
    /// Check that everything that is needed is there.
    Doctor(doctor::Args),
    /// Print the OpenAPI document.
    Openapi,
    /// Show or check the configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Print a completion script for a shell.
    Completions(completions::Args),
}

/// Runs the program.
pub fn run() -> ExitCode {
    // Whatever is written is for us alone, also in a directory that others may enter.
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let prepared = crate::composition::before_threads();
    match prepared.and_then(|()| dispatch(Cli::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Lets memory that is free go back to the system while nothing happens, too. The allocator does that in a
/// thread, which nobody may start before the sandbox is prepared.
fn give_memory_back() {
    #[cfg(not(target_env = "msvc"))]
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(true) {
        tracing::debug!(%error, "free memory goes back only while something happens");
    }
}

fn dispatch(cli: Cli) -> Result<()> {
    let mut overrides = Overrides { file: cli.config, data_dir: cli.data_dir, ..Overrides::default() };
    if let Command::Serve(args) = &cli.command {
        overrides.listen = args.listen;
        overrides.workers = args.workers;
    }
    if let Command::Worker(args) = &cli.command {
        overrides.workers = args.jobs;
    }
    match cli.command {
        Command::Openapi => openapi::run(),
        Command::Completions(args) => completions::run(&args),
        command => {
            let config = load(&overrides)?;
            match command {
                Command::Serve(_) => {
                    log(&config)?;
                    give_memory_back();
                    runtime()?.block_on(serve::run(config))
                }
                Command::Worker(_) => {
                    log(&config)?;
                    give_memory_back();
                    runtime()?.block_on(worker::run(config))
                }
                Command::Import(args) => runtime()?.block_on(import::run(config, args)),
                Command::User(command) => runtime()?.block_on(user::run(config, command)),
                Command::Library(command) => runtime()?.block_on(library::run(config, command)),
                Command::Db(command) => runtime()?.block_on(db::run(config, command)),
                Command::Store(command) => runtime()?.block_on(store::run(config, command)),
                Command::Recipe(command) => runtime()?.block_on(recipe::run(config, command)),
                Command::Doctor(args) => runtime()?.block_on(doctor::run(config, args)),
                Command::Config(command) => config::run(&config, &command),
                Command::Openapi | Command::Completions(_) => Ok(()),
            }
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::internal("the system gives no threads").caused_by(source))
}

fn log(config: &Config) -> Result<()> {
    use crate::config::LogFormat;
    use std::io::IsTerminal;
    use tracing_subscriber::fmt;

    let log = fmt().with_env_filter(config.log.filter()?).with_writer(std::io::stderr);
    match config.log.format {
        LogFormat::Json => log.json().init(),
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
    }
    Ok(())
}
