use super::{monitoring::Monitoring, nest::as_system, output, stop::Stop};
use crate::{
    composition::{Migrate, Nest, Role, check_encoders, check_media_dir, check_sandbox, compose},
    config::{Config, Secret},
    data_dir,
    health::{Health, Need, store_name},
    metrics::{self, Figures},
    routes,
    serving::{Serving, bind},
    system,
};
use medianest_core::{Error, JobKind, Result, engine::Worker, event_kinds};
use serde_json::json;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio_util::task::TaskTracker;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The address to listen at [default: 0.0.0.0:8080].
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<SocketAddr>,
    /// Jobs at the same time; 0 leaves all work to `medianest worker` [default: one for each core].
    #[arg(long, value_name = "N")]
    pub(super) workers: Option<usize>,
}

pub(super) async fn run(config: Config) -> Result<()> {
    let first_password = config.first_admin_password()?;
    let recorder = metrics::install()?;
    let nest = compose(&config, Migrate::Yes, Role::Stays).await?;
    first_run(&nest, &config, first_password).await?;
    for path in data_dir::open_to_others(&config) {
        tracing::warn!(path = %path.display(), "other users of this machine can look in; let them not: chmod 700");
    }

    let stop = Stop::on_signal(config.http.drain())?;
    let listener = bind("listen", config.listen, config.http.reuse_port)?;
    let address = listener.local_addr().unwrap_or(config.listen);
    let mut state = nest.state(&config).draining(stop.draining.clone()).shutdown(stop.closed.clone());
    state.health = look_at_dirs(state.health, &config);
    if config.workers.jobs != Some(0) {
        state = state.depends_on("sandbox", check_sandbox);
    }
    let health = state.health.clone();
    let figures = Figures::new(recorder.clone(), &nest, health.clone());
    let state = state.metrics(move || Arc::clone(&figures).render());
    let _monitoring = Monitoring::start(&config, state.clone()).await?;

    let tasks = TaskTracker::new();
    let serving = Serving::new(&config.http, stop.draining.clone(), stop.closed.clone());
    let local = Arc::new(as_system(routes(state.clone())));
    let endpoint = Arc::new(routes(state));
    tasks.spawn({
        let serving = serving.clone();
        async move { serving.tcp(listener, endpoint).await }
    });
    #[cfg(unix)]
    if config.database_url()?.is_none() {
        let listener = listen_locally(&config)?;
        let serving = serving.clone();
        tasks.spawn(async move { serving.local(listener, local).await });
    }
    work(&nest, &config, &tasks, &stop);
    tasks.spawn(system::watch_health(nest.engine.clone(), health, stop.closed.clone()));
    tasks.spawn(system::trim_sessions(Arc::clone(&nest.identity), stop.closed.clone()));
    tasks.spawn(metrics::upkeep(recorder, stop.closed.clone()));
    announce(&config, address);
    system::tell(&nest.engine, event_kinds::SYSTEM_STARTED, json!({ "role": "serve" })).await;

    stop.draining.cancelled().await;
    tracing::info!("stopping");
    system::tell(&nest.engine, event_kinds::SYSTEM_STOPPING, json!({ "role": "serve" })).await;
    stop.closed.cancelled().await;
    serving.drained().await;
    tasks.close();
    tasks.wait().await;
    nest.engine.catalog().close().await;
    #[cfg(unix)]
    std::fs::remove_file(data_dir::socket(&config.data_dir)).ok();
    tracing::info!("stopped");
    Ok(())
}

/// Looks at the folders that stores are in, too: a store without its folder says that nothing is there.
fn look_at_dirs(mut health: Health, config: &Config) -> Health {
    for (name, store) in config.all_stores() {
        let dirs = store.dirs();
        if !dirs.is_empty() {
            let what = format!("directory of {}", store_name(&name));
            let look = move || dirs.iter().try_for_each(|path| check_media_dir(path));
            health = health.and_blocking(&what, Need::of(&name), look);
        }
    }
    health
}

/// Work on media in this process, or at least what some process must do.
pub(super) fn work(nest: &Nest, config: &Config, tasks: &TaskTracker, stop: &Stop) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = config.workers.jobs.unwrap_or(cores);
    if jobs == 0 {
        tasks.spawn(nest.engine.housekeeping().shutdown(stop.closed.clone()).run());
        return;
    }
    if let Err(error) = check_encoders() {
        tracing::warn!(error = %error.report(), "videos will get no HLS, and songs no AAC");
    }
    let transcodes = config.workers.transcodes.unwrap_or(1).min(jobs);
    let worker: Worker = nest
        .engine
        .worker()
        .concurrency(JobKind::Understand, jobs)
        .concurrency(JobKind::Render, jobs)
        .concurrency(JobKind::Transcode, transcodes)
        .concurrency(JobKind::Move, 1)
        .grace(Duration::from_secs(config.http.grace_seconds.into()))
        .shutdown(stop.draining.clone());
    tasks.spawn(async move {
        if let Err(error) = worker.run().await {
            tracing::error!(error = %error.report(), "the worker ended");
        }
    });
}

/// The first administrator, when there is nobody yet.
async fn first_run(nest: &Nest, config: &Config, chosen: Option<Secret>) -> Result<()> {
    let chosen = chosen.map(|secret| secret.reveal().to_owned());
    let is_chosen = chosen.is_some();
    let created = nest.accounts.create_first_admin(&config.accounts.first_admin, chosen).await?;
    let Some((user, password)) = created else { return Ok(()) };
    if is_chosen {
        return output::line(format_args!("The first administrator is {}.", user.login));
    }
    output::line(format_args!(
        "The first administrator is {}, with the one-time password {password}\n\
         It is shown only now, and must be changed at the first sign-in.",
        user.login
    ))
}

fn announce(config: &Config, address: SocketAddr) {
    output::notice(format_args!("Data directory: {}", config.data_dir.display()));
    let port = address.port();
    match address.ip().is_unspecified() {
        true => output::notice(format_args!("MediaNest is ready: http://localhost:{port}")),
        false => output::notice(format_args!("MediaNest is ready: http://{address}")),
    }
    if let Some(url) = &config.public_url {
        output::notice(format_args!("From outside:       {url}"));
    } else if let Some(ip) = lan_address().filter(|_| address.ip().is_unspecified()) {
        output::notice(format_args!("In your network:    http://{}", SocketAddr::new(ip, port)));
    }
}

/// Our address in the local network: the one that a packet to elsewhere would come from. None is sent.
fn lan_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // TEST-NET-1 of RFC 5737: never anybody's.
    socket.connect("192.0.2.1:9").ok()?;
    socket
        .local_addr()
        .ok()
        .map(|address| address.ip())
        .filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

/// The socket for commands beside the server. Its owner is the owner of the directory.
#[cfg(unix)]
fn listen_locally(config: &Config) -> Result<tokio::net::UnixListener> {
    use std::os::unix::fs::PermissionsExt;

    let path = data_dir::socket(&config.data_dir);
    let failed = |source: std::io::Error| {
        Error::invalid("local_socket", "cannot listen on the local socket; the path may be too long")
            .with("path", path.display())
            .caused_by(source)
    };
    // Left behind by a process that was killed: the directory is locked, so nobody listens there.
    std::fs::remove_file(&path).ok();
    let listener = tokio::net::UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}
