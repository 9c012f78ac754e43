use super::server::{Server, free_port};
use std::{process::Command, sync::OnceLock, time::Duration};

/// Three primaries, each with a replica.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Server>,
}

/// The cluster that all tests of this process share, each under a [`prefix`](super::prefix) of its own.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    // Nobody dies in it, however busy the machine is.
    CLUSTER.get_or_init(|| Cluster::patient(15_000))
}

impl Cluster {
    /// A cluster in which a primary that is silent for two seconds is replaced.
    ///
    /// # Panics
    /// When there is no Redis 7 on this machine, or it does not start.
    pub fn start() -> Self {
        Self::patient(2_000)
    }

    fn patient(millis: u32) -> Self {
        let timeout = millis.to_string();
        let start = |_| {
            let bus = free_port().to_string();
            let cluster = ["--cluster-enabled", "yes", "--cluster-port", &bus];
            Server::start(&[&cluster[..], &["--cluster-node-timeout", &timeout]].concat())
        };
        let nodes: Vec<_> = (0..6).map(start).collect();
        let output = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())))
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .output()
            .expect("tests need redis-cli: run script/setup --test");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let cluster = Self { nodes };
        // A replica that never was in step with its primary does not take its place.
        while !cluster.nodes.iter().all(Self::is_in_step) {
            std::thread::sleep(Duration::from_millis(20));
        }
        cluster
    }

    fn is_in_step(node: &Server) -> bool {
        let replication = node.cli(&["INFO", "replication"]);
        let knows_all = node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
        knows_all && (replication.contains("master_link_status:up") || replication.contains("state=online"))
    }

    /// The URL to connect to, which names all nodes.
    pub fn url(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis-cluster://{}", nodes.join(","))
    }

    /// Moves so many slots, with what is in them, from one primary to another.
    ///
    /// # Panics
    /// When they cannot be moved.
    pub fn move_slots(&self, count: u32) {
        let ids = self.nodes[..2].iter().map(|node| node.cli(&["CLUSTER", "MYID"])).collect::<Vec<_>>();
        let output = Command::new("redis-cli")
            .args(["--cluster", "reshard", &format!("127.0.0.1:{}", self.nodes[0].port())])
            .args(["--cluster-from", &ids[0], "--cluster-to", &ids[1], "--cluster-yes"])
            .args(["--cluster-slots", &count.to_string()])
            .output()
            .expect("tests need redis-cli: run script/setup --test");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// All six.
    pub fn nodes(&mut self) -> &mut [Server] {
        &mut self.nodes
    }

    /// The primary that has a key, as some node has it that is alive.
    ///
    /// # Panics
    /// When nobody has it.
    pub fn primary_of(&mut self, key: &str) -> &mut Server {
        let slots = |node: &Server| node.cli(&["CLUSTER", "NODES"]);
        let slot: u32 = self.nodes[0].cli(&["CLUSTER", "KEYSLOT", key]).parse().expect("a slot");
        let has = |range: &str| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            matches!((first.parse(), last.parse()), (Ok(first), Ok(last)) if (first..=last).contains(&slot))
        };
        let known = slots(&self.nodes[0]);
        let line =
            known.lines().find(|line| line.split(' ').skip(8).any(has)).expect("somebody has the slot");
        let port = line.split([':', '@']).nth(1).expect("an address");
        self.nodes.iter_mut().find(|node| node.port().to_string() == port).expect("one of ours")
    }
}
