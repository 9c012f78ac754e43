use super::{output, serve};
use crate::{
    composition::{Migrate, check_sandbox, compose},
    config::Config,
    system,
};
use medianest_core::{Error, Result, event_kinds};
use serde_json::json;
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
    let nest = compose(&config, Migrate::No).await?;
    let stop = serve::stop_signal()?;
    let tasks = TaskTracker::new();
    serve::work(&nest, &config, &tasks, &stop);
    let health = nest.state(&config).depends_on("sandbox", check_sandbox).health;
    tasks.spawn(system::watch_health(nest.engine.clone(), health, stop.clone()));
    output::line(format_args!("Working. Data directory: {}", config.data_dir.display()))?;
    system::tell(&nest.engine, event_kinds::SYSTEM_STARTED, json!({ "role": "worker" })).await;
    stop.cancelled().await;
    system::tell(&nest.engine, event_kinds::SYSTEM_STOPPING, json!({ "role": "worker" })).await;
    tasks.close();
    tasks.wait().await;
    nest.engine.catalog().close().await;
    Ok(())
}
