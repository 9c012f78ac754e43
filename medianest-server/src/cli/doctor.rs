mod store;

use super::output;
use crate::{
    composition::{Migrate, check_encoders, compose, redis, sandbox_report},
    config::{Config, DEFAULT_STORE},
};
use medianest_core::{Error, Result};
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    fine: bool,
    detail: String,
}

impl Check {
    fn of(name: &'static str, result: Result<String>) -> Self {
        match result {
            Ok(detail) => Self { name, fine: true, detail },
            Err(error) => Self { name, fine: false, detail: error.report() },
        }
    }
}

pub(super) async fn run(config: Config, args: Args) -> Result<()> {
    let mut checks = vec![
        Check::of("data directory", data_dir(&config)),
        Check::of("database", database(&config).await),
        Check::of("store", store::check(&config, DEFAULT_STORE, &config.store()).await),
        Check::of(
            "sandbox",
            sandbox_report().map(|report| {
                report.unwrap_or_else(|| "none on this system: media is decoded in this process".into())
            }),
        ),
        Check::of("FFmpeg", check_encoders().map(|()| "encodes H.264 and AAC".into())),
    ];
    if let Some(report) = redis::report(&config).await {
        checks.push(Check::of("Redis", report));
    }
    if args.json {
        output::json(&checks)?;
    } else {
        for check in &checks {
            output::line(format_args!(
                "{} {}: {}",
                if check.fine { "ok  " } else { "FAIL" },
                check.name,
                check.detail
            ))?;
        }
    }
    match checks.iter().all(|check| check.fine) {
        true => Ok(()),
        false => Err(Error::invalid("unhealthy", "not everything is as it should be; see above")),
    }
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

async fn database(config: &Config) -> Result<String> {
    // Redis is looked at by itself.
    match compose(&config.clone().without_redis(), Migrate::No).await {
        Ok(nest) => {
            let time = nest.engine.catalog().check().await?;
            nest.engine.catalog().close().await;
            Ok(format!("answers, its time is {time}"))
        }
        // Whoever owns it looks after it.
        Err(error) if error.code() == "data_dir_in_use" => Ok("a server is running on it".into()),
        Err(error) => Err(error),
    }
}
