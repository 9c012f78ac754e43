use super::{Redis, error::unexpected};
use medianest_core::{Error, ErrorKind, Result, Timestamp};
use redis::{FromRedisValue, Value, cmd};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// One server of a [`Redis`], as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisServer {
    /// Its version: `7.0.15`.
    pub version: String,
    /// What it does when its memory is full, `maxmemory_policy`.
    pub eviction: String,
    /// Whether it keeps an append-only file, so that a restart loses next to nothing.
    pub append_only: bool,
    /// Its clock, half-way between the question and the answer.
    pub clock: Timestamp,
    /// Bytes that it uses.
    pub used_memory: u64,
    /// Bytes that it may use, where it has a limit of its own, `maxmemory`.
    pub max_memory: Option<u64>,
    /// Bytes that its machine has.
    pub system_memory: u64,
    /// How long it took to answer.
    pub latency: Duration,
}

impl RedisServer {
    /// Whether it is new enough.
    ///
    /// # Errors
    /// `redis_too_old` (Unsupported).
    pub fn check_version(&self) -> Result<()> {
        let major = self.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_some_and(|major| major >= 7) {
            return Ok(());
        }
        let message = "this redis is too old; upgrade it to 7 or newer";
        Err(Error::new(ErrorKind::Unsupported, "redis_too_old", message).with("version", &self.version))
    }

    /// Whether it keeps what it was given until it is told otherwise, as queues need it.
    ///
    /// # Errors
    /// `redis_evicts` (Unsupported), with the line that mends it.
    pub fn check_eviction(&self) -> Result<()> {
        if self.eviction == "noeviction" {
            return Ok(());
        }
        let message = "this redis may throw jobs away when it is full; put `maxmemory-policy noeviction` into \
                       its redis.conf, and run `redis-cli CONFIG SET maxmemory-policy noeviction`";
        Err(Error::new(ErrorKind::Unsupported, "redis_evicts", message).with("policy", &self.eviction))
    }
}

impl Redis {
    /// The server, or the primaries of a cluster.
    ///
    /// # Errors
    /// `redis_unavailable`, `redis_refused`.
    pub async fn servers(&self) -> Result<Vec<RedisServer>> {
        let asked = Instant::now();
        let answer: Value = self.ask(&cmd("INFO")).await?;
        let latency = asked.elapsed();
        let texts = match answer {
            Value::Map(nodes) => nodes.into_iter().map(|(_, text)| text).collect(),
            text => vec![text],
        };
        let read = |text| {
            let text =
                String::from_redis_value(text).map_err(|source| unexpected("INFO").caused_by(source))?;
            describe(&text, latency)
        };
        texts.into_iter().map(read).collect()
    }
}

fn describe(info: &str, latency: Duration) -> Result<RedisServer> {
    let fields: BTreeMap<_, _> = info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
    let field = |name| fields.get(name).map(|value| (*value).to_owned()).ok_or_else(|| unexpected("INFO"));
    let number = |name| field(name)?.parse::<u64>().map_err(|_| unexpected("INFO"));
    let micros = i64::try_from(number("server_time_usec")?).map_err(|_| unexpected("INFO"))?;
    Ok(RedisServer {
        version: field("redis_version")?,
        eviction: field("maxmemory_policy")?,
        append_only: field("aof_enabled")? == "1",
        clock: Timestamp::from_micros(micros) + latency / 2,
        used_memory: number("used_memory")?,
        max_memory: Some(number("maxmemory")?).filter(|most| *most > 0),
        system_memory: number("total_system_memory")?,
        latency,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(version: &str, eviction: &str) -> RedisServer {
        let info = format!(
            "# Server\r\nredis_version:{version}\r\nserver_time_usec:1000000\r\n# Memory\r\nused_memory:5\r\n\
             maxmemory:0\r\ntotal_system_memory:9\r\nmaxmemory_policy:{eviction}\r\naof_enabled:0\r\n"
        );
        describe(&info, Duration::ZERO).unwrap()
    }

    #[test]
    fn what_cannot_be_used_is_told_with_what_mends_it() {
        let fine = server("7.0.15", "noeviction");
        assert_eq!((fine.used_memory, fine.max_memory, fine.clock), (5, None, Timestamp::from_secs(1)));
        assert!(fine.check_version().is_ok() && fine.check_eviction().is_ok() && !fine.append_only);
        assert!(server("10.1.0", "noeviction").check_version().is_ok());
        assert_eq!(server("6.2.7", "noeviction").check_version().unwrap_err().code(), "redis_too_old");
        let error = server("7.2.0", "allkeys-lru").check_eviction().unwrap_err();
        assert_eq!(error.code(), "redis_evicts");
        assert!(error.message().contains("CONFIG SET maxmemory-policy noeviction"));
        assert!(describe("", Duration::ZERO).is_err());
    }
}
