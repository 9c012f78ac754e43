use super::{monitoring::Monitoring, output, serve, stop::Stop};
use crate::{
    composition::{Migrate, Role, check_sandbox, compose},
    config::Config,
    metrics::{self, Figures},
    system,
};
use medianest_core::{Error, Result, event_kinds};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio_util::task::TaskTracker;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Jobs at the same time [default: one for each core].
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<usize>,
}

pub(super) async fn run(config: Config) -> Result<()> {
    if config.workers.jobs == Some(0) {
        return Err(Error::invalid(
            "configuration",
            "a worker without jobs does nothing; give --jobs 1 or more",
        ));
    }
    let recorder = metrics::install()?;
    let nest = compose(&config, Migrate::No, Role::Stays).await?;
    // Nobody sends requests here.
    let stop = Stop::on_signal(Duration::ZERO)?;
    let state = nest.state(&config).draining(stop.draining.clone()).depends_on("sandbox", check_sandbox);
    let health = state.health.clone();
    let figures = Figures::new(recorder.clone(), &nest, health.clone());
    let state = state.metrics(move || Arc::clone(&figures).render());
    let _monitoring = Monitoring::start(&config, state).await?;
    let tasks = TaskTracker::new();
    serve::work(&nest, &config, &tasks, &stop);
    tasks.spawn(system::watch_health(nest.engine.clone(), health, stop.closed.clone()));
    tasks.spawn(metrics::upkeep(recorder, stop.closed.clone()));
    output::notice(format_args!("Working. Data directory: {}", config.data_dir.display()));
    system::tell(&nest.engine, event_kinds::SYSTEM_STARTED, json!({ "role": "worker" })).await;
    stop.closed.cancelled().await;
    system::tell(&nest.engine, event_kinds::SYSTEM_STOPPING, json!({ "role": "worker" })).await;
    tasks.close();
    tasks.wait().await;
    nest.engine.catalog().close().await;
    Ok(())
}
