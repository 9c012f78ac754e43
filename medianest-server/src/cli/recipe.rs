use super::{library::require, nest::Reached, output};
use crate::config::Config;
use clap::Subcommand;
use http::Method;
use medianest_core::{Error, Result};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the recipe of a library, as JSON.
    Show {
        /// The library, by id or name.
        library: String,
    },
    /// Make what the assets of a library lack of its recipe.
    Apply {
        /// The library, by id or name.
        library: String,
        /// Replace the recipe before, by what `show` shows.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// What was done, as JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: Config, command: Command) -> Result<()> {
    let reached = Reached::open(&config).await?;
    let done = act(&reached, command).await;
    reached.close().await;
    done
}

async fn act(reached: &Reached, command: Command) -> Result<()> {
    match command {
        Command::Show { library } => {
            let library = require(reached, &library).await?;
            let recipe = reached.call(Method::GET, &format!("/libraries/{library}/recipe"), None).await?;
            output::json(&recipe["variants"])
        }
        Command::Apply { library, file, json } => {
            let library = require(reached, &library).await?;
            if let Some(file) = file {
                let variants = read(&file)?;
                let path = format!("/libraries/{library}/recipe");
                reached.call(Method::PUT, &path, Some(json!({ "variants": variants }))).await?;
            }
            let path = format!("/libraries/{library}/recipe/apply");
            let applied = reached.call(Method::POST, &path, None).await?;
            if json {
                return output::json(&applied);
            }
            output::line(format_args!(
                "{} assets: {} renditions are up to date, {} are being made",
                applied["assets"], applied["fresh"], applied["declared"]
            ))
        }
    }
}

fn read(file: &PathBuf) -> Result<Value> {
    let wrong =
        |message: &'static str| Error::invalid("invalid_recipe", message).with("path", file.display());
    let text =
        std::fs::read_to_string(file).map_err(|source| wrong("cannot read the file").caused_by(source))?;
    serde_json::from_str(&text).map_err(|source| wrong("this is not JSON").caused_by(source))
}
