//! `medianest store move`.

use super::super::{library, nest::Reached, output, stop::Stop};
use crate::config::Config;
use http::Method;
use indicatif::{ProgressBar, ProgressStyle};
use medianest_core::{Error, Failure, JobKind, Result, StoreName};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is asked how far it has come.
const LOOK: Duration = Duration::from_millis(300);
/// What the bar is divided into.
const STEPS: u64 = 1000;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The library, by id or name.
    library: String,
    /// The store, by the name it is configured under.
    store: StoreName,
    /// What was done, as JSON.
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) async fn run(config: Config, args: Args) -> Result<()> {
    let reached = Reached::open(&config).await?;
    let stop = Stop::on_signal(Duration::ZERO)?.draining;
    let moved = {
        let working = work(&reached, &stop);
        let moving = async {
            let moved = follow(&reached, &args, &stop).await;
            stop.cancel();
            moved
        };
        let (moved, worked) = futures::join!(moving, working);
        moved.and_then(|moved| worked.map(|()| moved))
    };
    reached.close().await;
    report(&moved?, &args)
}

/// Does the work itself, where no server does.
async fn work(reached: &Reached, stop: &CancellationToken) -> Result<()> {
    let Some(engine) = reached.engine() else { return Ok(()) };
    let mut worker = engine.worker().shutdown(stop.clone()).grace(Duration::ZERO);
    for kind in JobKind::ALL {
        worker = worker.concurrency(kind, usize::from(kind == JobKind::Move));
    }
    worker.run().await
}

/// Begins the move, and looks until it has ended.
async fn follow(reached: &Reached, args: &Args, stop: &CancellationToken) -> Result<Value> {
    let id = library::require(reached, &args.library).await?;
    let path = format!("/libraries/{id}/store");
    let mut state = reached.call(Method::PUT, &path, Some(json!({ "store": args.store }))).await?;
    let bar = ProgressBar::new(STEPS);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent}% {msg}") {
        bar.set_style(style);
    }
    while is_open(&state) {
        let done = state["job"]["progress"].as_f64().unwrap_or_default().clamp(0.0, 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
        bar.set_position((done * STEPS as f64) as u64);
        bar.set_message(state["job"]["state"].as_str().unwrap_or_default().to_owned());
        if stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none() {
            bar.abandon();
            return Err(Error::new(
                medianest_core::ErrorKind::Cancelled,
                "interrupted",
                "interrupted; call it again to go on, or to see how far a running server has come",
            ));
        }
        state = reached.call(Method::GET, &path, None).await?;
    }
    bar.finish_and_clear();
    Ok(state)
}

fn is_open(state: &Value) -> bool {
    state["complete"] == false && matches!(state["job"]["state"].as_str(), Some("queued" | "running"))
}

fn report(moved: &Value, args: &Args) -> Result<()> {
    if args.json {
        output::json(moved)?;
    }
    // Somebody may have named another one meanwhile.
    let is_there = moved["complete"] == true && moved["store"] == args.store.as_str();
    match is_there {
        true if args.json => Ok(()),
        true => output::line(format_args!("all media of {} is in {}", args.library, args.store)),
        false => Err(why(moved)),
    }
}

fn why(moved: &Value) -> Error {
    let error = Error::invalid("not_moved", "not all media was moved; mend the reason, and call it again");
    let job = &moved["job"];
    match serde_json::from_value::<Failure>(job["failure"].clone()) {
        Ok(failure) => error.with("because", format!("{}: {}", failure.code, failure.message)),
        Err(_) => error.with("job", job["state"].as_str().unwrap_or("none")).with("store", &moved["store"]),
    }
}
