use super::{nest::Reached, output};
use crate::config::Config;
use clap::Subcommand;
use medianest_core::{Error, Result};
use serde_json::Value;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the libraries.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: Config, command: Command) -> Result<()> {
    let Command::List { json } = command;
    let reached = Reached::open(&config).await?;
    let libraries = reached.all("/libraries").await;
    reached.close().await;
    let libraries = libraries?;
    if json {
        return output::json(&libraries);
    }
    libraries.iter().try_for_each(|library| {
        let text = |key: &str| library[key].as_str().unwrap_or_default();
        output::line(format_args!("{}  {}", text("id"), text("name")))
    })
}

/// The id of the library of this id or name, if there is one.
///
/// # Errors
/// `ambiguous_library` when several have the name.
pub(super) async fn find(reached: &Reached, wanted: &str) -> Result<Option<String>> {
    let libraries = reached.all("/libraries").await?;
    let ids = |key: &str| -> Vec<String> {
        let found = libraries.iter().filter(|library| library[key] == wanted);
        found.filter_map(|library: &Value| library["id"].as_str().map(str::to_owned)).collect()
    };
    if let Some(id) = ids("id").pop() {
        return Ok(Some(id));
    }
    let mut named = ids("name");
    if named.len() > 1 {
        return Err(Error::invalid("ambiguous_library", "several libraries have this name; give the id")
            .with("ids", named.join(", ")));
    }
    Ok(named.pop())
}

/// As [`find`], for one that must be there.
///
/// # Errors
/// `library_not_found` too.
pub(super) async fn require(reached: &Reached, wanted: &str) -> Result<String> {
    find(reached, wanted).await?.ok_or_else(|| {
        Error::not_found("library", wanted).with("hint", "medianest library list shows what there is")
    })
}
