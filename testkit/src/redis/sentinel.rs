use super::server::Server;
use std::{sync::OnceLock, time::Duration};

const NAME: &str = "nest";

/// A primary, a replica and a sentinel that watches over them.
#[derive(Debug)]
pub struct Sentinel {
    primary: Server,
    replica: Server,
    watch: Server,
}

/// The sentinel that all tests of this process share, each under a [`prefix`](super::prefix) of its own.
pub fn sentinel() -> &'static Sentinel {
    static SENTINEL: OnceLock<Sentinel> = OnceLock::new();
    // Nobody dies behind it, however busy the machine is.
    SENTINEL.get_or_init(|| Sentinel::patient(15_000))
}

impl Sentinel {
    /// A sentinel that replaces a primary that is silent for a second.
    ///
    /// # Panics
    /// When there is no Redis 7 on this machine, or it does not start.
    pub fn start() -> Self {
        Self::patient(1_000)
    }

    fn patient(millis: u32) -> Self {
        let primary = Server::start(&[]);
        let port = primary.port().to_string();
        let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
        let watch = Server::start(&["--sentinel"]);
        watch.cli(&["SENTINEL", "MONITOR", NAME, "127.0.0.1", &port, "1"]);
        let patience = millis.to_string();
        watch.cli(&["SENTINEL", "SET", NAME, "down-after-milliseconds", &patience]);
        watch.cli(&["SENTINEL", "SET", NAME, "failover-timeout", "3000"]);
        let sentinel = Self { primary, replica, watch };
        // It must know the replica to have something to put in the primary's place.
        while !sentinel.watch.cli(&["SENTINEL", "REPLICAS", NAME]).contains("master-link-status\nok") {
            std::thread::sleep(Duration::from_millis(20));
        }
        sentinel
    }

    /// The URL to connect to, which names the sentinel.
    pub fn url(&self) -> String {
        format!("redis-sentinel://127.0.0.1:{}/{NAME}", self.watch.port())
    }

    /// Both that have data, the first primary before what takes its place.
    pub fn nodes(&mut self) -> [&mut Server; 2] {
        [&mut self.primary, &mut self.replica]
    }

    /// The first primary.
    pub fn primary(&mut self) -> &mut Server {
        &mut self.primary
    }

    /// What takes its place.
    pub fn replica(&mut self) -> &mut Server {
        &mut self.replica
    }
}
