//! Whether Redis is what we need: the server, or each primary of a cluster.

use super::check::Check;
use crate::{composition, config::Config};
use medianest_storage::RedisServer;

/// Nothing, where none is configured.
pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let Some(redis) = composition::redis::open(config).transpose() else { return Vec::new() };
    let reached = async {
        let redis = redis?;
        let servers = redis.servers().await?;
        Ok((redis, servers))
    };
    let (redis, servers) = match reached.await {
        Ok(reached) => reached,
        Err(error) => {
            let advice = "see that it runs, that redis.url names it with the right user and password, and that it can \
                          be reached from here";
            return vec![Check::failed("redis", &error, advice)];
        }
    };
    let mut checks: Vec<_> = match &servers[..] {
        [server] => one("redis", server),
        servers => {
            let numbered = servers.iter().zip(1..);
            numbered.flat_map(|(server, number)| one(&format!("redis-{number}"), server)).collect()
        }
    };
    checks.push(Check::of(
        "redis writes",
        redis.check().await.map(|()| "takes what is written".to_owned()),
        "let redis.url lead to a primary with room in its memory and on its disk; of a cluster, all slots must be \
         served",
    ));
    checks
}

fn one(name: &str, server: &RedisServer) -> Vec<Check> {
    let told = format!("version {}, answers after {} µs", server.version, server.latency.as_micros());
    let kept = if server.append_only { "kept in an append-only file" } else { "lost with it" };
    let mib = |bytes: u64| bytes >> 20;
    let memory = match server.max_memory {
        Some(most) => format!("{} of {} MiB are in use", mib(server.used_memory), mib(most)),
        None => format!("{} MiB are in use, without a limit of its own", mib(server.used_memory)),
    };
    let most = server.max_memory.unwrap_or(server.system_memory);
    vec![
        Check::of(name, server.check_version().map(|()| told), "upgrade it to 7 or newer"),
        Check::of(
            format!("{name} eviction"),
            server.check_eviction().map(|()| "nothing is thrown away".to_owned()),
            "put `maxmemory-policy noeviction` into redis.conf, and run \
             `redis-cli CONFIG SET maxmemory-policy noeviction`",
        ),
        // All of it is in PostgreSQL too.
        Check::fine(
            format!("{name} persistence"),
            format!("what it has is {kept}, and made again from PostgreSQL"),
        ),
        Check::clock(format!("{name} clock"), server.clock),
        Check::fine(format!("{name} memory"), memory).advised(
            server.used_memory > most / 10 * 9,
            "give it more memory (maxmemory): when it is full, jobs and sessions are read from PostgreSQL",
        ),
    ]
}
