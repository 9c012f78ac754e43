//! Who dies when: seeded, so that the same seed does the same again.

use crate::{
    cast::{Cast, Form, LEASE, is_primary, replication},
    health::{Health, Witness},
    load::Uploads,
    process::Process,
    random::Random,
    until,
};
use std::{
    fmt,
    time::{Duration, Instant},
};

/// Something that happens to one of the cast.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    KillApi(usize),
    KillWorker(usize),
    FreezeApi(usize),
    /// Past its lease.
    FreezeWorker(usize),
    RestartApi(usize),
    RestartWorker(usize),
    KillPostgres,
    KillReplica,
    /// A primary: another takes its place.
    KillRedis(usize),
    /// All of them.
    FreezeRedis,
    FlushRedis,
    KillStore,
}

/// Acts in their order, each with how long it lasts.
pub(crate) struct Schedule(Vec<(Act, Duration)>);

impl Schedule {
    /// `kills` of each sort that kills, the others half as often, at least once.
    pub(crate) fn new(kills: usize, random: &mut Random) -> Self {
        let mut acts = Vec::new();
        for n in 0..kills {
            let (api, worker) = (random.below(3), random.below(2));
            acts.extend([Act::KillApi(api), Act::KillWorker(worker), Act::KillPostgres, Act::KillReplica]);
            acts.extend([Act::KillRedis(random.below(3)), Act::KillStore]);
            if n % 2 == 0 {
                let (api, worker) = (random.below(3), random.below(2));
                acts.extend([
                    Act::FreezeApi(api),
                    Act::FreezeWorker(worker),
                    Act::FreezeRedis,
                    Act::FlushRedis,
                ]);
                acts.extend([Act::RestartApi((api + 1) % 3), Act::RestartWorker((worker + 1) % 2)]);
            }
        }
        random.shuffle(&mut acts);
        Self(acts.into_iter().map(|act| (act, Duration::from_millis(300 + random.next() % 2_000))).collect())
    }

    /// Does all of it, while uploads go on.
    pub(crate) fn run(
        self,
        cast: &mut Cast,
        form: Form,
        uploads: &Uploads,
        count: usize,
        witness: &mut Witness,
    ) {
        let began = Instant::now();
        let (acts, mut gone) = (self.0.len(), 0);
        for (n, (act, lasts)) in self.0.into_iter().enumerate() {
            // In bursts, so that there is always something under way.
            let due = count * ((n / 3 + 1) * 3).min(acts) / acts;
            uploads.let_go(due - gone);
            gone = due;
            eprintln!("{:6.1} s  {act}", began.elapsed().as_secs_f64());
            // Some get under way.
            std::thread::sleep(lasts / 2);
            act.happen(cast, form, lasts, witness);
        }
        eprintln!("{:6.1} s  all is calm", began.elapsed().as_secs_f64());
    }
}

impl Act {
    fn happen(self, cast: &mut Cast, form: Form, lasts: Duration, witness: &mut Witness) {
        match self {
            Self::KillApi(n) => again(&mut cast.apis[n], Process::kill, lasts),
            Self::KillWorker(n) => again(&mut cast.workers[n], Process::kill, lasts),
            Self::RestartApi(n) => again(&mut cast.apis[n], Process::stop, lasts),
            Self::RestartWorker(n) => again(&mut cast.workers[n], Process::stop, lasts),
            Self::FreezeApi(n) => {
                cast.apis[n].freeze();
                std::thread::sleep(lasts * 2);
                cast.apis[n].thaw();
            }
            Self::FreezeWorker(n) => {
                cast.workers[n].freeze();
                // Its jobs are taken at the second look after the lease.
                std::thread::sleep(LEASE * 2);
                cast.workers[n].thaw();
            }
            Self::KillPostgres => {
                cast.postgres.kill();
                witness.all_say(cast, "PostgreSQL is killed", Health::Away("catalog"));
                std::thread::sleep(lasts);
                cast.postgres.start_again();
                witness.all_say(cast, "PostgreSQL is back", Health::Able);
            }
            Self::KillReplica => {
                cast.replica.kill();
                std::thread::sleep(lasts);
                // The primary answers instead.
                witness.all_say(cast, "the replica is killed", Health::Degraded("replica-1"));
                cast.replica.start_again();
                witness.all_say(cast, "the replica is back", Health::Ready);
            }
            Self::KillRedis(n) => kill_redis(cast, form, n, lasts, witness),
            Self::FreezeRedis => {
                cast.redis.nodes().iter().for_each(|node| node.freeze());
                witness.all_say(cast, "Redis is frozen", Health::Degraded("redis"));
                std::thread::sleep(lasts);
                cast.redis.nodes().iter().for_each(|node| node.thaw());
                witness.all_say(cast, "Redis goes on", Health::Ready);
            }
            Self::FlushRedis => {
                let primaries = cast.redis.nodes();
                primaries
                    .iter()
                    .filter(|node| is_primary(node))
                    .for_each(|node| drop(node.cli(&["FLUSHALL"])));
            }
            Self::KillStore => {
                cast.s3.kill();
                witness.all_say(cast, "the store is killed", Health::Away("store default"));
                std::thread::sleep(lasts);
                cast.s3.restart();
                witness.all_say(cast, "the store is back", Health::Able);
            }
        }
    }
}

fn again(process: &mut Process, end: impl FnOnce(&mut Process), lasts: Duration) {
    end(process);
    std::thread::sleep(lasts);
    process.restart();
}

fn kill_redis(cast: &mut Cast, form: Form, n: usize, lasts: Duration, witness: &mut Witness) {
    let primaries = |cast: &mut Cast| cast.redis.nodes().into_iter().filter(|node| is_primary(node)).count();
    let before = primaries(cast);
    let killed = cast.redis.a_primary(n);
    killed.kill();
    let port = killed.port();
    std::thread::sleep(lasts);
    until("a replica takes the place of its primary", || (primaries(cast) == before).then_some(()));
    witness.all_say(cast, "a primary of Redis is replaced", Health::Ready);
    cast.redis.nodes().into_iter().find(|node| node.port() == port).expect("it has its port").restart();
    until("who was a primary is a replica", || {
        let mut nodes = cast.redis.nodes();
        let node = nodes.iter_mut().find(|node| node.port() == port).expect("it has its port");
        let replication = replication(node);
        let known = match form {
            Form::Cluster => {
                node.try_cli(&["CLUSTER", "INFO"]).is_ok_and(|said| said.contains("cluster_state:ok"))
            }
            Form::Sentinel => true,
        };
        (known && replication.contains("role:slave") && replication.contains("master_link_status:up"))
            .then_some(())
    });
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
