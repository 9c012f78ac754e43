use medianest_core::{Error, Result};
use medianest_storage::Redis;
use medianest_testkit::redis::prefix;
use std::time::{Duration, Instant};

/// How long servers may take to be there again: failovers are decided by time, and Sentinels whose machine
/// is busy decide nothing for half a minute.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// Keys of its own on a server that others use too.
pub(crate) fn connect(url: &str) -> Redis {
    Redis::open(url).unwrap().prefixed(&prefix())
}

/// The same, once it answers: while a machine is busy the first attempt may take too long.
pub(crate) async fn connected(url: &str) -> Redis {
    let redis = connect(url);
    in_the_end(|| redis.check()).await;
    redis
}

/// Tries until it succeeds.
pub(crate) async fn in_the_end<T, F: Future<Output = Result<T>>>(attempt: impl Fn() -> F) -> T {
    let began = Instant::now();
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) if began.elapsed() > PATIENCE => panic!("{}", error.report()),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Tries until it fails, and gives how.
pub(crate) async fn in_the_end_not<T, F: Future<Output = Result<T>>>(attempt: impl Fn() -> F) -> Error {
    let began = Instant::now();
    loop {
        match attempt().await {
            Err(error) => return error,
            Ok(_) if began.elapsed() > PATIENCE => panic!("it goes on succeeding"),
            Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
