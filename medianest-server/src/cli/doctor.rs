mod check;
mod disk;
mod postgres;
mod redis;
mod store;

use super::output;
use crate::{
    composition::{Migrate, Role, check_encoders, compose, sandbox_report},
    config::{Config, Store},
};
use check::Check;
use medianest_core::{Error, Result, StoreName};
use std::collections::BTreeMap;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON: a list of `name`, `fine`, `detail` and `advice`.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, args: Args) -> Result<()> {
    show(&checks(&config).await, args.json)
}

/// Whether stores do what is needed of them.
///
/// # Errors
/// `unhealthy`.
pub(super) async fn check_stores(stores: &BTreeMap<StoreName, Store>, json: bool) -> Result<()> {
    show(&store_checks(stores).await, json)
}

fn show(checks: &[Check], json: bool) -> Result<()> {
    if json {
        output::json(&checks)?;
    } else {
        checks.iter().try_for_each(Check::show)?;
    }
    match checks.iter().all(Check::is_fine) {
        true => Ok(()),
        false => Err(Error::invalid("unhealthy", "not everything is as it should be; see above")),
    }
}

async fn checks(config: &Config) -> Vec<Check> {
    let mut checks = vec![Check::of(
        "data directory",
        data_dir(config),
        "let the user that runs the program own it, and nobody else look in: chown, chmod 700",
    )];
    checks.extend(disk::checks(config));
    match config.database_url() {
        Ok(None) => checks.push(sqlite(config).await),
        Ok(Some(_)) => checks.extend(postgres::checks(config).await),
        Err(error) => checks.push(Check::failed("postgres", &error, "correct database.url, or its file")),
    }
    checks.extend(redis::checks(config).await);
    checks.extend(store_checks(&config.all_stores()).await);
    let without = "none on this system: media is decoded in this process";
    checks.push(Check::of(
        "sandbox",
        sandbox_report().map(|report| report.unwrap_or_else(|| without.into())),
        "let the program make processes, and confine them (seccomp, landlock)",
    ));
    checks.push(Check::of(
        "FFmpeg",
        check_encoders().map(|()| "encodes H.264 and AAC".into()),
        "install an FFmpeg that was built with libx264",
    ));
    checks
}

async fn store_checks(stores: &BTreeMap<StoreName, Store>) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, store) in stores {
        let advice = format!(
            "see that the folder or bucket of stores.{name} is there, that it may be written to, read, listed and \
             deleted from, and that the clocks agree"
        );
        let found = store::check(name.as_str(), store).await;
        checks.push(Check::of(format!("store {name}"), found, &advice));
    }
    checks
}

fn data_dir(config: &Config) -> Result<String> {
    crate::data_dir::create(&config.data_dir)?;
    let probe = config.data_dir.join("doctor.probe");
    std::fs::write(&probe, b"x").and_then(|()| std::fs::remove_file(&probe)).map_err(|source| {
        Error::invalid("data_dir", "the data directory cannot be written to").caused_by(source)
    })?;
    match crate::data_dir::open_to_others(config).first() {
        Some(path) => Err(Error::invalid(
            "data_dir_open",
            "other users of this machine can look in; let them not: chmod 700",
        )
        .with("path", path.display())),
        None => Ok(config.data_dir.display().to_string()),
    }
}

async fn sqlite(config: &Config) -> Check {
    const ADVICE: &str =
        "run `medianest db migrate`; if the file is damaged, put the newest copy of backups/ back";
    let looked = async {
        match compose(config, Migrate::No, Role::Command).await {
            Ok(nest) => {
                let time = nest.engine.catalog().check().await?;
                nest.engine.catalog().close().await;
                Ok(format!("answers, its time is {time}"))
            }
            // Whoever owns it looks after it.
            Err(error) if error.code() == "data_dir_in_use" => Ok("a server is running on it".into()),
            Err(error) => Err(error),
        }
    };
    Check::of("database", looked.await, ADVICE)
}
